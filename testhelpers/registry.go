package testhelpers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry is a registry on loopback, in the test's own process. It keeps a log
// of every request and can be told to fail. It is safe for concurrent use.
type Registry struct {
	// Host is "ADDRESS:PORT", to be put in front of a repository.
	Host string

	scheme  string
	ca      *authority
	backend http.Handler
	store   *backend // nil where the content is not ours
	tokens  *tokens
	faults  faults
	log     requestLog
}

// RegistryOption changes what NewRegistry starts.
type RegistryOption func(*settings)

type settings struct {
	listenHost  string
	tls         bool
	edit        []func(*x509.Certificate)
	delay       time.Duration
	auth        gate
	life        time.Duration
	grants      func(user, repository, action string) bool
	accessOnly  bool
	realm       string
	backend     http.Handler
	noReferrers bool
}

// WithTLS makes the registry speak HTTPS with a certificate of its own for
// localhost, 127.0.0.1, 127.0.0.2 and ::1; each edit may spoil it.
func WithTLS(edit ...func(*x509.Certificate)) RegistryOption {
	return func(s *settings) { s.tls, s.edit = true, edit }
}

// WithDelay makes each request wait before anything else happens. Critical
// paths can be told only where the delay is well above the scheduler's jitter:
// 30 ms or more.
func WithDelay(d time.Duration) RegistryOption { return func(s *settings) { s.delay = d } }

// WithUpstream passes everything on to the registry at the address, such as
// "http://127.0.0.1:5000", without the credentials that were sent here.
func WithUpstream(address string) RegistryOption {
	return func(s *settings) { s.backend = reverseProxy(address) }
}

// WithHandler answers with h what the log, the faults and the authentication
// let pass.
func WithHandler(h http.Handler) RegistryOption { return func(s *settings) { s.backend = h } }

// WithListenHost listens on another loopback address than 127.0.0.1.
func WithListenHost(host string) RegistryOption { return func(s *settings) { s.listenHost = host } }

// NewRegistry starts a registry, which ends with the test.
func NewRegistry(tb testing.TB, opts ...RegistryOption) *Registry {
	tb.Helper()
	s := &settings{listenHost: "127.0.0.1", life: 5 * time.Minute}
	for _, opt := range opts {
		opt(s)
	}
	reg := &Registry{scheme: "http", backend: s.backend}
	if s.backend == nil {
		reg.store = newBackend(tb, !s.noReferrers)
		reg.backend = reg.store
	}
	var config net.ListenConfig
	plain, err := config.Listen(tb.Context(), "tcp", net.JoinHostPort(s.listenHost, "0"))
	if err != nil {
		tb.Fatalf("listen for a registry: %v", err)
	}
	reg.Host = plain.Addr().String()
	var l net.Listener = &probeListener{Listener: plain, tls: s.tls, delay: s.delay, log: &reg.log}
	if s.tls {
		reg.scheme = "https"
		reg.ca = newAuthority(tb, s.edit)
		l = tls.NewListener(l, reg.ca.server)
	}
	reg.serve(tb, l, reg.handler(s))
	return reg
}

func (reg *Registry) serve(tb testing.TB, l net.Listener, h http.Handler) {
	tb.Helper()
	// The context ends what hangs on purpose before the server is closed.
	ctx, cancel := context.WithCancel(context.Background())
	var busy finishing
	server := &http.Server{
		Handler:     busy.wrap(h),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			tb.Errorf("registry: %v", err)
		}
	}()
	tb.Cleanup(func() {
		cancel()
		if err := server.Close(); err != nil {
			tb.Errorf("close the registry: %v", err)
		}
		<-done
		busy.end()
	})
}

// finishing waits for the requests that a server was at when it was closed:
// they may be writing files into a directory that the test is about to remove.
type finishing struct {
	mu    sync.RWMutex // held for reading by each request
	ended bool
}

func (f *finishing) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.RLock()
		defer f.mu.RUnlock()
		if !f.ended {
			next.ServeHTTP(w, r)
		}
	})
}

func (f *finishing) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
}

