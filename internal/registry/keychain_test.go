package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// auths is the member of a configuration with these credentials for one key.
func auths(key string) map[string]any {
	return map[string]any{"auths": map[string]any{
		key: map[string]any{"auth": base64.StdEncoding.EncodeToString([]byte("u:" + canary))},
	}}
}

// TestCredentials are found wherever they may be.
func TestCredentials(t *testing.T) {
	t.Parallel()
	type M = map[string]any
	for name, where := range map[string]func(t *testing.T, host string) []string{
		"CNB_REGISTRY_AUTH": func(_ *testing.T, host string) []string {
			return []string{"CNB_REGISTRY_AUTH=" + basic(host, canary)}
		},
		"CNB_REGISTRY_AUTH comes first": func(t *testing.T, host string) []string {
			t.Helper()
			return []string{
				"CNB_REGISTRY_AUTH=" + basic(host, canary),
				"DOCKER_CONFIG=" + dockerConfig(t, M{"credsStore": "broken"}),
			}
		},
		"DOCKER_AUTH_CONFIG": func(t *testing.T, host string) []string {
			t.Helper()
			raw, err := json.Marshal(auths(host))
			if err != nil {
				t.Fatal(err)
			}
			return []string{"DOCKER_AUTH_CONFIG=" + string(raw)}
		},
		"DOCKER_CONFIG": func(t *testing.T, host string) []string {
			t.Helper()
			return []string{"DOCKER_CONFIG=" + dockerConfig(t, auths(host))}
		},
		"DOCKER_CONFIG, an old key": func(t *testing.T, host string) []string {
			t.Helper()
			return []string{"DOCKER_CONFIG=" + dockerConfig(t, auths("https://"+host+"/v1/"))}
		},
		"the repository's own": func(t *testing.T, host string) []string {
			t.Helper()
			return []string{"DOCKER_CONFIG=" + dockerConfig(t, auths(host+"/a/list"))}
		},
		"those of a namespace": func(t *testing.T, host string) []string {
			t.Helper()
			return []string{"DOCKER_CONFIG=" + dockerConfig(t, auths(host+"/a"))}
		},
		"HOME": func(t *testing.T, host string) []string {
			t.Helper()
			home := t.TempDir()
			if err := os.Rename(dockerConfig(t, auths(host)), filepath.Join(home, ".docker")); err != nil {
				t.Fatal(err)
			}
			return []string{"HOME=" + home}
		},
		"REGISTRY_AUTH_FILE": func(t *testing.T, host string) []string {
			t.Helper()
			return []string{"HOME=" + t.TempDir(), "REGISTRY_AUTH_FILE=" + filepath.Join(dockerConfig(t, auths(host)), "config.json")}
		},
		"containers/auth.json": func(t *testing.T, host string) []string {
			t.Helper()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "containers"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dockerConfig(t, auths(host)), "config.json"), filepath.Join(dir, "containers", "auth.json")); err != nil {
				t.Fatal(err)
			}
			return []string{"XDG_RUNTIME_DIR=" + dir}
		},
		"credHelpers": func(t *testing.T, host string) []string {
			t.Helper()
			return []string{"DOCKER_CONFIG=" + dockerConfig(t, M{"credHelpers": M{host: "good"}, "credsStore": "broken"})}
		},
		"credsStore": func(t *testing.T, _ string) []string {
			t.Helper()
			return []string{"DOCKER_CONFIG=" + dockerConfig(t, M{"credsStore": "good"})}
		},
	} {
		for kind, auth := range map[string]testhelpers.RegistryOption{
			"basic": testhelpers.WithBasicAuth("u", canary), "bearer": testhelpers.WithBearer("u", canary),
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				reg := testhelpers.NewRegistry(t, auth)
				m, _ := local(t, image(t, 0))
				pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
				mustPublish(t, newClient(t, env(where(t, reg.Host)...)), pub)
				has(t, reg, "a/list", "1", pub.Index)
			})
		}
	}
}

