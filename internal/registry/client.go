package registry

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// defaultJobs is how many requests are in flight at most, where Options do not
// say.
const defaultJobs = 24

// maxScopes bounds the text of the scopes that one token is asked with, in
// bytes: they travel in a URL. The token is renewed for what did not fit.
const maxScopes = 4 << 10

// Options are what a Client depends on. The zero value is a client for secure
// registries without credentials.
type Options struct {
	// Insecure allows plain HTTP and TLS that cannot be verified, for every host.
	Insecure bool
	// Jobs is how many requests are in flight at most, in the whole client;
	// zero means 24. A blob that is copied from one repository to another takes
	// two, and is copied even where Jobs is 1.
	Jobs int
	// Env answers for the environment variables that credentials are found by;
	// nil means that none is set. They are CNB_REGISTRY_AUTH, DOCKER_AUTH_CONFIG,
	// DOCKER_CONFIG, HOME (USERPROFILE), REGISTRY_AUTH_FILE, XDG_CONFIG_HOME and
	// XDG_RUNTIME_DIR.
	Env func(name string) string
	// UserAgent is what the client calls itself.
	UserAgent string
	// Log is told of each request after its answer, from many goroutines; nil
	// means that nobody is.
	Log func(Request)
	// RootCAs are whom to trust; nil means the system's.
	RootCAs *x509.CertPool
	// Proxy returns the proxy for a request; nil means that of the environment
	// (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
	Proxy func(*http.Request) (*url.URL, error)
	// Timeouts end what takes too long; zero values mean the defaults.
	Timeouts Timeouts

	// Now, Sleep and Jitter are the clock and the dice of retries; nil means
	// the real ones. Jitter returns a duration from 0 up to its argument.
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error
	Jitter func(limit time.Duration) time.Duration
}

// Timeouts say how long the client waits.
type Timeouts struct {
	Dial   time.Duration // for a connection; 10 s
	TLS    time.Duration // for a TLS handshake; 10 s
	Header time.Duration // for an answer to a request that was sent; 30 s
	// HeaderPerMB is how much longer the answer to a blob may take for each of
	// its million bytes; 100 ms, which is a registry that digests and stores 10 MB
	// in a second, the least that disks and storage services do.
	HeaderPerMB time.Duration
	Idle        time.Duration // for progress in sending or receiving; 30 s
	Retry       time.Duration // for a request with all its repetitions; 5 min
}

// Client speaks with registries. It is safe for concurrent use. Make it with
// [New], end it with [Client.Close].
type Client struct {
	opts  Options
	keys  *keychain
	base  *http.Transport
	named *hostSet
	slots *slots
	retry *retrier
	plain *http.Client // without credentials

	mu       sync.Mutex
	pings    map[string]*memo[*transport.Challenge] // by host
	sessions map[string]*memo[*session]             // by repository and scopes
	pushes   map[string][]string                    // scopes, by repository
	target   *name.Repository                       // what WillPublish announced
	resolved map[string]bool                        // names of manifests, with their digests
	listers  map[string]*lister                     // by host
}

// New returns a client. It does nothing yet: no request is made and no
// credential looked for before they are needed.
func New(opts Options) *Client {
	opts = opts.withDefaults()
	c := &Client{
		opts:     opts,
		keys:     newKeychain(opts.Env),
		named:    newHostSet(),
		slots:    newSlots(opts.Jobs),
		pings:    map[string]*memo[*transport.Challenge]{},
		sessions: map[string]*memo[*session]{},
		pushes:   map[string][]string{},
		resolved: map[string]bool{},
		listers:  map[string]*lister{},
	}
	c.base = newTransport(opts, c.named)
	c.retry = &retrier{opts: opts, inner: &wire{opts: opts, slots: c.slots, inner: c.base}}
	c.plain = newHTTPClient(c.retry)
	return c
}

func (o Options) withDefaults() Options {
	if o.Jobs <= 0 {
		o.Jobs = defaultJobs
	}
	if o.Env == nil {
		o.Env = func(string) string { return "" }
	}
	if o.Log == nil {
		o.Log = func(Request) {}
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the one place where the clock comes from when nobody gives one
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Jitter == nil {
		o.Jitter = jitter
	}
	o.Timeouts = o.Timeouts.withDefaults()
	return o
}

func (t Timeouts) withDefaults() Timeouts {
	set := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	set(&t.Dial, 10*time.Second)
	set(&t.TLS, 10*time.Second)
	set(&t.Header, 30*time.Second)
	set(&t.HeaderPerMB, 100*time.Millisecond)
	set(&t.Idle, 30*time.Second)
	set(&t.Retry, 5*time.Minute)
	return t
}

// WillPublish announces what the client is used for: a list will be published
// in the repository to, with children that are in the repositories from. To be
// called before any request, so that the token for to is asked once, with all
// that it will be needed for, and at the same time as the others.
func (c *Client) WillPublish(to name.Repository, from []name.Repository) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushes[keyOf(to)] = pushScopes(to, from)
	c.target = &to
}

// pushScopes returns the scopes for writing to one repository and mounting from
// others of its registry (https://distribution.github.io/distribution/spec/auth/scope/).
func pushScopes(to name.Repository, from []name.Repository) []string {
	scopes := []string{to.Scope(transport.PushScope)}
	size := len(scopes[0])
	for _, f := range from {
		scope := f.Scope(transport.PullScope)
		if !sameRegistry(f, to) || sameRepository(f, to) || slices.Contains(scopes, scope) {
			continue
		}
		if size += len(scope); size > maxScopes {
			break
		}
		scopes = append(scopes, scope)
	}
	return scopes
}

// preparePush makes sure that the scopes for writing to a repository are known;
// what WillPublish said stands.
func (c *Client) preparePush(to name.Repository, from []name.Repository) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.pushes[keyOf(to)]; !ok {
		c.pushes[keyOf(to)] = pushScopes(to, from)
	}
}

// note remembers that a manifest was found where it is named to be.
func (c *Client) note(repo name.Repository, digest v1.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resolved[keyOf(repo)+"@"+digest.String()] = true
}

// noted reports whether this client found a manifest in a repository.
func (c *Client) noted(repo name.Repository, digest v1.Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resolved[keyOf(repo)+"@"+digest.String()]
}

// maxRedirects is how many redirects are followed in a row.
const maxRedirects = 10

func newHTTPClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errRedirects
		}
		return nil
	}}
}

// Close ends the client's connections. No method may be running or called
// afterwards.
func (c *Client) Close() { c.base.CloseIdleConnections() }
