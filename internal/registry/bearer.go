package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// bearer adds a token to the requests to one registry, and renews it when the
// registry wants another. Requests that find out at once that it expired get one
// new token together; go-containerregistry's transport would ask for as many as
// there are requests.
type bearer struct {
	inner    http.RoundTripper
	away     http.RoundTripper // for what is redirected elsewhere; it keeps the token to itself
	registry *url.URL
	exchange func(ctx context.Context, scopes []string) (*transport.Token, error)
	slots    *slots

	busy chan struct{} // holds a token while one is exchanged

	mu     sync.Mutex
	token  string
	scopes []string // that it was asked with
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	if !sameOrigin(req.URL, b.registry) {
		return b.away.RoundTrip(req)
	}
	token, _ := b.current()
	for own := false; ; {
		resp, err := b.inner.RoundTrip(withToken(req, token))
		if err != nil {
			return nil, err
		}
		challenge, ok := challengeOf(req.Context(), resp)
		if own || !ok || !strings.EqualFold(challenge.Scheme, "bearer") {
			return resp, nil
		}
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
		if token, own, err = b.renew(req.Context(), token, challenge.Parameters["scope"]); err != nil {
			return nil, err
		}
	}
}

func (b *bearer) current() (token string, scopes []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.token, b.scopes
}

// renew returns a token to use after one was refused. That is the one that
// another request got meanwhile, if it is for what is wanted; then the second
// result is false, and the token may have expired, too. A token that could not be had leaves everything as
// it is.
func (b *bearer) renew(ctx context.Context, refused, wanted string) (string, bool, error) {
	ctx, release, err := b.slots.hold(ctx, 1)
	if err != nil {
		return "", false, err
	}
	defer release()
	select {
	case b.busy <- struct{}{}:
	case <-ctx.Done():
		return "", false, ended(ctx)
	}
	defer func() { <-b.busy }()
	token, scopes := b.current()
	lacks := !covers(scopes, wanted)
	if token != refused && !lacks {
		return token, false, nil
	}
	if lacks {
		// Some registries look at the first scope only.
		scopes = append([]string{wanted}, scopes...)
	}
	got, err := b.exchange(ctx, scopes)
	if err != nil {
		return "", false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.token, b.scopes = got.Token, scopes
	return b.token, true, nil
}

// covers reports whether scopes allow all that is wanted. Each is a list of
// "TYPE:NAME:ACTION,..." with spaces between
// (https://distribution.github.io/distribution/spec/auth/scope/).
func covers(scopes []string, wanted string) bool {
	have := map[string][]string{}
	for scope := range strings.FieldsSeq(strings.Join(scopes, " ")) {
		of, actions := splitScope(scope)
		have[of] = append(have[of], actions...)
	}
	for scope := range strings.FieldsSeq(wanted) {
		of, actions := splitScope(scope)
		for _, action := range actions {
			if !slices.Contains(have[of], action) {
				return false
			}
		}
	}
	return true
}

func splitScope(scope string) (of string, actions []string) {
	i := strings.LastIndexByte(scope, ':')
	return scope[:max(i, 0)], strings.Split(scope[i+1:], ",")
}

// withToken returns a copy of a request that has the token. The request itself
// stays as it is: a redirect of it does not take the token along.
func withToken(req *http.Request, token string) *http.Request {
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+token)
	return out
}

// challengeOf returns what a registry wants for credentials, where it wants any.
// go-containerregistry reads challenges for its ping only, so it is given the
// answer as that to a ping.
func challengeOf(ctx context.Context, resp *http.Response) (challenge *transport.Challenge, ok bool) {
	if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
		return nil, false
	}
	registry, err := name.NewRegistry("registry.invalid") // RFC 2606: it is nowhere, and nobody asks it
	if err != nil {
		return nil, false
	}
	challenge, err = transport.Ping(ctx, registry, roundTripperFunc(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: resp.StatusCode, Header: resp.Header, Body: http.NoBody, Request: req}, nil
	}))
	return challenge, err == nil
}

type roundTripperFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripperFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// unasked is for a registry that answered the ping without asking for
// credentials. Some do, and want a token for one repository or another later.
type unasked struct {
	inner    http.RoundTripper
	registry *url.URL // credentials are for nobody else's challenge
	meet     func(context.Context, *transport.Challenge) (http.RoundTripper, error)

	slots *slots

	later *memo[http.RoundTripper]
	mu    sync.Mutex
	known http.RoundTripper // what later made
}

// RoundTrip implements http.RoundTripper.
func (u *unasked) RoundTrip(req *http.Request) (*http.Response, error) {
	u.mu.Lock()
	known := u.known
	u.mu.Unlock()
	if known != nil {
		return known.RoundTrip(req)
	}
	resp, err := u.inner.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	challenge, ok := challengeOf(req.Context(), resp)
	if !ok || !strings.EqualFold(challenge.Scheme, "bearer") || !sameOrigin(req.URL, u.registry) {
		return resp, nil
	}
	challenge.Insecure = req.URL.Scheme == "http"
	known, err = u.learn(req.Context(), challenge)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	return known.RoundTrip(req)
}

func (u *unasked) learn(ctx context.Context, challenge *transport.Challenge) (http.RoundTripper, error) {
	ctx, release, err := u.slots.hold(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer release()
	known, err := u.later.get(ctx, func(ctx context.Context) (http.RoundTripper, error) { return u.meet(ctx, challenge) })
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.known = known
	return known, nil
}