// TestCredentialsAreForTheirPlaces: those of another namespace, registry or
// port are not sent.
func TestCredentialsAreForTheirPlaces(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithBasicAuth("u", canary))
	port := reg.Host[strings.LastIndexByte(reg.Host, ':'):]
	for _, key := range []string{reg.Host + "/a/li", reg.Host + "/b", reg.Host + "/a/list/sub", "127.0.0.1", "127.0.0.1:1", "localhost" + port, "x" + reg.Host} {
		c := newClient(t, env("DOCKER_CONFIG="+dockerConfig(t, auths(key)), "CNB_REGISTRY_AUTH="+basic(key, canary)))
		_, err := c.Resolve(t.Context(), reg.Host+"/a/list:1")
		wants(t, err, index.ErrDenied, reg.Host)
	}
	unseen(t, reg)
}

// TestDockerHubHasManyNames: {"docker.io": ...} is for index.docker.io too.
func TestDockerHubHasManyNames(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"docker.io", "index.docker.io", "https://index.docker.io/v1/"} {
		for _, variable := range []string{"CNB_REGISTRY_AUTH", "DOCKER_CONFIG"} {
			t.Run(key+" in "+variable, func(t *testing.T) {
				t.Parallel()
				reg := testhelpers.NewRegistry(t, testhelpers.WithTLS(named("index.docker.io")), testhelpers.WithBasicAuth("u", canary))
				reg.Push(t, "library/list:1", image(t, 0))
				way := newCrossroads(t, map[string]string{"index.docker.io:443": reg.Host})
				value := variable + "=" + basic(key, canary)
				if variable == "DOCKER_CONFIG" {
					value = variable + "=" + dockerConfig(t, auths(key))
				}
				resolve(t, newClient(t, env(value), trust(reg), way.use(t)), "list:1")
				leaks(t, "the wire", way.seen())
			})
		}
	}
}

// TestBearerFromEnvironment: a token that was given is used as it is, and never
// sent to a token service.
func TestBearerFromEnvironment(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", "p"))
	c := newClient(t, env("CNB_REGISTRY_AUTH="+authOf(reg.Host, "Bearer "+canary)))
	_, err := c.Resolve(t.Context(), reg.Host+"/a/list:1")
	wants(t, err, index.ErrDenied)
	if got := reg.Requests()[2]; got.Kind != "manifest" || got.Authorization != "Bearer "+canary {
		t.Errorf("%s %s with %q", got.Method, got.Path, got.Authorization)
	}
	for _, r := range reg.Requests() {
		if r.Kind == "token" && r.Authorization != "" {
			t.Errorf("the token service got %q", r.Authorization)
		}
	}
}

// TestIdentityToken: it is exchanged by OAuth2 (R29's neighbour).
func TestIdentityToken(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]func(t *testing.T, host string) string{
		"CNB_REGISTRY_AUTH": func(_ *testing.T, host string) string {
			return "CNB_REGISTRY_AUTH=" + authOf(host, "X-Identity identity")
		},
		"helper": func(t *testing.T, host string) string {
			t.Helper()
			return "DOCKER_CONFIG=" + dockerConfig(t, map[string]any{"credHelpers": map[string]any{host: "token"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("", ""))
			reg.Push(t, "a/list:1", image(t, 0))
			got := make(chan string, 10)
			reg.Inject(testhelpers.Fault{Method: http.MethodPost, Match: "^/token$", Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				got <- r.PostFormValue("grant_type") + " " + r.PostFormValue("refresh_token") + " " + r.PostFormValue("scope")
				next.ServeHTTP(w, r)
			}})
			resolve(t, newClient(t, env(value(t, reg.Host))), reg.Host+"/a/list:1")
			if text := <-got; text != "refresh_token identity repository:a/list:pull" {
				t.Errorf("asked for a token with %q", text)
			}
		})
	}
}

