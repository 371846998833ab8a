package testhelpers

import (
	"bytes"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"testing/iotest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Fault is a rule: what is done to some of the requests that match.
type Fault struct {
	Method string // "" for any
	Match  string // regular expression on the path; "" for any
	Nth    int    // the first matching request to fail, from 1; 0 is 1
	Times  int    // how many, from then on; 0 for ever
	Do     Action
}

// Action answers one request in place of next, or with its help. The functions
// of this package that return one are all the ways to fail that are known; a
// test may write its own.
type Action func(w http.ResponseWriter, r *http.Request, next http.Handler)

// Inject adds a rule. Requests count from now; where several rules fit, the one
// that was added first acts. Rules see requests before authentication does, so
// a client's first attempt without credentials counts too.
func (reg *Registry) Inject(f Fault) { reg.faults.add(f) }

// ClearFaults takes all rules away.
func (reg *Registry) ClearFaults() { reg.faults.clear() }

// Faulted returns how many requests a rule acted on so far.
func (reg *Registry) Faulted() int {
	reg.faults.mu.Lock()
	defer reg.faults.mu.Unlock()
	return reg.faults.fired
}

type rule struct {
	Fault
	match *regexp.Regexp
	seen  int
}

type faults struct {
	mu    sync.Mutex
	rules []*rule
	fired int
}

func (fs *faults) add(f Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.Nth = max(f.Nth, 1)
	fs.rules = append(fs.rules, &rule{Fault: f, match: regexp.MustCompile(f.Match)})
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.rules = nil
}

// pick counts the request against every rule and returns what the first one
// that fits does; nil for none.
func (fs *faults) pick(r *http.Request) Action {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var do Action
	for _, rule := range fs.rules {
		if rule.Method != "" && rule.Method != r.Method || !rule.match.MatchString(r.URL.Path) {
			continue
		}
		rule.seen++
		if do == nil && rule.seen >= rule.Nth && (rule.Times == 0 || rule.seen < rule.Nth+rule.Times) {
			do = rule.Do
			fs.fired++
		}
	}
	return do
}

func (fs *faults) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if do := fs.pick(r); do != nil {
			do(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Status answers with a code, headers (may be nil) and a body. The registry
// never hears of the request.
func Status(code int, headers map[string]string, body string) Action {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		// Read what the client sends, as a registry behind a proxy does.
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		for key, value := range headers {
			w.Header().Set(key, value)
		}
		w.WriteHeader(code)
		send(w, []byte(body))
	}
}

// Header passes the request on and sets a header of the answer; "" deletes it.
func Header(key, value string) Action {
	return spoil(func(a *answer) {
		a.header.Set(key, value)
		if value == "" {
			a.header.Del(key)
		}
	})
}

// ContentType passes the request on and lies about what the answer is.
func ContentType(mediaType string) Action { return Header("Content-Type", mediaType) }

// Truncate ends the answer's body after some bytes, with a length that agrees.
func Truncate(after int) Action {
	return spoil(func(a *answer) { a.replace(a.body[:min(after, len(a.body))]) })
}

// Corrupt changes the byte at a position of the answer's body.
func Corrupt(at int) Action {
	return spoil(func(a *answer) {
		if at < len(a.body) {
			a.body[at] ^= 0x20
		}
	})
}

// Pad adds a space to the answer's body, with a length that agrees: JSON stays
// JSON, but its digest is another.
func Pad() Action { return spoil(func(a *answer) { a.replace(append(a.body, ' ')) }) }

// Body replaces the answer's body, with a length that agrees.
func Body(body []byte) Action { return spoil(func(a *answer) { a.replace(body) }) }

// Cut ends the connection after some bytes of the answer's body, whose length
// was announced in full.
func Cut(after int) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := ask(next, r)
		a.begin(w)
		send(w, a.body[:min(after, len(a.body))])
		flush(w)
		panic(http.ErrAbortHandler)
	}
}

