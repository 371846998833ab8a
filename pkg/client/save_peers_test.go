package client_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// tell runs a program with a home of its own and returns what it prints.
func tell(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+home, "PACK_HOME="+home, "DOCKER_HOST=unix:///nonexistent")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// skopeo and regctl find the list, under its name, with its digest, and all
// that it refers to.
func TestPeersReadWhatIsSaved(t *testing.T) {
	t.Parallel()
	skopeo, regctl := testhelpers.Peer(t, "skopeo"), testhelpers.Tool(t, "regctl")
	l, list := mixed(t, index.OCI, "oci")
	archive, dir := l.mustSave("acme/bp:1", "bp.tar"), l.mustSave("acme/bp:1", "bp")
	for _, source := range []string{"oci-archive:" + archive, "oci:" + dir} {
		raw := tell(t, skopeo, "inspect", "--raw", source+":"+l.at("acme/bp:1"))
		if got := index.DigestOf([]byte(raw)); got != list.Index.Digest() {
			t.Errorf("skopeo sees %s in %s, want %s", got, source, list.Index.Digest())
		}
		copied := filepath.Join(t.TempDir(), "copy")
		tell(t, skopeo, "--insecure-policy", "copy", "--all", "--preserve-digests", source, "dir:"+copied)
		raws, err := os.ReadFile(filepath.Join(copied, "manifest.json"))
		if err != nil || index.DigestOf(raws) != list.Index.Digest() {
			t.Errorf("skopeo copies something else: %v", err)
		}
	}
	var platform v1.ConfigFile
	out := tell(t, regctl, "image", "config", "--platform", "linux/arm64", "ocidir://"+dir+"@"+list.Index.Digest().String())
	if err := json.Unmarshal([]byte(out), &platform); err != nil || platform.Architecture != "arm64" {
		t.Errorf("regctl sees %s", out)
	}
}

// Upstream pack reads the first image of a file with several, so that has to be
// the one for linux/amd64, which is the second of the list.
func TestPackReadsWhatIsSaved(t *testing.T) {
	t.Parallel()
	pack := testhelpers.Tool(t, "pack")
	for _, format := range []index.Format{index.V2S2, index.OCI} {
		l := newLab(t)
		for id, arch := range map[string]string{"acme/other": "arm64", "acme/first": "amd64"} {
			l.reg.Push(t, id+":1", testhelpers.Buildpackage(t, testhelpers.PackageSpec{
				ID: id, OCI: format == index.OCI, Platform: v1.Platform{OS: "linux", Architecture: arch},
			}))
		}
		l.create("acme/bp:1", format, "acme/other:1", "acme/first:1")
		out := tell(t, pack, "buildpack", "inspect", l.mustSave("acme/bp:1", "bp.cnb"))
		if !strings.Contains(out, "LOCAL ARCHIVE") || !strings.Contains(out, "acme/first@1.2.3") || strings.Contains(out, "acme/other") {
			t.Errorf("pack says\n%s", out)
		}
	}
}
