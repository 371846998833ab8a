package registry_test

import (
	"bufio"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// canary is a password that must be seen nowhere but where it belongs.
const canary = "canary-in-the-coal-mine"

// leaks fails the test if text has the canary, as it is or in base64 with the
// user u before it.
func leaks(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{canary, base64.StdEncoding.EncodeToString([]byte("u:" + canary))} {
		if strings.Contains(text, secret) {
			t.Errorf("%s has the password: %q", where, text)
		}
	}
}

// unseen fails the test if the registry saw the canary, or any token.
func unseen(t *testing.T, reg *testhelpers.Registry) {
	t.Helper()
	for _, r := range reg.Requests() {
		if r.Authorization != "" {
			t.Errorf("%s %s came with credentials: %s", r.Method, r.Path, r.Authorization)
		}
	}
}

// crossroads is an HTTP proxy that leads every name to the addresses it is given
// for it. It keeps all that is not encrypted.
type crossroads struct {
	*httptest.Server

	to map[string]string
	mu sync.Mutex
	in strings.Builder
}

func newCrossroads(t *testing.T, to map[string]string) *crossroads {
	t.Helper()
	c := &crossroads{to: to}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *crossroads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var seen strings.Builder
	if err := r.Write(&seen); err != nil {
		return
	}
	c.mu.Lock()
	c.in.WriteString(seen.String())
	c.mu.Unlock()
	address, ok := c.to[r.Host]
	if !ok || r.Method != http.MethodConnect {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	c.tunnel(w, r, address)
}

func (c *crossroads) tunnel(w http.ResponseWriter, r *http.Request, address string) {
	far, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer far.Close() //nolint:errcheck // the tunnel ends
	w.WriteHeader(http.StatusOK)
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer near.Close() //nolint:errcheck // the tunnel ends
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(near, far) //nolint:errcheck // either side may end it
		_ = near.Close()          //nolint:errcheck // so that the other copy ends
	}()
	_, _ = io.Copy(far, bufio.NewReader(buffered)) //nolint:errcheck // either side may end it
	_ = far.Close()                                //nolint:errcheck // so that the other copy ends
	<-done
}

func (c *crossroads) seen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.String()
}

func (c *crossroads) use(t *testing.T) func(*registry.Options) {
	t.Helper()
	u, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *registry.Options) { o.Proxy = http.ProxyURL(u) }
}

func named(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// TestPlainHTTPIsForLoopback: H4, B24: a registry elsewhere that speaks no TLS
// gets nothing, not even a request in clear.
func TestPlainHTTPIsForLoopback(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"registry.example", "registry.example:5000", "10.1.2.3:5000", "192.168.7.8", "registry.local", "[fd12::1]:5000"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithBasicAuth("u", canary))
			reg.Push(t, "a/list:1", image(t, 0))
			address := host
			if !strings.Contains(host, ":") {
				address += ":443"
			}
			way := newCrossroads(t, map[string]string{address: reg.Host})
			opts := []func(*registry.Options){env("CNB_REGISTRY_AUTH=" + basic(host, canary)), way.use(t)}
			_, err := newClient(t, opts...).Resolve(t.Context(), host+"/a/list:1")
			wants(t, err, index.ErrUnreachable, host, "it speaks plain HTTP, which is used for loopback hosts only unless it is allowed")
			if strings.Contains(way.seen(), "GET ") {
				t.Errorf("a request in clear: %s", way.seen())
			}
			leaks(t, "the wire", way.seen())
			unseen(t, reg)
		})
	}
}

// TestInsecureAllowsPlainHTTP: B18: with leave it works, through the same proxy.
func TestInsecureAllowsPlainHTTP(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithBasicAuth("u", canary))
	reg.Push(t, "a/list:1", image(t, 0))
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		target, err := url.Parse("http://" + reg.Host)
		if err != nil {
			panic(err)
		}
		proxyTo(target).ServeHTTP(w, r)
	}))
	defer plain.Close()
	u, err := url.Parse(plain.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, env("CNB_REGISTRY_AUTH="+basic("registry.example", canary)), func(o *registry.Options) {
		o.Insecure, o.Proxy = true, http.ProxyURL(u)
	})
	if ms := resolve(t, c, "registry.example/a/list:1"); len(ms) != 1 {
		t.Errorf("%d manifests", len(ms))
	}
}

