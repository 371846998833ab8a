package registry_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
)

// FuzzRetryAfter: a wait is never below zero unless it is absent, and seconds are
// seconds.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "1e9", "99999999999999999999", "Fri, 02 Jan 2026 12:00:20 GMT", " 7 ", "1.5", "Friday"} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if got := registry.RetryAfter(s, now); got < 0 && got != registry.Unsaid {
			t.Errorf("%q is %s", s, got)
		}
	})
}

// TestRetryAfter: what the header means (RFC 9110, section 10.2.3).
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"": registry.Unsaid, "0": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "-1": registry.Unsaid, "soon": registry.Unsaid,
		"Fri, 02 Jan 2026 12:00:20 GMT": 20 * time.Second, "Fri, 02 Jan 2026 11:00:00 GMT": 0, "99999999999": registry.Unsaid,
	} {
		if got := registry.RetryAfter(s, now); got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
	}
}

// FuzzRedact: no user, no fragment, and no value of a parameter that is not
// known is in the text.
func FuzzRedact(f *testing.F) {
	f.Add("https", "host", "/v2/", "_state=SECRET&digest=sha256:1")
	f.Add("http", "host:5", "/x", "SECRET&X-Amz-Signature=SECRET&&=SECRET;sig=SECRET")
	f.Add("http", "host", "/", "scope=a&scope=b&SCOPE=SECRET&%73cope=SECRET")
	f.Fuzz(func(t *testing.T, scheme, host, path, query string) {
		text := registry.Redact(&url.URL{
			Scheme: scheme, Host: host, Path: path, RawQuery: query, Fragment: canary, User: url.UserPassword("u", canary),
		})
		if strings.Contains(text, canary) && !strings.Contains(scheme+host+path+query, canary) {
			t.Errorf("%q", text)
		}
		for pair := range strings.SplitSeq(query, "&") {
			key, value, _ := strings.Cut(pair, "=")
			if strings.Contains(value, "SECRET") && !known(key) && strings.Contains(text, key+"="+value) {
				t.Errorf("%q has %q", text, pair)
			}
		}
	})
}

func known(key string) bool {
	switch key {
	case "scope", "service", "mount", "from", "digest", "n", "last":
		return true
	}
	return false
}

// FuzzPrintable: what others say goes into an error on one line, without control
// characters, and not at length.
func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[31mb\xff\u009b\n\tc")
	f.Add(strings.Repeat("\xff ", 2000))
	f.Fuzz(func(t *testing.T, s string) {
		text := registry.Printable(s)
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || len(text) > 3*1024+16 {
			t.Errorf("%q of %q", text, s)
		}
	})
}

// FuzzRegistryAuth: no text makes it panic, or is repeated in an error.
func FuzzRegistryAuth(f *testing.F) {
	for _, s := range []string{"", "{}", basic("r.io", "p"), `{"r.io":"Bearer x"}`, `{"docker.io":"X-Identity x"}`, `{"":""}`, `{"r.io":"Basic Og=="}`, "null", "[1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		configs, err := registry.ParseRegistryAuth(strings.ReplaceAll(s, "SECRET", canary))
		if err != nil && (configs != nil || strings.Contains(err.Error(), "Basic "+canary)) {
			t.Errorf("%q: %v, %v", s, configs, err)
		}
		for host, config := range configs {
			if config.Username+config.Password+config.RegistryToken+config.IdentityToken == "" {
				t.Errorf("%q has nothing for %q", s, host)
			}
		}
	})
}

// FuzzChallenge: no WWW-Authenticate makes the client panic or hang, and none
// gets the password sent elsewhere in clear.
func FuzzChallenge(f *testing.F) {
	for _, s := range []string{
		"", "Basic", `Basic realm="x"`, `Bearer realm="http://127.0.0.2:1/t",service="s"`, "Bearer", `Bearer realm=`, `Bearer realm="`,
		`bEaReR realm="http://tokens.example/"`, `Negotiate, Basic realm="x"`, `Bearer realm="/token"`, `Bearer realm="http://[::1/"`, "Digest a=b, c",
	} {
		f.Add(s)
	}
	elsewhere := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case elsewhere <- r.Method + " " + r.Header.Get("Authorization"):
		default:
		}
	}))
	f.Cleanup(proxy.Close)
	way, err := url.Parse(proxy.URL)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, challenge string) {
		if strings.ContainsAny(challenge, "\r\n\x00") {
			t.Skip("no server can send it")
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Www-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
		}))
		defer server.Close()
		host := strings.TrimPrefix(server.URL, "http://")
		c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(host, canary)), func(o *registry.Options) {
			o.Proxy = func(r *http.Request) (*url.URL, error) {
				if r.URL.Host == host {
					return nil, nil //nolint:nilnil // no proxy
				}
				return way, nil
			}
		})
		_, err := c.Resolve(t.Context(), host+"/a/list:1")
		if err == nil {
			t.Error("it got in")
			return
		}
		leaks(t, "the error", err.Error())
		select {
		case seen := <-elsewhere:
			if !strings.HasPrefix(seen, "CONNECT ") || strings.Contains(seen, "Basic") {
				t.Errorf("%q in clear because of %q", seen, challenge)
			}
		default:
		}
	})
}
