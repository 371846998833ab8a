package registry_test

import (
	"bufio"
	"encoding/base64"
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

// TestIsLoopback: what is this machine by its very name.
func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "LocalHost:1": true, "a.localhost": true, "a.b.localhost:5": true,
		"127.0.0.1": true, "127.9.8.7:5000": true, "[::1]:5000": true, "[::1]": true, "[::ffff:127.0.0.1]:1": true,
		"localhost.example": false, "notlocalhost": false, "127.0.0.1.example:5000": false, "128.0.0.1": false,
		"10.0.0.1": false, "192.168.1.1:5000": false, "[fe80::1]:5": false, "0.0.0.0": false, "": false,
	} {
		if got := registry.IsLoopback(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
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

// TestInsecureRedirectKeepsCredentials: with leave to speak plain HTTP, a
// redirect from https to the same host in clear may be followed, but not with
// the credentials.
func TestInsecureRedirectKeepsCredentials(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]testhelpers.RegistryOption{
		"basic": testhelpers.WithBasicAuth("u", canary), "bearer": testhelpers.WithBearer("u", canary),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithTLS(named("registry.example")), auth, testhelpers.WithRealm("https://registry.example/token"))
			reg.Push(t, "a/list:1", image(t, 0))
			reg.Inject(testhelpers.Fault{Match: "/manifests/", Do: redirect("http://registry.example")})
			way := newCrossroads(t, map[string]string{"registry.example:443": reg.Host})
			c := newClient(t, env("CNB_REGISTRY_AUTH="+basic("registry.example", canary)), way.use(t), trust(reg), func(o *registry.Options) { o.Insecure = true })
			_, err := c.Resolve(t.Context(), "registry.example/a/list:1")
			wants(t, err, index.ErrRefused, "502")
			if !strings.Contains(way.seen(), "\r\nGET /v2/a/list/manifests/1 HTTP") || strings.Contains(way.seen(), "Authorization") {
				t.Errorf("in clear: %s", way.seen())
			}
			leaks(t, "the wire", way.seen())
		})
	}
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