// TestTLS: R34: what is wrong with a certificate is said; plain HTTP is no
// second try; with leave the certificate does not matter (B18).
func TestTLS(t *testing.T) {
	t.Parallel()
	expired := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(1, 0), time.Unix(2, 0) }
	for _, row := range []struct {
		name  string
		edit  []func(*x509.Certificate)
		trust bool
		text  string // "" for success
	}{
		{name: "trusted", trust: true},
		{name: "unknown", text: "unknown authority"},
		{name: "expired", edit: []func(*x509.Certificate){expired}, trust: true, text: "expired"},
		{name: "for another name", edit: []func(*x509.Certificate){func(c *x509.Certificate) { c.IPAddresses = nil }}, trust: true, text: "127.0.0.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithTLS(row.edit...), testhelpers.WithBasicAuth("u", canary))
			reg.Push(t, "a/list:1", image(t, 0))
			opts := []func(*registry.Options){env("CNB_REGISTRY_AUTH=" + basic(reg.Host, canary))}
			if row.trust {
				opts = append(opts, trust(reg))
			}
			_, err := newClient(t, opts...).Resolve(t.Context(), reg.Host+"/a/list:1")
			if row.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wants(t, err, index.ErrUnreachable, reg.Host, row.text)
			unseen(t, reg)
			opts = append(opts, func(o *registry.Options) { o.Insecure = true })
			if _, err := newClient(t, opts...).Resolve(t.Context(), reg.Host+"/a/list:1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// redirect sends GETs elsewhere.
func redirect(to string) testhelpers.Action {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, to+r.URL.Path, http.StatusTemporaryRedirect)
	}
}

// TestRedirects: R26, GHSA-vh4v-2xq2-g5cg, CVE-2026-50151: content may be
// elsewhere, credentials stay.
func TestRedirects(t *testing.T) {
	t.Parallel()
	auths := map[string]testhelpers.RegistryOption{"basic": testhelpers.WithBasicAuth("u", canary), "bearer": testhelpers.WithBearer("u", canary)}
	for name, auth := range auths {
		t.Run("another host, "+name, func(t *testing.T) {
			t.Parallel()
			reg, elsewhere := testhelpers.NewRegistry(t, auth), testhelpers.NewRegistry(t, testhelpers.WithListenHost("127.0.0.2"))
			reg.Push(t, "a/list:1", image(t, 0))
			elsewhere.Push(t, "a/list:1", image(t, 0))
			reg.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/(blobs|manifests)/", Do: redirect("http://" + elsewhere.Host)})
			c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)))
			if ms := resolve(t, c, reg.Host+"/a/list:1"); len(ms) != 1 || ms[0].Config == nil {
				t.Errorf("%d manifests", len(ms))
			}
			if elsewhere.Count("GET", "/a/list/") != 2 {
				t.Errorf("the redirects were not followed: %s", tally(elsewhere))
			}
			unseen(t, elsewhere)
		})
		t.Run("another port, "+name, func(t *testing.T) {
			t.Parallel()
			reg, elsewhere := testhelpers.NewRegistry(t, auth), testhelpers.NewRegistry(t)
			reg.Push(t, "a/list:1", image(t, 0))
			elsewhere.Push(t, "a/list:1", image(t, 0))
			reg.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/(blobs|manifests)/", Do: redirect("http://" + elsewhere.Host)})
			resolve(t, newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary))), reg.Host+"/a/list:1")
			unseen(t, elsewhere)
		})
		t.Run("from https to http, "+name, func(t *testing.T) {
			t.Parallel()
			reg, elsewhere := testhelpers.NewRegistry(t, testhelpers.WithTLS(), auth), testhelpers.NewRegistry(t)
			reg.Push(t, "a/list:1", image(t, 0))
			reg.Inject(testhelpers.Fault{Match: "/manifests/", Do: redirect("http://" + elsewhere.Host)})
			_, err := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)), trust(reg)).Resolve(t.Context(), reg.Host+"/a/list:1")
			wants(t, err, index.ErrRefused, reg.Host+"/a/list:1", "from https to plain http")
			if n := len(elsewhere.Requests()); n != 0 {
				t.Errorf("%d requests in clear", n)
			}
		})
	}
	t.Run("from https to http on the ping", func(t *testing.T) {
		t.Parallel()
		reg, elsewhere := testhelpers.NewRegistry(t, testhelpers.WithTLS()), testhelpers.NewRegistry(t)
		reg.Inject(testhelpers.Fault{Match: "^/v2/$", Do: redirect("http://" + elsewhere.Host)})
		way := newCrossroads(t, map[string]string{"registry.example:443": reg.Host})
		opts := []func(*registry.Options){func(o *registry.Options) { o.RootCAs = reg.CertPool() }, way.use(t)}
		_, err := newClient(t, opts...).Resolve(t.Context(), "registry.example/a/list:1")
		wants(t, err, index.ErrUnreachable, "registry.example")
		if n := len(elsewhere.Requests()); n != 0 {
			t.Errorf("%d requests in clear", n)
		}
	})
	t.Run("round and round", func(t *testing.T) {
		t.Parallel()
		reg := testhelpers.NewRegistry(t)
		reg.Inject(testhelpers.Fault{Match: "/manifests/", Do: redirect("http://" + reg.Host)})
		_, err := newClient(t).Resolve(t.Context(), reg.Host+"/a/list:1")
		wants(t, err, index.ErrRefused, "redirects too often")
		if n := reg.Count("GET", "/manifests/"); n != 11 {
			t.Errorf("%d requests, want one and ten redirects", n)
		}
	})
}

