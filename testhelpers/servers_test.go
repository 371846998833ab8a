package testhelpers_test

import (
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
