package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

var (
	errPlainHTTP = errors.New("it speaks plain HTTP, which is used for loopback hosts only unless it is allowed")
	errDowngrade = errors.New("it redirects from https to plain http, where anybody could read and change what is sent")
	errStalled   = errors.New("no progress")
	errBroken    = errors.New("the connection broke off")
)

// wire is one request and its answer, under everything else: what is allowed,
// how many at once, what is told of it, how long it may stand still.
type wire struct {
	opts  Options
	slots *slots
	inner http.RoundTripper
}

// RoundTrip implements http.RoundTripper. The body of the answer must be
// closed: until then the request counts as in flight.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := w.allow(req); err != nil {
		closeBody(req)
		return nil, err
	}
	release, err := w.slots.take(req.Context(), 1)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	end := sync.OnceFunc(func() {
		cancel(nil)
		release()
	})
	resp, err := w.send(ctx, req, cancel)
	if err != nil {
		end()
		return nil, err
	}
	resp.Body = &body{
		ReadCloser: resp.Body, idle: w.opts.Timeouts.Idle, now: w.opts.Now, end: end,
		stall: func() { cancel(errStalled) }, stalled: func() bool { return errors.Is(context.Cause(ctx), errStalled) },
	}
	return resp, nil
}

func (w *wire) send(ctx context.Context, req *http.Request, cancel context.CancelCauseFunc) (*http.Response, error) {
	out := req.Clone(ctx)
	if err := refreshBody(out); err != nil {
		return nil, err
	}
	stripCredentials(out)
	if w.opts.UserAgent != "" {
		out.Header.Set("User-Agent", w.opts.UserAgent)
	}
	// What goes wrong on a connection that was idle may be that it was dead.
	reused := false
	answer := &waiting{most: w.patience(req), late: cancel}
	out = out.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(info httptrace.GotConnInfo) { reused = info.Reused; answer.on(info.Conn) },
		WroteRequest: func(httptrace.WroteRequestInfo) { answer.begin() },
	}))
	began := w.opts.Now()
	resp, err := w.inner.RoundTrip(out)
	answer.end()
	switch {
	case err == nil:
	case errors.Is(context.Cause(ctx), errNoAnswer):
		err = fmt.Errorf("%w after %s", errNoAnswer, answer.most)
	case reused && !isOfBody(err):
		err = fmt.Errorf("%w: %w", errBroken, err)
	}
	entry := Request{Method: req.Method, URL: redact(req.URL), Duration: w.opts.Now().Sub(began), Err: err}
	if err == nil {
		entry.Status = resp.StatusCode
	}
	w.opts.Log(entry)
	return resp, err
}

// isOfBody reports whether a request failed because of what was to be sent, of
// which its connection is innocent.
func isOfBody(err error) bool {
	var source *sourceError
	return errors.As(err, &source) || errors.Is(err, errContent)
}

// allow refuses plain HTTP with hosts that are not this machine, and redirects
// from https to http, whoever asks: a ping, a token request, a redirect.
func (w *wire) allow(req *http.Request) error {
	if req.URL.Scheme == "https" || w.opts.Insecure {
		return nil
	}
	if req.Response != nil && req.Response.Request != nil && req.Response.Request.URL.Scheme == "https" {
		return errDowngrade
	}
	if !isLoopback(req.URL.Host) {
		return errPlainHTTP
	}
	return nil
}

// refreshBody gives a request a body that was not read yet. A request comes
// here again after its token was renewed, and after a failure.
func refreshBody(req *http.Request) error {
	if req.Body == nil || req.Body == http.NoBody || req.GetBody == nil {
		return nil
	}
	closeBody(req)
	again, err := req.GetBody()
	if err != nil {
		return err
	}
	req.Body = again
	return nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() //nolint:errcheck // nothing was sent from it
	}
}

// stripCredentials takes the credentials of the first request of a chain of
// redirects from those that go elsewhere.
func stripCredentials(req *http.Request) {
	first := req
	for first.Response != nil && first.Response.Request != nil {
		first = first.Response.Request
	}
	credentials := req.Header.Get("Authorization")
	if credentials == first.Header.Get("Authorization") && !sameOrigin(req.URL, first.URL) {
		req.Header.Del("Authorization")
	}
}

// sameOrigin compares scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}

// minRate is the least that counts as progress, in bytes for each second that a
// reader had to wait.
const minRate = 1 << 10

// body is the body of an answer. It ends when nothing comes for too long, or too
// little for the time that its reader waited for it.
type body struct {
	io.ReadCloser
	idle    time.Duration
	now     func() time.Time
	stall   func()
	stalled func() bool
	end     func()

	waited time.Duration
	got    int64
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	timer := time.AfterFunc(b.idle, b.stall)
	began := b.now()
	n, err := b.ReadCloser.Read(p)
	timer.Stop()
	b.waited += b.now().Sub(began)
	b.got += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && b.stalled() {
		return n, fmt.Errorf("%w for %s", errStalled, b.idle)
	}
	if err == nil && b.waited > b.idle {
		if b.got < int64(b.idle.Seconds()*minRate) {
			return n, fmt.Errorf("%w: %d bytes in %s", errStalled, b.got, b.waited)
		}
		b.waited, b.got = 0, 0
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}

// slots bounds the requests in flight.
type slots struct {
	all  int64
	free *semaphore.Weighted
}

func newSlots(n int) *slots { return &slots{all: int64(n), free: semaphore.NewWeighted(int64(n))} }

// take waits for n slots, all together; release gives them back. Within a
// context of hold it takes none.
func (s *slots) take(ctx context.Context, n int64) (release func(), err error) {
	if ctx.Value(keyHeld) != nil {
		return func() {}, nil
	}
	n = min(n, s.all)
	if err := s.free.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { s.free.Release(n) }, nil
}

// hold takes n slots for all requests within a context: two for one whose body is
// the answer to another, and one for what others wait for. If each took its own
// when it needs it, all could be taken by who waits for one more, or for them.
func (s *slots) hold(ctx context.Context, n int64) (held context.Context, release func(), err error) {
	if release, err = s.take(ctx, n); err != nil {
		return nil, nil, err
	}
	return context.WithValue(ctx, keyHeld, true), release, nil
}

// contextKey is for what a request's context tells the layers below.
type contextKey string

const (
	keyHeld   contextKey = "held"   // its slots are taken
	keyOnce   contextKey = "once"   // who asks repeats it, with what comes before it
	keyStream contextKey = "stream" // its answer is too long to be kept
	keySent   contextKey = "sent"   // who is told of the blob that it sends
	keySize   contextKey = "size"   // the bytes of the blob that is complete with it, an int64
)