// TestHelpers: CVE-2021-41092: a helper that fails is an error that names it,
// and no reason to go on without; one that knows nothing is no error.
func TestHelpers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ helper, text string }{
		{"broken", "docker-credential-broken: exit status 3: "},
		{"missing", "docker-credential-missing"},
		{"babbling", "docker-credential-babbling: its answer"},
		{"flooding", "docker-credential-flooding: its answer"},
		{"../helpers/good", "not a name"},
		{"good bad", "not a name"},
		{"/bin/true", "not a name"},
	} {
		t.Run(row.helper, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			reg.Push(t, "a/list:1", image(t, 0))
			c := newClient(t, env("DOCKER_CONFIG="+dockerConfig(t, map[string]any{"credsStore": row.helper})))
			_, err := c.Resolve(t.Context(), reg.Host+"/a/list:1")
			wants(t, err, index.ErrDenied, reg.Host, row.text)
			leaks(t, "the error", err.Error())
			if strings.Contains(err.Error(), "\x1b") {
				t.Errorf("escapes in %q", err)
			}
			if reg.Count("GET", "/manifests/") != 0 {
				t.Error("it went on without credentials")
			}
		})
	}
	t.Run("not found", func(t *testing.T) {
		t.Parallel()
		reg := testhelpers.NewRegistry(t)
		reg.Push(t, "a/list:1", image(t, 0))
		resolve(t, newClient(t, env("DOCKER_CONFIG="+dockerConfig(t, map[string]any{"credsStore": "none"}))), reg.Host+"/a/list:1")
		unseen(t, reg)
	})
	t.Run("asked once", func(t *testing.T) {
		t.Parallel()
		reg := testhelpers.NewRegistry(t, testhelpers.WithBasicAuth("u", canary))
		var refs []string
		for i := range 5 {
			ref := fmt.Sprintf("a/image-%d:1", i)
			reg.Push(t, ref, image(t, i))
			refs = append(refs, reg.Host+"/"+ref)
		}
		dir := dockerConfig(t, map[string]any{"credHelpers": map[string]any{reg.Host: "good"}})
		resolve(t, newClient(t, env("DOCKER_CONFIG="+dir)), refs...)
		raw, err := os.ReadFile(filepath.Join(os.Getenv("HELPER_LOG"), reg.Host))
		if err != nil || string(raw) != "get "+reg.Host+"\n" {
			t.Errorf("calls %q, %v", raw, err)
		}
	})
}

// TestHelperIsKilled: S6.
func TestHelperIsKilled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := registry.AskHelper(ctx, "slow", "x")
	wants(t, err, context.DeadlineExceeded, "docker-credential-slow")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestRegistryAuthText: what cannot be read is the caller's mistake, and is not
// repeated.
func TestRegistryAuthText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		canary, `"` + canary + `"`, `{"r.io":5}`, `{"r.io":"` + canary + `"}`, `{"r.io":"Basic"}`, `{"r.io":"Basic ` + canary + `"}`,
		`{"r.io":"Digest ` + canary + `"}`, `["` + canary + `"]`, `{"r.io":"Basic ` + base64.StdEncoding.EncodeToString([]byte(canary)) + `"}`,
	} {
		_, err := newClient(t, env("CNB_REGISTRY_AUTH="+text)).Resolve(t.Context(), "127.0.0.1:1/a/list:1")
		wants(t, err, index.ErrUsage, "CNB_REGISTRY_AUTH")
		leaks(t, "the error", fmt.Sprint(err))
	}
}

// TestConfigText: the same of Docker's configuration, which is named.
func TestConfigText(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, []byte(`{"auths":{"x":{"auth":"`+canary+`!"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := newClient(t, env("DOCKER_CONFIG="+dir)).Resolve(t.Context(), reg.Host+"/a/list:1")
	wants(t, err, index.ErrUsage, file)
	leaks(t, "the error", fmt.Sprint(err))
	_, err = newClient(t, env("DOCKER_AUTH_CONFIG="+canary)).Resolve(t.Context(), reg.Host+"/a/list:1")
	wants(t, err, index.ErrUsage, "DOCKER_AUTH_CONFIG")
	leaks(t, "the error", fmt.Sprint(err))
}
