package layout_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// run runs a program with a home of its own.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+home, "PACK_HOME="+home, "DOCKER_HOST=unix:///nonexistent")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// intact compares every layer with the diff_id that the config has for it.
func intact(t *testing.T, m index.Manifest) {
	t.Helper()
	if len(m.Layers) == 0 || m.Config == nil || len(m.Config.RootFS.DiffIDs) != len(m.Layers) {
		t.Fatalf("%d layers, config %v", len(m.Layers), m.Config)
	}
	for i, blob := range m.Layers {
		if got := hashOf(t, blob); got != blob.Digest {
			t.Errorf("layer %d is %s, want %s", i, got, blob.Digest)
		}
		l, err := tarball.LayerFromOpener(blob.Open)
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.DiffID()
		if err != nil {
			t.Fatal(err)
		}
		if want := m.Config.RootFS.DiffIDs[i]; got != want {
			t.Errorf("layer %d unpacks to %s, want %s", i, got, want)
		}
	}
}

func TestFilesThatPackMakes(t *testing.T) {
	t.Parallel()
	pack := testhelpers.Tool(t, "pack")
	dir := t.TempDir()
	config := filepath.Join(dir, "package.toml")
	uri := "[buildpack]\nuri = \"" + testhelpers.RepositoryFile(t, "examples", "hello-universe") + "\"\n"
	if err := os.WriteFile(config, []byte(uri), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		path := filepath.Join(dir, filepath.Base(platform)+".cnb")
		run(t, pack, "buildpack", "package", path, "--format", "file", "--config", config, "--target", platform)
		got := resolve(t, path)
		if len(got) != 1 {
			t.Fatalf("%s: %d images", platform, len(got))
		}
		intact(t, got[0])
		if got[0].PlatformString() != platform {
			t.Errorf("platform %s, want %s", got[0].PlatformString(), platform)
		}
		if got[0].MediaType != "application/vnd.docker.distribution.manifest.v2+json" {
			t.Errorf("media type %s", got[0].MediaType)
		}
		if got[0].Config.Config.Labels[testhelpers.PackageLabel] == "" {
			t.Error("it is no buildpackage")
		}
	}
}

func TestFilesThatSkopeoMakes(t *testing.T) {
	t.Parallel()
	skopeo := testhelpers.Peer(t, "skopeo")
	a := testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true})
	b := windows(t)
	dir := testhelpers.CNB{Lists: []v1.ImageIndex{testhelpers.List(t, a, b)}}.Layout(t, t.TempDir())
	path := file(t)
	run(t, skopeo, "--insecure-policy", "copy", "--all", "oci:"+dir, "oci-archive:"+path+":some/name:1")
	got := resolve(t, path)
	if len(got) != 2 {
		t.Fatalf("%d images", len(got))
	}
	same(t, got[0], a)
	same(t, got[1], b)
	intact(t, got[1])
	for _, m := range got {
		if m.Annotations != nil {
			t.Errorf("annotations %v", m.Annotations)
		}
	}
}
