//go:build acceptance

package acceptance_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// canary is a password that nothing may show. Its characters differ in a URL
// and in base64.
const canary = "canary/+pa55%word"

// secrets are all the forms that credentials have.
func secrets() []string {
	pair := []byte(user + ":" + canary)
	return []string{
		canary, url.QueryEscape(canary), url.PathEscape(canary), base64.StdEncoding.EncodeToString(pair),
		base64.URLEncoding.EncodeToString(pair), base64.StdEncoding.EncodeToString([]byte(canary)), "55%word",
	}
}

// echo answers with an error that repeats what it was sent, as some proxies do
// that look for faults.
func echo(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, pass, _ := r.BasicAuth()
	message := fmt.Sprintf("no such thing: %s %s %s", r.URL, r.Header.Get("Authorization"), pass)
	// The client need not stay to hear it.
	_, _ = fmt.Fprintf(w, `{"errors": [{"code": "UNKNOWN", "message": %q}]}`, message) //nolint:errcheck // see above
}

// scenario is a session of a user: commands that succeed and that fail.
type scenario struct {
	*testing.T
	home   *home
	reg    *testhelpers.Registry
	output strings.Builder // all that was said
}

// do runs a command, noting what it says, and reports its exit code.
func (s *scenario) do(args ...string) int {
	s.Helper()
	r := s.home.run(s.T, testhelpers.Binary(s.T), append([]string{"manifest", "-v"}, args...)...)
	fmt.Fprintf(&s.output, "$ %q\n%s%s", args[0], r.stdout, r.stderr)
	return r.code
}

// ok runs a command that must succeed.
func (s *scenario) ok(args ...string) {
	s.Helper()
	if code := s.do(args...); code != 0 {
		s.Fatalf("%q exits with %d:\n%s", args, code, s.output.String())
	}
}

// no runs a command that must fail.
func (s *scenario) no(args ...string) {
	s.Helper()
	if s.do(args...) == 0 {
		s.Errorf("%q succeeds", args)
	}
}

// play uses the credentials for everything that needs them.
func (s *scenario) play() {
	s.Helper()
	host := s.reg.Host
	repo, elsewhere := host+"/acme/bp", host+"/acme/other"
	for i := range 2 {
		s.reg.Push(s.T, fmt.Sprintf("acme/bp:%d", i), numbered(s.T, i))
	}
	file := packages(s.T, s.home, 3)[2]
	s.ok("create", repo+":kept", repo+":0", file)
	s.ok("add", repo+":kept", repo+":1")
	s.ok("annotate", repo+":kept", repo+":1", "--variant", "v2")
	s.ok("push", repo+":kept", "--tag", "more")
	s.ok("inspect", repo+":more")
	s.ok("create", elsewhere+":1", repo+":0", file, "--publish")
	s.no("inspect", repo+":absent")
	s.no("create", repo+":none", repo+":absent", "--publish")
	for _, ref := range []string{
		user + ":" + canary + "@" + repo + ":1", "docker://" + user + ":" + canary + "@" + repo + ":1",
		"https://" + user + ":" + canary + "@" + repo + ":1",
	} {
		s.no("create", repo+":none", ref)
		s.no("inspect", ref)
		s.no("add", repo+":kept", ref)
		s.no("push", ref)
	}
	for i, f := range []testhelpers.Fault{ // each for a repository that has nothing yet
		{Method: "PUT", Match: "/manifests/", Do: echo},
		{Match: "/blobs/uploads/", Do: echo},
		{Method: "GET", Match: "/manifests/", Do: testhelpers.Status(http.StatusForbidden, nil, "denied")},
		{Match: "^/v2/$", Do: testhelpers.Status(http.StatusUnauthorized, map[string]string{
			"Www-Authenticate": `Basic realm="x", Bearer realm="` + `http://127.0.0.1:1/token"`,
		}, "")},
		{Match: "^/token$", Do: echo},
	} {
		s.reg.Inject(f)
		s.do("create", fmt.Sprintf("%s/acme/more-%d:1", host, i), repo+":0", file, "--publish")
		s.reg.ClearFaults()
	}
	s.ok("list")
	if said := s.output.String(); strings.Count(said, "no such thing: /v2/") < 2 {
		s.Errorf("the registry's faults are not in what was said:\n%s", said)
	}
}

