//go:build acceptance && unix

package acceptance_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestSavedPackage: upstream pack reads a saved .cnb file, for which it takes the
// image for linux/amd64, and so does whoever unpacks it; we make of it the list
// that was saved, until somebody changes what is in it.
func TestSavedPackage(t *testing.T) {
	t.Parallel()
	upstream, skopeo := testhelpers.Tool(t, "pack"), testhelpers.Peer(t, "skopeo")
	reg, h := testhelpers.NewRegistry(t), newHome(t)
	var images []v1.Image
	for i, arch := range []string{"arm64", "amd64"} {
		images = append(images, testhelpers.Buildpackage(t, testhelpers.PackageSpec{
			ID: "acme/" + arch, OCI: true, Platform: v1.Platform{OS: "linux", Architecture: arch}, Seed: uint64(i) + 1,
		}))
	}
	reg.PushIndex(t, "acme/src:1", testhelpers.Attested(t, images...))
	reg.Push(t, "acme/one:1", testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true, Seed: 9}))
	list := reg.Host + "/acme/bp:1"
	digest := digestIn(t, h.manifest(t, "create", list, reg.Host+"/acme/src:1", "--annotation", "org.opencontainers.image.version=1"))
	h.manifest(t, "save", list, "-o", "bp.cnb")
	said := h.ok(t, upstream, "buildpack", "inspect", "bp.cnb")
	if !strings.Contains(said, "LOCAL ARCHIVE") || !strings.Contains(said, "acme/amd64@1.2.3") || strings.Contains(said, "acme/arm64") {
		t.Errorf("upstream says\n%s", said)
	}
	if got := digestIn(t, h.manifest(t, "create", "h.invalid/file:1", "bp.cnb")); got != digest {
		t.Errorf("of the file comes %s, want %s", got, digest)
	}
	if err := os.Mkdir(h.path("dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.ok(t, "tar", "-C", "dir", "-xf", "bp.cnb")
	if got := digestIn(t, h.manifest(t, "create", "h.invalid/dir:1", "oci:./dir")); got != digest {
		t.Errorf("of the folder comes %s, want %s", got, digest)
	}
	h.ok(t, skopeo, "--insecure-policy", "copy", "--src-tls-verify=false", "docker://"+reg.Host+"/acme/one:1", "oci:dir:one")
	h.manifest(t, "create", "h.invalid/changed:1", "oci:./dir", "--format", "oci", "--validate", "off")
	if n := strings.Count(h.manifest(t, "inspect", "h.invalid/changed:1"), `"digest": "`); n != 5 {
		t.Errorf("with one more image there are %d entries, want 5", n)
	}
}

// TestSaveIsInterrupted: a signal while a blob is read leaves nothing behind.
func TestSaveIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"bp.tar", "bp.cnb", "bp"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			reg, h := testhelpers.NewRegistry(t), newHome(t)
			reg.Push(t, "acme/bp:1", numbered(t, 0))
			// The config is read at once, so this is the layer.
			h.manifest(t, "create", reg.Host+"/acme/list:1", reg.Host+"/acme/bp:1")
			reg.Inject(testhelpers.Fault{Method: "GET", Match: "/blobs/", Do: testhelpers.Hang()})
			if err := os.Mkdir(h.path("to"), 0o700); err != nil {
				t.Fatal(err)
			}
			hangs := func() bool { return reg.Faulted() > 0 }
			r := h.interrupted(t, syscall.SIGINT, hangs, "save", reg.Host+"/acme/list:1", "-o", h.path("to", file))
			if r.code != 130 || r.stdout != "" || !strings.Contains(r.stderr, "ERROR: interrupted (interrupt): nothing was written") {
				t.Errorf("it exits with %d and says %q %q", r.code, r.stdout, r.stderr)
			}
			if left, err := os.ReadDir(h.path("to")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
