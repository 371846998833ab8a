package testhelpers

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Request is one exchange that a client had with a Registry.
type Request struct {
	Method, Path, RawQuery string
	// Kind is what was asked for: ping, token, manifest, blob, upload, mount,
	// tags, referrers, other; or tls-probe, a TLS hello on a plain port, which
	// is a round trip for nothing.
	Kind          string
	Status        int    // 0 where the client got no answer
	Authorization string // the header, as it was received
	UserAgent     string
	BytesIn       int64 // of the request's body that were read
	BytesOut      int64 // of the answer's body
	// Start is when the request was read, End the moment before the last bytes
	// of the answer went out: a request that needs the answer starts later.
	Start, End time.Time
}

const (
	kindToken    = "token"
	kindTLSProbe = "tls-probe"
)

var contentPath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags|referrers)/(.*)$`)

func kindOf(r *http.Request) string {
	switch r.URL.Path {
	case "/v2/", "/v2":
		return "ping"
	case tokenPath:
		return kindToken
	}
	parts := contentPath.FindStringSubmatch(r.URL.Path)
	switch {
	case parts == nil:
		return "other"
	case parts[2] == "blobs" && r.URL.Query().Has("mount"):
		return "mount"
	case parts[2] == "blobs" && strings.HasPrefix(parts[3], "uploads"):
		return "upload"
	case parts[2] == "blobs":
		return "blob"
	case parts[2] == "manifests":
		return "manifest"
	}
	return parts[2]
}

// requestLog is safe for concurrent use; its zero value is empty.
type requestLog struct {
	mu       sync.Mutex
	requests []Request
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
}

// all returns a copy in the order of starting.
func (l *requestLog) all() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	requests := slices.Clone(l.requests)
	slices.SortStableFunc(requests, func(a, b Request) int { return a.Start.Compare(b.Start) })
	return requests
}

func (l *requestLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = nil
}

func (l *requestLog) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := Request{
			Method: r.Method, Path: r.URL.Path, RawQuery: r.URL.RawQuery, Kind: kindOf(r),
			Authorization: r.Header.Get("Authorization"), UserAgent: r.UserAgent(), Start: time.Now(),
		}
		body := &countingBody{ReadCloser: r.Body}
		r.Body = body
		rec := &recorder{ResponseWriter: w}
		defer func() { // also when a fault ends the connection
			entry.Status, entry.BytesOut, entry.BytesIn, entry.End = rec.status, rec.n, body.n, rec.last
			if entry.End.IsZero() {
				entry.End = time.Now()
			}
			l.add(entry)
			if end := recover(); end != nil {
				if gone, ok := end.(hungUp); ok {
					_ = gone.conn.Close() //nolint:errcheck // there is nobody to tell
					end = http.ErrAbortHandler
				}
				panic(end)
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

type countingBody struct {
	io.ReadCloser
	n int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

// recorder notes what is answered, and when the last of it went out.
type recorder struct {
	http.ResponseWriter
	status int
	n      int64
	last   time.Time
}

// WriteHeader notes the status that is sent first.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.last = time.Now()
	w.ResponseWriter.WriteHeader(status)
}

// Write counts what is sent.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.last = time.Now()
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController find what is below.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Requests returns the log, in the order in which the requests started. A
// request is in it when it was answered.
func (reg *Registry) Requests() []Request { return reg.log.all() }

// Reset empties the log. Faults, tokens and content stay.
func (reg *Registry) Reset() { reg.log.reset() }

// Count returns how many requests had the method ("" for any) and a path that
// the regular expression finds something in. A TLS hello on a plain port has
// the method "tls-probe".
func (reg *Registry) Count(method, pathRegexp string) int {
	path := regexp.MustCompile(pathRegexp)
	n := 0
	for _, r := range reg.Requests() {
		if (method == "" || method == r.Method) && path.MatchString(r.Path) {
			n++
		}
	}
	return n
}

// CountKind returns how many requests were of the kind; see Request.
func (reg *Registry) CountKind(kind string) int {
	n := 0
	for _, r := range reg.Requests() {
		if r.Kind == kind {
			n++
		}
	}
	return n
}

// Writes returns how many requests may have changed something: PUT, POST,
// PATCH and DELETE, but not those for a token.
func (reg *Registry) Writes() int {
	n := 0
	for _, r := range reg.Requests() {
		switch r.Method {
		case http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete:
			if r.Kind != kindToken {
				n++
			}
		}
	}
	return n
}

// CriticalPath returns the greatest number of requests of which none overlaps
// another: the rounds that a client waited for one after the other. It means
// something only with WithDelay.
func (reg *Registry) CriticalPath() int { return len(Chain(reg.Requests())) }

// Chain returns a longest chain of requests of which none overlaps another,
// found as intervals are scheduled: always the one that ends first. Requests of
// several registries may be put together.
func Chain(requests []Request) []Request {
	sorted := slices.Clone(requests)
	slices.SortStableFunc(sorted, func(a, b Request) int { return a.End.Compare(b.End) })
	var chain []Request
	for _, r := range sorted {
		if len(chain) == 0 || !r.Start.Before(chain[len(chain)-1].End) {
			chain = append(chain, r)
		}
	}
	return chain
}

// MaxInFlight returns the greatest number of requests that were under way at
// one moment.
func (reg *Registry) MaxInFlight() int {
	type edge struct {
		at    time.Time
		delta int
	}
	var edges []edge
	for _, r := range reg.Requests() {
		edges = append(edges, edge{r.Start, 1}, edge{r.End, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(a.at.Compare(b.at), a.delta-b.delta) })
	most, now := 0, 0
	for _, e := range edges {
		now += e.delta
		most = max(most, now)
	}
	return most
}

// probeListener tells TLS hellos that come to a plain port.
type probeListener struct {
	net.Listener
	tls   bool
	delay time.Duration
	log   *requestLog
}

// Accept waits for the next connection.
func (l *probeListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || l.tls {
		return c, err
	}
	return &probeConn{Conn: c, listener: l}, nil
}

type probeConn struct {
	net.Conn
	listener *probeListener
	begun    bool
}

func (c *probeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.begun || n == 0 {
		return n, err
	}
	c.begun = true
	const handshake = 0x16 // RFC 8446, 5.1: the content type of a ClientHello's record
	if p[0] == handshake {
		start := time.Now()
		time.Sleep(c.listener.delay)
		c.listener.log.add(Request{
			Method: kindTLSProbe, Kind: kindTLSProbe, Status: http.StatusBadRequest, Start: start, End: time.Now(),
		})
	}
	return n, err
}
