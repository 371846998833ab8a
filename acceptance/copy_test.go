//go:build acceptance

package acceptance_test

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// theirLists publishes lists that others made, of packages of both families, and
// returns their repositories.
func theirLists(t *testing.T, h *home, host string) []string {
	t.Helper()
	upstream, crane, regctl := testhelpers.Tool(t, "pack"), testhelpers.Tool(t, "crane"), testhelpers.Tool(t, "regctl")
	helloUniverse(t, h)
	h.ok(t, upstream, "buildpack", "package", host+"/by/pack:1", "--path", "hello-universe", "--publish")
	var docker, oci []string
	var images []v1.Image
	for i, c := range children()[:2] {
		for _, s := range []source{{}, {oci: true}} {
			ref := host + "/by/parts:" + c.arch
			if s.oci {
				ref += "-oci"
				oci = append(oci, ref)
				images = append(images, s.image(t, i, c))
			} else {
				docker = append(docker, ref)
			}
			push(t, ref, s.image(t, i, c))
		}
	}
	h.ok(t, crane, "index", "append", "--docker-empty-base", "-m", docker[1], "-m", docker[0], "-t", host+"/by/crane-docker:1")
	h.ok(t, crane, "index", "append", "-m", oci[0], "-m", oci[1], "-t", host+"/by/crane-oci:1")
	h.ok(t, regctl, "--host", "reg="+host+",tls=disabled", "index", "create", host+"/by/regctl:1", "--ref", oci[0], "--ref", oci[1],
		"--annotation", "org.opencontainers.image.version=1", "--desc-annotation", "a=b", "--artifact-type", "application/vnd.acme")
	testhelpers.PushIndex(t, host+"/by/buildkit:1", testhelpers.Attested(t, images...), remote.WithTransport(oneShot()))
	return []string{"pack", "crane-docker", "crane-oci", "regctl", "buildkit"}
}

// TestCopyKeepsTheDigest: whoever made a list, it goes from one registry to
// another one and back, and through files, under its digest, in the eyes of crane
// and skopeo.
func TestCopyKeepsTheDigest(t *testing.T) {
	t.Parallel()
	crane, skopeo := testhelpers.Tool(t, "crane"), testhelpers.Peer(t, "skopeo")
	here, there, h := testhelpers.StartDistribution(t), testhelpers.StartDockerRegistry(t), newHome(t)
	for _, maker := range theirLists(t, h, here) {
		t.Run(maker, func(t *testing.T) {
			t.Parallel()
			first := here + "/by/" + maker + ":1"
			want := h.ok(t, crane, "digest", first)
			copies := []string{there + "/copied/" + maker + ":1", here + "/back/" + maker + ":1", here + "/kept/" + maker + ":1"}
			h.manifest(t, "create", copies[0], first, "--publish")
			h.manifest(t, "create", copies[1], copies[0], "--publish")
			h.manifest(t, "create", copies[2], first)
			h.manifest(t, "push", copies[2])
			for file, from := range map[string]string{maker + ".tar": "./" + maker + ".tar", maker + ".cnb": maker + ".cnb", maker + "-dir": "oci:./" + maker + "-dir"} {
				to := there + "/from-" + strings.ReplaceAll(file, ".", "-") + "/x:1"
				h.manifest(t, "save", copies[0], "-o", file)
				h.manifest(t, "create", to, from, "--publish")
				copies = append(copies, to)
			}
			for _, ref := range copies {
				if got := h.ok(t, crane, "digest", ref); got != want {
					t.Errorf("%s has the digest %s, want %s", ref, got, want)
				}
				raw := h.run(t, skopeo, "inspect", "--raw", "--tls-verify=false", "docker://"+ref).stdout
				if got := sha256Of(t, []byte(raw)).String(); got != want {
					t.Errorf("skopeo reads %s from %s, want %s", got, ref, want)
				}
				for _, d := range parseList(t, strings.NewReader(raw)).Manifests {
					h.ok(t, crane, "manifest", strings.TrimSuffix(ref, ":1")+"@"+d.Digest.String())
				}
			}
		})
	}
}
