package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

const (
	maxTries     = 5
	firstBackoff = 500 * time.Millisecond
	maxError     = 64 << 10 // of an answer that is an error, in bytes
)

// retrier repeats requests that may succeed later: on 408, 429, 500, 502, 503,
// 504, and on connections that break off, also within an answer. For that it
// keeps answers whole, unless the request is marked by keyStream.
type retrier struct {
	opts  Options
	inner http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (r *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Context().Value(keyOnce) != nil {
		return r.once(req)
	}
	var resp *http.Response
	err := r.repeat(req.Context(), func() (outcome, error) {
		var err error
		if resp, err = r.once(req); err != nil { //nolint:bodyclose // the body is in memory, or handed to the caller
			return outcome{transient: isTransient(err), after: unsaid}, err
		}
		return answered(resp, r.opts.Now), nil
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// once makes the request and reads the answer, so that it no longer counts as in
// flight.
func (r *retrier) once(req *http.Request) (*http.Response, error) {
	resp, err := r.inner.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	success := resp.StatusCode < http.StatusMultipleChoices
	if success && req.Context().Value(keyStream) != nil {
		return resp, nil
	}
	limit := index.MaxManifest
	if !success {
		limit = maxError
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	switch {
	case err != nil && success:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(raw) > limit && success:
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLong, limit)
	}
	raw = raw[:min(len(raw), limit)]
	if !success {
		raw = withoutCredentials(raw, req.Header.Get("Authorization"))
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	return resp, nil
}

// outcome is what is known of a try when it is decided whether to repeat it.
type outcome struct {
	transient bool
	after     time.Duration // what the registry asks to wait; unsaid if it does not
}

const unsaid = time.Duration(-1)

func answered(resp *http.Response, now func() time.Time) outcome {
	return outcome{
		transient: transientStatus(resp.StatusCode),
		after:     retryAfter(resp.Header.Get("Retry-After"), now()),
	}
}

// repeat calls try until it succeeds, fails for good, or was called too often or
// for too long.
func (r *retrier) repeat(ctx context.Context, try func() (outcome, error)) error {
	tries := &tries{retry: r, began: r.opts.Now()}
	for {
		o, err := try()
		again, err := tries.wait(ctx, o, err)
		if !again {
			return err
		}
	}
}

// minProgress is how much further work must come for its tries to be counted
// anew, in bytes. Whoever gives that much before each failure gives everything
// in the end; whoever gives less is given up on.
const minProgress = 1 << 20

// tries is what a piece of work may still be tried: so often, and for so long.
// It is safe for concurrent use.
type tries struct {
	retry *retrier

	mu    sync.Mutex
	made  int
	began time.Time // zero until the first failure: to move bytes takes as long as it does
	at    int64     // how far the work was when counting began
}

func (r *retrier) tries() *tries { return &tries{retry: r} }

// reached says how far the work is, in bytes.
func (t *tries) reached(at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at-t.at >= minProgress {
		t.made, t.began, t.at = 0, time.Time{}, at
	}
}

// wait waits until it is time to try again after o. Where there is no more try,
// again is false, and the error says why.
func (t *tries) wait(ctx context.Context, o outcome, err error) (again bool, _ error) {
	opts := t.retry.opts
	t.mu.Lock()
	if t.made++; t.began.IsZero() {
		t.began = opts.Now()
	}
	made, spent := t.made, opts.Now().Sub(t.began)
	t.mu.Unlock()
	if !o.transient || made >= maxTries || ctx.Err() != nil {
		return false, err
	}
	wait := o.after
	if wait == unsaid {
		wait = opts.Jitter(firstBackoff << (made - 1))
	}
	if spent+wait > opts.Timeouts.Retry {
		if o.after == unsaid {
			return false, err
		}
		return false, &waitError{wait: wait, left: opts.Timeouts.Retry - spent, err: err}
	}
	if err := opts.Sleep(ctx, wait); err != nil {
		return false, err
	}
	return true, nil
}

// once is the context of a request that is not repeated by itself, since it is a
// part of work that is.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, keyOnce, true) }

// outcomeOf says whether work of several requests is worth another try.
func outcomeOf(err error) outcome {
	var answer *answerError
	var spent *spentError
	switch {
	case err == nil, errors.As(err, &spent):
		return outcome{}
	case errors.As(err, &answer):
		return outcome{transient: transientStatus(answer.status), after: answer.after}
	}
	return outcome{transient: isTransient(err) || isRefused(err), after: unsaid}
}

// isRefused reports whether nobody takes connections. To work that has come so
// far that it has several requests, a registry that answered before: it is being
// started again.
func isRefused(err error) bool {
	const onWindows = syscall.Errno(10061) // WSAECONNREFUSED
	var errno syscall.Errno
	return errors.As(err, &errno) && (errno == syscall.ECONNREFUSED || errno == onWindows)
}

// spentError is a failure that was followed by as many tries as there may be.
type spentError struct{ err error }

// Error implements error.
func (e *spentError) Error() string { return e.err.Error() }

// Unwrap returns what the last try came to.
func (e *spentError) Unwrap() error { return e.err }

func transientStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// isTransient reports whether a connection broke off. One that could not be
// made, and an answer that did not come in time, are not tried again.
func isTransient(err error) bool {
	var source *sourceError
	var network net.Error
	var stream streamError
	switch {
	case errors.Is(err, errContent):
		return false
	case errors.As(err, &source):
		return source.remote && isTransient(source.err)
	case errors.As(err, &network) && network.Timeout():
		return false
	case errors.As(err, &stream), errors.Is(err, errBroken), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	}
	const abortedOnWindows, resetOnWindows = syscall.Errno(10053), syscall.Errno(10054) // WSAECONNABORTED, WSAECONNRESET
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains([]syscall.Errno{
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, abortedOnWindows, resetOnWindows,
	}, errno)
}

// streamError is the type that net/http's HTTP/2 fills in by errors.As when a
// stream was reset; the field names are its own
// (golang.org/x/net/http2.StreamError).
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// Error is there because errors.As asks for it.
func (e streamError) Error() string {
	return fmt.Sprintf("stream %d reset, code %d", e.StreamID, e.Code)
}

// retryAfter returns how long a Retry-After header asks to wait: seconds or an
// HTTP date (RFC 9110, section 10.2.3). What cannot be read is as good as
// absent, which is a duration below zero.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return unsaid
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

func jitter(limit time.Duration) time.Duration {
	return rand.N(limit + 1) //nolint:gosec // spreads requests over time, keeps no secret
}