// TestSignedAddressesStaySecret: errors and logs have no signature of a URL.
func TestSignedAddressesStaySecret(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.Push(t, "a/list:1", image(t, 0))
	reg.Inject(testhelpers.Fault{Match: "/manifests/", Do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, "http://127.0.0.1:1/x?X-Amz-Signature="+canary+"&"+canary, http.StatusTemporaryRedirect)
	}})
	var mu sync.Mutex
	var log []registry.Request
	c := newClient(t, func(o *registry.Options) {
		o.Log = func(r registry.Request) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, r)
		}
	})
	_, err := c.Resolve(t.Context(), reg.Host+"/a/list:1")
	wants(t, err, index.ErrUnreachable, "127.0.0.1:1: ", "connection refused")
	leaks(t, "the error", err.Error())
	leaks(t, "the log", fmt.Sprint(log))
	if last := log[len(log)-1]; last.Method != http.MethodGet || last.Status != 0 || last.URL != "http://127.0.0.1:1/x?X-Amz-Signature=REDACTED&REDACTED" {
		t.Errorf("log entry %+v", last)
	}
}

// TestUploadElsewhere: R29, CVE-2026-49349: a registry may send an upload to
// another host, the credentials do not go there.
func TestUploadElsewhere(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]testhelpers.RegistryOption{
		"basic": testhelpers.WithBasicAuth("u", canary), "bearer": testhelpers.WithBearer("u", canary),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, auth)
			// The other host answers as the registry's own storage would.
			elsewhere := testhelpers.NewRegistry(t, testhelpers.WithListenHost("127.0.0.2"), testhelpers.WithUpstream("http://"+reg.Host))
			through := "" // with credentials of its own
			reg.Inject(testhelpers.Fault{Method: http.MethodPost, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				rec := httptest.NewRecorder()
				next.ServeHTTP(rec, r)
				maps.Copy(w.Header(), rec.Header())
				through = r.Header.Get("Authorization")
				w.Header().Set("Location", "http://"+elsewhere.Host+rec.Header().Get("Location"))
				w.WriteHeader(rec.Code)
			}})
			reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/blobs/uploads/", Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Header.Get("Authorization") == "" && r.Header.Get("X-Forwarded-For") != "" {
					r.Header.Set("Authorization", through)
				}
				next.ServeHTTP(w, r)
			}})
			m, _ := local(t, image(t, 0))
			pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
			c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)), jobs(1))
			mustPublish(t, c, pub)
			has(t, reg, "a/list", "1", pub.Index)
			if elsewhere.Count("PUT", "") != 3 {
				t.Errorf("nothing was sent there: %s", tally(elsewhere))
			}
			unseen(t, elsewhere)
		})
	}
	t.Run("from https to http", func(t *testing.T) {
		t.Parallel()
		reg, elsewhere := testhelpers.NewRegistry(t, testhelpers.WithTLS()), testhelpers.NewRegistry(t)
		reg.Inject(testhelpers.Fault{Method: http.MethodPost, Do: testhelpers.Header("Location", "http://"+elsewhere.Host+"/upload")})
		m, _ := local(t, image(t, 0))
		_, err := publish(t, newClient(t, trust(reg)), publication(t, []index.Manifest{m}, reg.Host+"/a/list:1"))
		wants(t, err, index.ErrRefused, "from https to plain http")
		if n := len(elsewhere.Requests()); n != 0 {
			t.Errorf("%d requests in clear", n)
		}
	})
}

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

