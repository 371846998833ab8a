package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// session speaks with one repository, with the credentials and token for it.
type session struct {
	client *http.Client
	repo   name.Repository
	scheme string

	inParts  atomic.Bool // large blobs must come in parts
	unusable sync.Map    // repositories that mounting from is denied, by name
}

// unmounted reports whether mounting from a repository is known to be denied.
func (s *session) unmounted(from name.Repository) bool {
	_, ok := s.unusable.Load(keyOf(from))
	return ok
}

func (s *session) dontMount(from name.Repository) { s.unusable.Store(keyOf(from), true) }

// url returns the address of something in the repository.
func (s *session) url(kind, of string) *url.URL {
	return &url.URL{
		Scheme: s.scheme,
		Host:   s.repo.RegistryStr(),
		Path:   "/v2/" + s.repo.RepositoryStr() + "/" + kind + "/" + of,
	}
}

// connect returns the session for a repository. It sees to that of the
// repository that WillPublish announced too, at the same time, so that its
// token costs no round trip later; what goes wrong there is told when that
// session is needed.
func (c *Client) connect(ctx context.Context, repo name.Repository) (*session, error) {
	c.mu.Lock()
	target := c.target
	c.mu.Unlock()
	if target == nil || sameRepository(*target, repo) {
		return c.session(ctx, repo)
	}
	var s *session
	var group errgroup.Group
	group.Go(func() (err error) { s, err = c.session(ctx, repo); return err })
	group.Go(func() error { _, _ = c.session(ctx, *target); return nil }) //nolint:errcheck // see above
	return s, group.Wait()
}

func (c *Client) session(ctx context.Context, repo name.Repository) (*session, error) {
	c.mu.Lock()
	scopes, ok := c.pushes[keyOf(repo)]
	if !ok {
		scopes = []string{repo.Scope(transport.PullScope)}
	}
	key := keyOf(repo) + " " + strings.Join(scopes, " ")
	m, ok := c.sessions[key]
	if !ok {
		m = newMemo[*session]()
		c.sessions[key] = m
	}
	c.mu.Unlock()
	return m.get(ctx, func(ctx context.Context) (*session, error) { return c.begin(ctx, repo, scopes) })
}

// begin does what is needed before the first request to a repository: one ping
// for each registry, then one token for each repository where the registry asks
// for tokens.
func (c *Client) begin(ctx context.Context, repo name.Repository, scopes []string) (*session, error) {
	c.named.add(repo.RegistryStr())
	if _, err := c.keys.given(); err != nil {
		return nil, err // a mistake that no request will repair
	}
	registry, err := c.registry(repo)
	if err != nil {
		return nil, err
	}
	challenge, err := c.ping(ctx, registry)
	if err != nil {
		return nil, err
	}
	auth, err := c.keys.resolve(ctx, repo)
	if err != nil {
		return nil, err
	}
	authenticated, err := c.authenticate(ctx, registry, auth, challenge, scopes)
	if err != nil {
		return nil, classify(ctx, repo.Name(), err)
	}
	s := &session{client: newHTTPClient(authenticated), repo: repo, scheme: "https"}
	if challenge.Insecure {
		s.scheme = "http"
	}
	return s, nil
}

// registry returns the registry as go-containerregistry must see it to try
// plain HTTP where we allow it. It would try that for private networks too;
// there the wire below refuses.
func (c *Client) registry(repo name.Repository) (name.Registry, error) {
	host := repo.RegistryStr()
	var opts []name.Option
	if c.opts.Insecure || isLoopback(host) {
		opts = append(opts, name.Insecure)
	}
	registry, err := name.NewRegistry(host, opts...)
	if err != nil {
		return name.Registry{}, &index.Fault{Kind: index.ErrUsage, Thing: host, Cause: err}
	}
	return registry, nil
}

func (c *Client) ping(ctx context.Context, registry name.Registry) (*transport.Challenge, error) {
	host := registry.RegistryStr()
	key := strings.ToLower(host)
	c.mu.Lock()
	m, ok := c.pings[key]
	if !ok {
		m = newMemo[*transport.Challenge]()
		c.pings[key] = m
	}
	c.mu.Unlock()
	return m.get(ctx, func(ctx context.Context) (*transport.Challenge, error) {
		tries := &schemeErrors{inner: c.retry}
		challenge, err := transport.Ping(ctx, registry, tries)
		if err != nil {
			return nil, classify(ctx, "registry "+host, tries.choose(err))
		}
		return challenge, nil
	})
}

