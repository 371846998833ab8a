package testhelpers_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestRealRegistries(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, ...testhelpers.ServerOption) string{
		"distribution": testhelpers.StartDistribution, "docker-registry": testhelpers.StartDockerRegistry,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := start(t, testhelpers.WithHtpasswd("u", "p"))
			img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{})
			testhelpers.Push(t, host+"/a:1", img, remote.WithAuth(&authn.Basic{Username: "u", Password: "p"}))
			code, _, _, err := do(t, "GET", "http://"+host+"/v2/a/manifests/1", "")
			if err != nil || code != 401 {
				t.Errorf("without credentials: %d %v", code, err)
			}
		})
		t.Run(name+" behind a registry of ours", func(t *testing.T) {
			t.Parallel()
			host := start(t)
			front := testhelpers.NewRegistry(t, testhelpers.WithUpstream("http://"+host), testhelpers.WithTLS())
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: front.CertPool()}, DisableKeepAlives: true}
			img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{})
			testhelpers.Push(t, front.Host+"/a:1", img, remote.WithTransport(transport))
			upload, err := transport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodPost,
				"https://"+front.Host+"/v2/a/blobs/uploads/", http.NoBody))
			if err != nil {
				t.Fatal(err)
			}
			if to := upload.Header.Get("Location"); !strings.HasPrefix(to, "https://"+front.Host) || upload.Body.Close() != nil {
				t.Errorf("uploads go to %s", to)
			}
			// A config and a layer, each with POST, PATCH and PUT, and the POST above: no Location led past us.
			if n := front.CountKind("upload"); n != 7 {
				t.Errorf("%d requests to upload were seen", n)
			}
			if code, _, _, err := do(t, "GET", "http://"+host+"/v2/a/manifests/1", ""); err != nil || code != 200 {
				t.Errorf("the registry behind has it not: %d %v", code, err)
			}
		})
	}
}

func TestDockerd(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a daemon takes seconds")
	}
	host := testhelpers.StartDockerd(t)
	socket, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		t.Skip("it is the daemon of the environment, and elsewhere")
	}
	if info, err := os.Stat(socket); err != nil || info.Mode()&os.ModeSocket == 0 {
		t.Errorf("%s is no socket: %v", socket, err)
	}
}
