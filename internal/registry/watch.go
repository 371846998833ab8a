package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// errNoAnswer is a request that was sent and not answered in time.
var errNoAnswer = errors.New("timeout awaiting an answer")

// patience is how long the answer to a request may take after it was sent. Who
// gets the last byte of a blob first computes its digest, and then moves it to
// where it stays, which on storage services is a copy: the larger the blob, the
// longer.
func (w *wire) patience(req *http.Request) time.Duration {
	size, ok := req.Context().Value(keySize).(int64)
	if !ok {
		return w.opts.Timeouts.Header
	}
	const mega = 1_000_000
	return w.opts.Timeouts.Header + time.Duration(size/mega)*w.opts.Timeouts.HeaderPerMB
}

// waiting is the wait for the answer to a request, which net/http knows only one
// limit for, whatever the request.
type waiting struct {
	most time.Duration
	late context.CancelCauseFunc

	mu    sync.Mutex
	conn  *watchedConn // nil unless it has to be more patient than it is
	timer *time.Timer
	over  bool
}

// on says which connection the request is sent on. Where that is dead, there
// comes another.
func (w *waiting) on(conn net.Conn) {
	w.stop()
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = nil
	if watched, ok := conn.(*watchedConn); ok && w.most > watched.idle {
		w.conn = watched
	}
}

// begin is called when the request was sent.
func (w *waiting) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || w.timer != nil {
		return // it was answered before
	}
	w.timer = time.AfterFunc(w.most, func() { w.late(errNoAnswer) })
	if w.conn != nil {
		w.conn.await(w.most)
	}
}

// end is called when the answer is there.
func (w *waiting) end() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.stop()
}

func (w *waiting) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	w.timer.Stop()
	w.timer = nil
	if w.conn != nil {
		w.conn.awaited()
	}
}

// watchedConn is a connection whose reads and writes fail once there was no
// progress in either direction for a while.
type watchedConn struct {
	net.Conn
	idle  time.Duration
	timer *time.Timer

	mu      sync.Mutex
	waits   int           // how many answers may take longer
	longest time.Duration // how much longer
}

func watch(conn net.Conn, idle time.Duration) net.Conn {
	expire := func() {
		// Any time in the past makes pending and later reads and writes fail; that
		// of a closed connection cannot be set, and need not be.
		_ = conn.SetDeadline(time.Unix(1, 0)) //nolint:errcheck // see above
	}
	return &watchedConn{Conn: conn, idle: idle, timer: time.AfterFunc(idle, expire)}
}

// Read implements net.Conn.
func (w *watchedConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.progress(n)
	return n, w.explain(err)
}

// Write implements net.Conn. A large write makes progress in parts that are not
// seen here, so it is split.
func (w *watchedConn) Write(p []byte) (int, error) {
	const part = 16 << 10
	written := 0
	w.timer.Reset(w.patience())
	for written < len(p) {
		n, err := w.Conn.Write(p[written:min(written+part, len(p))])
		written += n
		w.progress(n)
		if err != nil {
			return written, w.explain(err)
		}
	}
	return written, nil
}

// explain says whose deadline it was: nobody else sets one.
func (w *watchedConn) explain(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w for %s: %w", errStalled, w.idle, err)
	}
	return err
}

func (w *watchedConn) progress(n int) {
	if n > 0 {
		w.timer.Reset(w.patience())
	}
}

// await allows an answer to take longer than there may be no progress otherwise,
// until awaited is called. Several may be awaited at once, as HTTP/2 does.
func (w *watchedConn) await(most time.Duration) {
	w.mu.Lock()
	w.waits++
	w.longest = max(w.longest, most)
	w.mu.Unlock()
	w.timer.Reset(w.patience())
}

func (w *watchedConn) awaited() {
	w.mu.Lock()
	if w.waits--; w.waits == 0 {
		w.longest = 0
	}
	w.mu.Unlock()
	w.timer.Reset(w.patience())
}

func (w *watchedConn) patience() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.idle, w.longest)
}

// Close implements net.Conn.
func (w *watchedConn) Close() error {
	w.timer.Stop()
	return w.Conn.Close()
}