// TestLinkLocal: ggcr #2440: a name that leads to a link-local address leads
// nowhere; the address itself may be typed.
func TestLinkLocal(t *testing.T) {
	t.Parallel()
	_, err := newClient(t, func(o *registry.Options) { o.Timeouts.Dial = 50 * time.Millisecond }).Resolve(t.Context(), "169.254.1.1:5000/a/list:1")
	if err == nil || strings.Contains(err.Error(), "link-local") {
		t.Errorf("an address that was typed: %v", err)
	}
	// Whatever is not the registry: here, where it redirects to.
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithTLS())
			reg.Inject(testhelpers.Fault{Match: "/manifests/", Do: redirect("https://" + host)})
			_, err := newClient(t, trust(reg)).Resolve(t.Context(), reg.Host+"/a/list:1")
			wants(t, err, index.ErrUnreachable, "link-local")
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

// TestIPv6: R35.
func TestIPv6(t *testing.T) {
	t.Parallel()
	if l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6 on loopback")
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	reg := testhelpers.NewRegistry(t, testhelpers.WithListenHost("::1"), testhelpers.WithBasicAuth("u", canary))
	m, _ := local(t, image(t, 0))
	pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
	mustPublish(t, newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary))), pub)
	has(t, reg, "a/list", "1", pub.Index)
}

// TestHTTP2: everything over one connection, its streams reset included.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithTLS(), testhelpers.WithBearer("u", canary))
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/manifests/1$", Times: 1, Do: testhelpers.Late()})
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/uploads/", Times: 1, Do: testhelpers.Late()})
	reg.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/manifests/1$", Times: 1, Do: testhelpers.Cut(20)})
	m, _ := local(t, image(t, 0))
	pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
	c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)), trust(reg))
	mustPublish(t, c, pub)
	has(t, reg, "a/list", "1", pub.Index)
	if reg.Faulted() != 3 {
		t.Errorf("%d faults, want 3", reg.Faulted())
	}
}

// TestUnknownHost: a name that leads nowhere is not tried again and again.
func TestUnknownHost(t *testing.T) {
	t.Parallel()
	w := &waits{}
	broken := errors.New("no such proxy")
	c := newClient(t, sleeping(w), func(o *registry.Options) {
		o.Proxy = func(*http.Request) (*url.URL, error) { return nil, broken }
	})
	_, err := c.Resolve(t.Context(), "registry.example/a/list:1")
	wants(t, err, index.ErrUnreachable, "registry.example", "no such proxy")
	if len(w.slept()) != 0 {
		t.Errorf("slept %v", w.slept())
	}
}
