package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// errPart is an answer that is another part of a blob than was asked for.
var errPart = errors.New("the registry answered with another part of the blob")

// openRemote returns the bytes of a blob of a repository from an offset on. Where
// the connection breaks off, it is made again for the rest, as often as tries
// allow.
func (c *Client) openRemote(ctx context.Context, s index.Step, from int64, tries *tries) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	r := &ranged{client: c, ctx: ctx, cancel: cancel, step: s, tries: tries, at: from}
	if ctx.Value(keyHeld) != nil {
		// Somebody is being sent what is read here, and gives up on who is silent.
		r.patience = c.opts.Timeouts.Idle / 3
	}
	for {
		err := r.open()
		if err == nil {
			return r, nil
		}
		if err = r.again(err); err != nil {
			cancel()
			return nil, err
		}
	}
}

// ranged reads a blob of a repository over as many requests as it takes.
type ranged struct {
	client   *Client
	ctx      context.Context //nolint:containedctx // of the requests that the reader makes
	cancel   context.CancelFunc
	step     index.Step
	tries    *tries
	patience time.Duration // how long one wait may be; 0 for any time
	at       int64
	whole    bool // the registry does not give parts

	mu     sync.Mutex
	body   io.ReadCloser
	closed bool
}

// Read implements io.Reader.
func (r *ranged) Read(p []byte) (int, error) {
	for {
		n, err := r.read(p)
		if n > 0 || err == nil || err == io.EOF { //nolint:errorlint // an error that wraps it is no end of a blob
			return n, err
		}
		if err = r.again(err); err != nil {
			return 0, err
		}
	}
}

// read reads from one answer, and lets go of it when it fails.
func (r *ranged) read(p []byte) (int, error) {
	body, err := r.current()
	if err != nil {
		return 0, err
	}
	n, err := body.Read(p)
	r.at += int64(n)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	r.hold(nil)
	switch {
	case r.at == r.step.Size && outcomeOf(err).transient:
		return n, io.EOF // there is nothing left to be read
	case n > 0:
		return n, nil // what comes next is asked for then
	}
	return n, err
}

// current returns the answer that is being read.
func (r *ranged) current() (io.ReadCloser, error) {
	r.mu.Lock()
	body, closed := r.body, r.closed
	r.mu.Unlock()
	switch {
	case closed:
		return nil, io.ErrClosedPipe
	case body != nil:
		return body, nil
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r.current()
}

// again waits until it is time for another try. An error ends the reading; one
// that is worth a longer wait than there is time for here stays as it is.
func (r *ranged) again(err error) error {
	o := outcomeOf(err)
	if r.patience > 0 && o.after > r.patience {
		return err
	}
	r.tries.reached(r.at)
	again, err := r.tries.wait(r.ctx, o, err)
	switch {
	case again:
		return nil
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF // to a reader, the other is no error
	}
	if o.transient && r.ctx.Err() == nil {
		return &spentError{err: err}
	}
	return err
}

// open asks for what was not read yet.
func (r *ranged) open() error {
	session, err := r.client.connect(r.ctx, r.step.From)
	if err != nil {
		return err
	}
	from := r.at
	if r.whole {
		from = 0
	}
	body, at, err := r.client.rest(r.ctx, session, r.step.Digest, from)
	if from > 0 && refusesParts(err) {
		r.whole = true
		body, at, err = r.client.rest(r.ctx, session, r.step.Digest, 0)
	}
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, body, r.at-at); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: %s ends before %d bytes", errContent, r.step.Digest, r.at)
		}
		return errors.Join(err, body.Close())
	}
	r.hold(body)
	return nil
}

// hold takes the place of the answer that was read.
func (r *ranged) hold(body io.ReadCloser) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		drop(body)
		body = nil
	}
	drop(r.body)
	r.body = body
}

// Close implements io.Closer.
func (r *ranged) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.hold(nil)
	r.cancel()
	return nil
}

// drop ends an answer that broke off, or is not wanted any more; nil is none.
func drop(body io.Closer) {
	if body != nil {
		_ = body.Close() //nolint:errcheck // it was only read
	}
}

// rest asks for a blob from an offset on, and returns it from where the answer
// begins: there, or at its start.
func (c *Client) rest(ctx context.Context, s *session, digest v1.Hash, from int64) (body io.ReadCloser, at int64, err error) {
	ctx = context.WithValue(once(ctx), keyStream, true)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url("blobs", digest.String()).String(), http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	if from > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return resp.Body, 0, nil
	case resp.StatusCode != http.StatusPartialContent || from == 0:
		return nil, 0, c.unexpected(resp)
	case !strings.HasPrefix(resp.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(from, 10)+"-"):
		return nil, 0, errors.Join(errPart, resp.Body.Close())
	}
	return resp.Body, from, nil
}

// refusesParts reports whether a registry gives the whole of a blob only.
func refusesParts(err error) bool {
	if answer, ok := errors.AsType[*answerError](err); ok {
		return answer.status != http.StatusNotFound &&
			isOfTheWay(answer.status, http.StatusBadRequest, http.StatusRequestedRangeNotSatisfiable)
	}
	return errors.Is(err, errPart)
}