// handler is log, delay, faults, authentication and the registry itself, in
// this order: faults come first, so that a token can fail as anything else.
func (reg *Registry) handler(s *settings) http.Handler {
	inner := reg.backend
	if s.auth != nil {
		reg.tokens = newTokens(s)
		inner = reg.admit(s.auth, inner)
	}
	inner = reg.faults.wrap(inner)
	return reg.log.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !pause(r.Context(), s.delay) {
			return
		}
		inner.ServeHTTP(w, r)
	}))
}

// pause waits for d; ok is false when ctx ended first.
func pause(ctx context.Context, d time.Duration) (ok bool) {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func reverseProxy(address string) http.Handler {
	target, err := url.Parse(address)
	if err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		})
	}
	return &httputil.ReverseProxy{
		ErrorLog:  log.New(io.Discard, "", 0),
		Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded() // so that the Location of an upload leads back here
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Authorization")
		},
	}
}

// Push puts an image into the registry at "REPOSITORY:TAG" or
// "REPOSITORY@DIGEST", past log, delay, faults and authentication, and returns
// its digest.
func (reg *Registry) Push(tb testing.TB, ref string, img v1.Image) v1.Hash {
	tb.Helper()
	return Push(tb, reg.Host+"/"+ref, img, remote.WithTransport(reg.direct()))
}

// PushIndex puts an index with all that it refers to into the registry, as Push
// puts an image.
func (reg *Registry) PushIndex(tb testing.TB, ref string, ix v1.ImageIndex) v1.Hash {
	tb.Helper()
	return PushIndex(tb, reg.Host+"/"+ref, ix, remote.WithTransport(reg.direct()))
}

// Manifest returns what the registry has under a tag or digest, past log,
// delay, faults and authentication; ok is false where it has nothing.
func (reg *Registry) Manifest(repository, tagOrDigest string) (raw []byte, mediaType string, ok bool) {
	return reg.get("/v2/" + repository + "/manifests/" + tagOrDigest)
}

// HasBlob reports whether the repository has the blob.
func (reg *Registry) HasBlob(repository string, digest v1.Hash) bool {
	_, _, ok := reg.get("/v2/" + repository + "/blobs/" + digest.String())
	return ok
}

func (reg *Registry) get(path string) (raw []byte, mediaType string, ok bool) {
	w := httptest.NewRecorder()
	reg.backend.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return w.Body.Bytes(), w.Header().Get("Content-Type"), w.Code == http.StatusOK
}

// direct is a transport that calls the registry's innermost handler.
func (reg *Registry) direct() http.RoundTripper { return roundTripper{reg.backend} }

type roundTripper struct{ h http.Handler }

// RoundTrip hands the request to the handler and returns what it recorded.
func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Host = r.URL.Host
	in.URL.Scheme, in.URL.Host = "", "" // as a server sees it
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	rt.h.ServeHTTP(w, in)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// Push puts an image with all its blobs at a reference in any registry and
// returns its digest.
func Push(tb testing.TB, ref string, img v1.Image, opts ...remote.Option) v1.Hash {
	tb.Helper()
	digest, err := img.Digest()
	if err != nil {
		tb.Fatalf("push %s: %v", ref, err)
	}
	if err := remote.Write(parse(tb, ref), img, append(opts, remote.WithContext(tb.Context()))...); err != nil {
		tb.Fatalf("push %s: %v", ref, err)
	}
	return digest
}

// PushIndex puts an index with all that it refers to at a reference in any
// registry and returns its digest.
func PushIndex(tb testing.TB, ref string, ix v1.ImageIndex, opts ...remote.Option) v1.Hash {
	tb.Helper()
	digest, err := ix.Digest()
	if err != nil {
		tb.Fatalf("push %s: %v", ref, err)
	}
	if err := remote.WriteIndex(parse(tb, ref), ix, append(opts, remote.WithContext(tb.Context()))...); err != nil {
		tb.Fatalf("push %s: %v", ref, err)
	}
	return digest
}

func parse(tb testing.TB, ref string) name.Reference {
	tb.Helper()
	parsed, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		tb.Fatalf("push: %v", err)
	}
	return parsed
}
