package testhelpers

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const tokenPath = "/token"

// gate says whether a request may pass, or answers it.
type gate func(reg *Registry, w http.ResponseWriter, r *http.Request) bool

// WithBasicAuth lets only requests with this user and password pass.
func WithBasicAuth(user, password string) RegistryOption {
	return func(s *settings) {
		s.auth = func(_ *Registry, w http.ResponseWriter, r *http.Request) bool {
			if u, p, ok := r.BasicAuth(); ok && u == user && p == password {
				return true
			}
			refuse(w, `Basic realm="registry"`)
			return false
		}
	}
}

// WithBearer adds a token service to the registry, at /token, that gives
// everybody tokens to pull and this user tokens for everything; other
// credentials than these, or none, are refused. Requests need a token for the
// repositories that they concern, a mount for the one that it takes from too.
func WithBearer(user, password string) RegistryOption {
	return func(s *settings) {
		if s.grants == nil {
			s.grants = func(who, _, action string) bool { return who == user || action == "pull" }
		}
		s.auth = func(reg *Registry, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == tokenPath {
				reg.tokens.serve(w, r, user, password)
				return false
			}
			return reg.tokens.admit(w, r, reg.challenge(s.realm))
		}
	}
}

// WithGrants decides in WithBearer's place what a token is given for: user is
// "" without credentials, action is pull, push or delete.
func WithGrants(may func(user, repository, action string) bool) RegistryOption {
	return func(s *settings) { s.grants = may }
}

// WithTokenLife makes tokens expire. ExpireTokens does it at once.
func WithTokenLife(d time.Duration) RegistryOption { return func(s *settings) { s.life = d } }

// WithAccessTokenOnly names the token access_token only, as OAuth2 does.
func WithAccessTokenOnly() RegistryOption { return func(s *settings) { s.accessOnly = true } }

// WithRealm sends clients to another token service than the registry's own.
func WithRealm(address string) RegistryOption { return func(s *settings) { s.realm = address } }

// ExpireTokens makes all tokens that were handed out worthless.
func (reg *Registry) ExpireTokens() {
	if reg.tokens != nil {
		reg.tokens.expire()
	}
}

func (reg *Registry) admit(auth gate, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if auth(reg, w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

func (reg *Registry) challenge(realm string) string {
	if realm == "" {
		realm = reg.scheme + "://" + reg.Host + tokenPath
	}
	return fmt.Sprintf("Bearer realm=%q,service=%q", realm, reg.Host)
}

func refuse(w http.ResponseWriter, challenge string) {
	w.Header().Set("Www-Authenticate", challenge)
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required", nil)
}

// tokens is the token service.
type tokens struct {
	life       time.Duration
	may        func(user, repository, action string) bool
	accessOnly bool

	mu     sync.Mutex
	issued map[string]grant
}

// grant is what a token is good for: scopes such as "repository:a/b:pull".
type grant struct {
	scopes  []string
	expires time.Time
}

func newTokens(s *settings) *tokens {
	return &tokens{life: s.life, may: s.grants, accessOnly: s.accessOnly, issued: map[string]grant{}}
}

func (t *tokens) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.issued)
}

// serve answers a request for a token
// (https://distribution.github.io/distribution/spec/auth/token/).
func (t *tokens) serve(w http.ResponseWriter, r *http.Request, user, password string) {
	u, p, ok := r.BasicAuth()
	if r.Method == http.MethodPost {
		u, p, ok = r.PostFormValue("username"), r.PostFormValue("password"), true
	}
	if ok && (u != user || p != password) {
		refuse(w, `Basic realm="token service"`)
		return
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	token := rand.Text()
	t.mu.Lock()
	t.issued[token] = grant{t.granted(u, r.Form["scope"]), time.Now().Add(t.life)}
	t.mu.Unlock()
	answer := map[string]any{"access_token": token, "expires_in": int(t.life.Seconds())}
	if !t.accessOnly {
		answer["token"] = token
	}
	w.Header().Set("Content-Type", "application/json")
	writeJSON(w, answer)
}

// granted splits the scopes that were asked for into single actions and keeps
// those that the user may do.
func (t *tokens) granted(user string, asked []string) []string {
	var scopes []string
	for scope := range strings.FieldsSeq(strings.Join(asked, " ")) {
		parts := strings.SplitN(scope, ":", 2)
		cut := strings.LastIndex(scope, ":")
		if len(parts) != 2 || parts[0] != "repository" || cut <= len("repository:") {
			continue
		}
		repository := scope[len("repository:"):cut]
		for action := range strings.SplitSeq(scope[cut+1:], ",") {
			if t.may(user, repository, action) {
				scopes = append(scopes, scopeOf(repository, action))
			}
		}
	}
	return scopes
}

func scopeOf(repository, action string) string { return "repository:" + repository + ":" + action }

// admit lets a request with a sufficient token pass, and refuses others.
func (t *tokens) admit(w http.ResponseWriter, r *http.Request, challenge string) bool {
	needs := needed(r)
	token, sent := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t.mu.Lock()
	g, known := t.issued[token]
	t.mu.Unlock()
	fresh := known && time.Now().Before(g.expires)
	if fresh && !slices.ContainsFunc(needs, func(n string) bool { return !slices.Contains(g.scopes, n) }) {
		return true
	}
	if len(needs) > 0 {
		challenge += fmt.Sprintf(",scope=%q", strings.Join(joined(needs), " "))
	}
	switch {
	case sent && fresh:
		challenge += `,error="insufficient_scope"`
	case sent:
		challenge += `,error="invalid_token"`
	}
	refuse(w, challenge)
	return false
}

// needed lists the scopes that a request must have been granted.
func needed(r *http.Request) []string {
	parts := contentPath.FindStringSubmatch(r.URL.Path)
	if parts == nil {
		return nil
	}
	repository := parts[1]
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return []string{scopeOf(repository, "pull")}
	case http.MethodDelete:
		return []string{scopeOf(repository, "delete")}
	}
	needs := []string{scopeOf(repository, "pull"), scopeOf(repository, "push")}
	if from := r.URL.Query().Get("from"); from != "" && from != repository {
		needs = append(needs, scopeOf(from, "pull"))
	}
	return needs
}

// joined writes the actions of one repository into one scope, as challenges do.
func joined(scopes []string) []string {
	var out []string
	for _, scope := range scopes {
		cut := strings.LastIndex(scope, ":")
		if n := len(out); n > 0 && strings.HasPrefix(out[n-1], scope[:cut+1]) {
			out[n-1] += "," + scope[cut+1:]
			continue
		}
		out = append(out, scope)
	}
	return out
}

func writeError(w http.ResponseWriter, status int, code, message string, detail any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	writeJSON(w, map[string]any{"errors": []any{map[string]any{"code": code, "message": message, "detail": detail}}})
}

func writeJSON(w http.ResponseWriter, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // a map of strings that we wrote ourselves
	}
	send(w, raw)
}