// Reset is Cut with a TCP reset.
func Reset(afterBytes int) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := ask(next, r)
		a.begin(w)
		send(w, a.body[:min(afterBytes, len(a.body))])
		flush(w)
		resetConn(w)
	}
}

// Late lets the registry act on the request, then resets the connection without
// an answer.
func Late() Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		ask(next, r)
		resetConn(w)
	}
}

// CutUpload lets the registry see some bytes of what the client sends, then
// resets the connection without an answer.
func CutUpload(after int64) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, after), iotest.ErrReader(io.ErrUnexpectedEOF)))
		ask(next, r)
		resetConn(w)
	}
}

// TooLarge answers 413 to a request with a body of more than limit bytes, as a
// proxy does, without reading it.
func TooLarge(limit int64) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.ContentLength > limit {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// Stall sends some bytes of the answer's body, waits, and sends the rest.
func Stall(after int, wait time.Duration) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := ask(next, r)
		a.begin(w)
		n := min(after, len(a.body))
		send(w, a.body[:n])
		flush(w)
		if pause(r.Context(), wait) {
			send(w, a.body[n:])
		}
	}
}

// Hang never answers; it ends when the client leaves, or with the test.
func Hang() Action {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		// Only a server that has read the body notices that a client leaves.
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler) // to return would be an answer
	}
}

// Lie answers a PUT as if it had been stored, and stores nothing.
func Lie() Action {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		digest, _, err := v1.SHA256(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Docker-Content-Digest", digest.String())
		w.Header().Set("Location", r.URL.Path)
		w.WriteHeader(http.StatusCreated)
	}
}

// Alter stores a PUT with a space at its end and answers with the digest of
// what was sent.
func Alter() Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		digest, _, err := v1.SHA256(bytes.NewReader(body))
		if err != nil {
			return
		}
		r = r.WithContext(unchecked(r.Context()))
		r.Body = io.NopCloser(bytes.NewReader(append(body, ' ')))
		r.ContentLength = int64(len(body)) + 1
		a := ask(next, r)
		a.header.Set("Docker-Content-Digest", digest.String())
		a.begin(w)
		send(w, a.body)
	}
}

// answer is what the registry would have said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func ask(next http.Handler, r *http.Request) *answer {
	w := httptest.NewRecorder()
	next.ServeHTTP(w, r)
	return &answer{w.Code, w.Header(), w.Body.Bytes()}
}

// replace gives the answer another body, which may be longer only in the test's
// memory: a HEAD has none.
func (a *answer) replace(body []byte) {
	a.body = bytes.Clone(body)
	a.header.Set("Content-Length", strconv.Itoa(len(body)))
}

// begin sends status and headers; a length that the registry did not announce
// is announced, so that a body that ends early is seen to.
func (a *answer) begin(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	if len(a.body) > 0 && a.header.Get("Content-Length") == "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
}

func spoil(how func(*answer)) Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		a := ask(next, r)
		how(a)
		a.begin(w)
		send(w, a.body)
	}
}

// send writes to a client that may have left, which is its own affair.
func send(w io.Writer, p []byte) {
	if len(p) > 0 {
		_, _ = w.Write(p) //nolint:errcheck // see above
	}
}

func flush(w http.ResponseWriter) {
	_ = http.NewResponseController(w).Flush() //nolint:errcheck // as in send
}

// resetConn ends the client's connection with a TCP reset; in TLS with an
// abrupt end, and in HTTP/2 the stream alone.
func resetConn(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp := tcpConn(conn); tcp != nil {
		_ = tcp.SetLinger(0) //nolint:errcheck // then it is no reset but an end, which fails as well
		conn = tcp
	}
	panic(hungUp{conn})
}

// hungUp is a connection that the log closes, so that the request is in it
// before the client can know that it failed.
type hungUp struct{ conn net.Conn }

func tcpConn(conn net.Conn) *net.TCPConn {
	switch c := conn.(type) {
	case *tls.Conn:
		return tcpConn(c.NetConn())
	case *probeConn:
		return tcpConn(c.Conn)
	case *net.TCPConn:
		return c
	}
	return nil
}
