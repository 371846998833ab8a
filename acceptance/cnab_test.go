//go:build acceptance

package acceptance_test

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestInteropRoles: a list in the shape of CNAB (docker/buildx issue 143), whose
// entries have roles in place of platforms, is what crane and regctl read back,
// and regctl copies it whole.
func TestInteropRoles(t *testing.T) {
	t.Parallel()
	crane, regctl := testhelpers.Tool(t, "crane"), testhelpers.Tool(t, "regctl")
	for name, start := range registries() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, h := start(t), newHome(t)
			repo := host + "/acme/bundle"
			list := repo + ":1"
			push(t, repo+":config", mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cnab.config.v1+json"))
			push(t, repo+":invocation", testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true, Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}))
			allowed := []string{"--validate", "off", "--allow", "not-an-image"}
			with := func(args ...string) []string { return append(args, allowed...) }
			h.manifest(t, with("create", list, repo+":config", repo+":invocation", "--format", "oci",
				"--artifact-type", "application/vnd.cnab.manifest.v1", "--annotation", "io.cnab.runtime_version=v1.2.0")...)
			h.manifest(t, with("annotate", list, repo+":config", "--annotation", "io.cnab.manifest.type=config")...)
			h.manifest(t, with("annotate", list, repo+":invocation", "--annotation", "io.cnab.manifest.type=invocation", "--os", "", "--arch", "")...)
			want := h.manifest(t, "inspect", list)
			digest := digestIn(t, h.manifest(t, with("push", list)...))
			for _, says := range []string{`"artifactType": "application/vnd.cnab.manifest.v1"`, `"io.cnab.manifest.type": "invocation"`, `"io.cnab.runtime_version": "v1.2.0"`} {
				if !strings.Contains(want, says) {
					t.Errorf("the list does not say %s:\n%s", says, want)
				}
			}
			if strings.Contains(want, "platform") {
				t.Errorf("there is a platform:\n%s", want)
			}
			if got := h.ok(t, crane, "manifest", list); got != want {
				t.Errorf("crane reads\n%s\nwant\n%s", got, want)
			}
			in := []string{"--host", "reg=" + host + ",tls=disabled"}
			if got := h.ok(t, regctl, append(in, "manifest", "get", "--format", "raw-body", list)...); got != want {
				t.Errorf("regctl reads\n%s\nwant\n%s", got, want)
			}
			h.ok(t, regctl, append(in, "image", "copy", list, host+"/other/bundle:1")...)
			if got := h.ok(t, crane, "digest", host+"/other/bundle:1"); got != digest.String() {
				t.Errorf("regctl's copy is %s, want %s", got, digest)
			}
		})
	}
}