// check looks for secrets in what was said and in pack's folder.
func (s *scenario) check() {
	s.Helper()
	hidden := secrets()
	seen := 0
	for _, r := range s.reg.Requests() {
		scheme, credentials, _ := strings.Cut(r.Authorization, " ")
		if credentials != "" {
			seen++
		}
		if scheme == "Bearer" {
			hidden = append(hidden, credentials)
		}
	}
	if seen == 0 {
		s.Error("the registry never saw the password, so nothing was tried")
	}
	texts := map[string]string{"the output": s.output.String()}
	err := filepath.WalkDir(s.home.path("pack"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			texts[path] = path + readFile(s.T, path)
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	if len(texts) < 10 || !strings.Contains(texts["the output"], "GET http") {
		s.Errorf("there is too little to look at: %d files and\n%s", len(texts)-1, texts["the output"])
	}
	for where, text := range texts {
		for _, secret := range hidden {
			if at := strings.Index(text, secret); at >= 0 {
				s.Errorf("%s shows %q: %q", where, secret, text[max(at-200, 0):min(at+100, len(text))])
			}
		}
	}
}

// TestCanary: no password, in whatever form, and no token is in the output, in
// an error, or in pack's folder, however much the program is asked to tell.
func TestCanary(t *testing.T) {
	t.Parallel()
	for kind, auth := range map[string]testhelpers.RegistryOption{
		"basic": testhelpers.WithBasicAuth(user, canary), "bearer": testhelpers.WithBearer(user, canary),
	} {
		for source, prepare := range map[string]func(t *testing.T, h *home, host string) *home{
			"config": func(t *testing.T, h *home, host string) *home {
				t.Helper()
				login(t, h, host, canary)
				return h
			},
			"plain-config": func(t *testing.T, h *home, host string) *home {
				t.Helper()
				h.write(t, "docker/config.json", fmt.Sprintf(`{"auths": {%q: {"username": %q, "password": %q}}}`, host, user, canary))
				return h
			},
			"environment": func(_ *testing.T, h *home, host string) *home {
				pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + canary))
				return h.with(fmt.Sprintf(`CNB_REGISTRY_AUTH={%q: "Basic %s"}`, host, pair))
			},
		} {
			t.Run(kind+"/"+source, func(t *testing.T) {
				t.Parallel()
				s := &scenario{T: t, reg: testhelpers.NewRegistry(t, auth)}
				s.home = prepare(t, newHome(t), s.reg.Host)
				s.play()
				s.check()
			})
		}
	}
}

// TestCanaryRefused: a password that is wrong, or cannot be read, is not shown
// either.
func TestCanaryRefused(t *testing.T) {
	t.Parallel()
	for kind, auth := range map[string]testhelpers.RegistryOption{
		"basic": testhelpers.WithBasicAuth(user, "right"), "bearer": testhelpers.WithBearer(user, "right"),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			reg, h := testhelpers.NewRegistry(t, auth), newHome(t)
			login(t, h, reg.Host, canary)
			pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + canary))
			for _, other := range []*home{
				h,
				h.with(fmt.Sprintf(`CNB_REGISTRY_AUTH={%q: "Basic %s"}`, reg.Host, pair)),
				h.with(fmt.Sprintf(`CNB_REGISTRY_AUTH={%q: %q}`, reg.Host, canary)),
				h.with(fmt.Sprintf(`CNB_REGISTRY_AUTH={%q: "Basic %s`, reg.Host, pair)),
				h.with("DOCKER_AUTH_CONFIG={" + canary),
			} {
				r := other.run(t, testhelpers.Binary(t), "manifest", "-v", "inspect", reg.Host+"/acme/bp:1")
				if r.code == 0 || r.stderr == "" {
					t.Errorf("it exits with %d and says %q", r.code, r.stderr)
				}
				for _, secret := range secrets() {
					if strings.Contains(r.stdout+r.stderr, secret) {
						t.Errorf("it shows %q: %q", secret, r.stdout+r.stderr)
					}
				}
			}
		})
	}
}
