package registry_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestRealms: R25, CVE-2026-48978, CVE-2026-33540: where a registry says that
// tokens are to be had is not where credentials go without a look.
func TestRealms(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, realm string
		tls         bool
		kind        error
		text        string
	}{
		{"http elsewhere", "http://tokens.example/token", false, index.ErrUnreachable, "plain HTTP"},
		{"http from https", "http://HOST/token", true, index.ErrRefused, "scheme"},
		{"a cloud's metadata", "http://169.254.169.254/latest/meta-data", false, index.ErrRefused, "link-local"},
		{"a cloud's metadata in another spelling", "http://[::ffff:a9fe:a9fe]/token", false, index.ErrRefused, "link-local"},
		{"another private address", "https://10.0.0.1/token", true, index.ErrRefused, "private"},
		{"no address", "://", false, index.ErrRefused, "realm"},
		{"another scheme", "file:///etc/passwd", false, index.ErrRefused, "scheme"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			way := newCrossroads(t, nil)
			opts := []testhelpers.RegistryOption{testhelpers.WithBearer("u", canary), testhelpers.WithRealm(row.realm)}
			if row.tls {
				opts = append(opts, testhelpers.WithTLS())
			}
			reg := testhelpers.NewRegistry(t, opts...)
			proxied := func(o *registry.Options) {
				o.Proxy = func(r *http.Request) (*url.URL, error) {
					if r.URL.Host == reg.Host {
						return nil, nil //nolint:nilnil // no proxy
					}
					return url.Parse(way.URL)
				}
			}
			c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)), trust(reg), proxied)
			_, err := c.Resolve(t.Context(), reg.Host+"/a/list:1")
			wants(t, err, row.kind, reg.Host, row.text)
			leaks(t, "the error", fmt.Sprint(err))
			leaks(t, "the wire", way.seen())
			unseen(t, reg)
		})
	}
}

// TestSeveralChallenges: R24: one that can be met is picked.
func TestSeveralChallenges(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithBasicAuth("u", canary))
	reg.Push(t, "a/list:1", image(t, 0))
	reg.Inject(testhelpers.Fault{Match: "^/v2/$", Do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for _, challenge := range []string{"Negotiate", `Digest realm="x", nonce="unterminated`, `Basic realm="r"`, "Bearer"} {
			w.Header().Add("Www-Authenticate", challenge)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}})
	resolve(t, newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary))), reg.Host+"/a/list:1")
}

// TestAccessToken: a token that is called access_token is used as it is had, and
// not asked for again.
func TestAccessToken(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", canary), testhelpers.WithAccessTokenOnly())
	reg.Push(t, "a/list:1", image(t, 0))
	resolve(t, newClient(t), reg.Host+"/a/list:1")
	if n := reg.CountKind("token"); n != 1 || reg.Count(http.MethodGet, "/a/list/") != 2 {
		t.Errorf("requests %s", tally(reg))
	}
}

// TestWrongPassword: denied is denied, and no reason to try again.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]testhelpers.RegistryOption{
		"basic": testhelpers.WithBasicAuth("u", "right"), "bearer": testhelpers.WithBearer("u", "right"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, auth)
			_, err := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary))).Resolve(t.Context(), reg.Host+"/a/list:1")
			wants(t, err, index.ErrDenied, reg.Host, "401 Unauthorized", "authentication required")
			leaks(t, "the error", err.Error())
			if n := len(reg.Requests()); n != 3 {
				t.Errorf("%d requests: %s", n, tally(reg))
			}
		})
	}
	t.Run("no push for the anonymous", func(t *testing.T) {
		t.Parallel()
		reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", "right"))
		m, _ := local(t, image(t, 0))
		_, err := publish(t, newClient(t), publication(t, []index.Manifest{m}, reg.Host+"/a/list:1"))
		wants(t, err, index.ErrDenied, reg.Host+"/a/list")
	})
}

// TestHostileTokens: what a token service sends is bounded, and never shown in
// full.
func TestHostileTokens(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no token":     `{"token":"","expires_in":5}`,
		"no JSON":      "\x1b[31m<html>",
		"without end":  `{"token":"` + strings.Repeat("x", 1<<20) + `"}`,
		"too long yet": strings.Repeat(" ", 5<<20),
		"a list":       "[]",
		"another type": `{"token":5}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", canary))
			reg.Inject(testhelpers.Fault{Match: "^/token$", Do: testhelpers.Status(200, nil, body)})
			_, err := newClient(t).Resolve(t.Context(), reg.Host+"/a/list:1")
			wants(t, err, index.ErrRefused, reg.Host)
			if text := fmt.Sprint(err); len(text) > 1500 || strings.Contains(text, "\x1b") {
				t.Errorf("an error of %d bytes", len(text))
			}
		})
	}
}