// authenticate returns a transport that adds credentials to requests.
func (c *Client) authenticate(
	ctx context.Context, registry name.Registry, auth authn.Authenticator, challenge *transport.Challenge, scopes []string,
) (http.RoundTripper, error) {
	if strings.EqualFold(challenge.Scheme, "bearer") {
		return c.bearer(ctx, registry, auth, challenge, scopes)
	}
	basic, err := transport.FromToken(registry, auth, c.retry, challenge, &transport.Token{})
	if err != nil {
		return nil, &index.Fault{Kind: index.ErrRefused, Thing: "registry " + registry.RegistryStr(), Cause: err}
	}
	if challenge.Scheme != "" {
		return basic, nil
	}
	meet := func(ctx context.Context, later *transport.Challenge) (http.RoundTripper, error) {
		return c.bearer(ctx, registry, auth, later, scopes)
	}
	return &unasked{
		inner: basic, registry: address(registry, challenge), meet: meet, slots: c.slots, later: newMemo[http.RoundTripper](),
	}, nil
}

// bearer returns a transport with a token, which is asked for now.
func (c *Client) bearer(
	ctx context.Context, registry name.Registry, auth authn.Authenticator, challenge *transport.Challenge, scopes []string,
) (http.RoundTripper, error) {
	exchange := func(ctx context.Context, scopes []string) (*transport.Token, error) {
		return c.exchange(ctx, registry, auth, challenge, scopes)
	}
	token, err := exchange(ctx, scopes)
	if isDenied(err) && len(scopes) > 1 {
		// Some give nothing where they do not give all. The first is for writing.
		scopes = scopes[:1]
		token, err = exchange(ctx, scopes)
	}
	if err != nil {
		return nil, tokenFault(ctx, registry, err)
	}
	away, err := transport.FromToken(registry, auth, c.retry, challenge, token)
	if err != nil {
		return nil, &index.Fault{Kind: index.ErrRefused, Thing: "registry " + registry.RegistryStr(), Cause: err}
	}
	return &bearer{
		inner: c.retry, away: away, registry: address(registry, challenge), exchange: exchange, slots: c.slots,
		busy: make(chan struct{}, 1), token: token.Token, scopes: scopes,
	}, nil
}

// address returns where a registry is.
func address(registry name.Registry, challenge *transport.Challenge) *url.URL {
	u := &url.URL{Scheme: "https", Host: registry.RegistryStr()}
	if challenge.Insecure {
		u.Scheme = "http"
	}
	return u
}

// exchange asks for a token, or returns the one that was given in place of
// credentials. A token that the server calls access_token is one too (the OAuth2
// answer of https://distribution.github.io/distribution/spec/auth/token/);
// FromToken knows the other name only.
func (c *Client) exchange(
	ctx context.Context, registry name.Registry, auth authn.Authenticator, challenge *transport.Challenge, scopes []string,
) (*transport.Token, error) {
	given, err := authn.Authorization(ctx, auth)
	if err != nil {
		return nil, err
	}
	if given.RegistryToken != "" {
		return &transport.Token{Token: given.RegistryToken}, nil
	}
	// What is special about a request is not so of one for the token that it needs.
	ctx = context.WithValue(context.WithValue(ctx, keyOnce, nil), keyStream, nil)
	token, err := transport.Exchange(ctx, registry, auth, c.retry, scopes, challenge)
	if err != nil {
		return nil, err
	}
	if token.AccessToken != "" {
		token.Token = token.AccessToken
	}
	return token, nil
}

// tokenFault names what a token could not be had from. Exchange has no types
// for answers that make no sense, so what is neither an answer nor a failure of
// the network is one of those.
func tokenFault(ctx context.Context, registry name.Registry, err error) error {
	thing := "token for registry " + registry.RegistryStr()
	var answer *transport.Error
	var network *url.Error
	asked := errors.As(err, &network) && network.Op != "parse" // which is of the realm
	if ctx.Err() != nil || asked || errors.As(err, &answer) {
		return classify(ctx, thing, err)
	}
	// The text may hold what the token server sent.
	return &index.Fault{Kind: index.ErrRefused, Thing: thing, Cause: errors.New(printable(err.Error()))}
}

// schemeErrors remembers why https and http failed while a registry is looked
// for under both.
type schemeErrors struct {
	inner http.RoundTripper

	mu          sync.Mutex
	https, http error
}

// RoundTrip implements http.RoundTripper.
func (s *schemeErrors) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.inner.RoundTrip(req)
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.URL.Scheme == "https" {
		s.https = err
	} else {
		s.http = err
	}
	return resp, err
}

// choose returns the error worth telling: a certificate that cannot be trusted,
// else what the registry answered, else why TLS failed, unless the registry
// speaks no TLS and plain HTTP was tried.
func (s *schemeErrors) choose(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var answer *transport.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(s.https, &certificate):
		return s.https
	case errors.As(err, &answer):
		return err
	case s.https != nil && !speaksHTTP(s.https):
		return s.https
	case s.http != nil:
		return s.http
	case s.https != nil:
		return s.https
	}
	return err
}
