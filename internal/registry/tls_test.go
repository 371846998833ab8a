package registry_test

import (
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func named(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
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

// TestLoopbackForms: plain HTTP is found under every name of this machine.
func TestLoopbackForms(t *testing.T) {
	t.Parallel()
	reg, second := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t, testhelpers.WithListenHost("127.0.0.2"))
	reg.Push(t, "a/list:1", image(t, 0))
	second.Push(t, "a/list:1", image(t, 0))
	local := "localhost" + reg.Host[strings.LastIndexByte(reg.Host, ':'):]
	for _, host := range []string{reg.Host, second.Host, local} {
		if ms := resolve(t, newClient(t), host+"/a/list:1"); len(ms) != 1 || ms[0].Origin.Repository != host+"/a/list" {
			t.Errorf("%s: %+v", host, ms)
		}
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
