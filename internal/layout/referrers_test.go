package layout_test

import (
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

const name = "org.opencontainers.image.ref.name"

// attached is what refers to a manifest, and to that: digest or tag each.
func attached(m index.Manifest) []string {
	var all []string
	for _, a := range m.Referrers {
		text := a.Digest.String()
		if a.Tag != "" {
			text = a.Tag
		}
		all = append(append(all, text), attached(a.Manifest)...)
	}
	slices.Sort(all)
	return all
}

// Signatures and SBOMs in a layout are no images of it; they stay with the image
// that they refer to, however the tool that wrote it says so.
func TestReferrersOfALayout(t *testing.T) {
	t.Parallel()
	img := linux(t)
	d := testhelpers.Described(t, img)
	sbom := testhelpers.Artifact(t, d, "application/spdx+json", "what is in it")
	bundle := testhelpers.Artifact(t, testhelpers.Described(t, sbom), "application/vnd.dev.sigstore.bundle.v0.3+json", "signed")
	sbomDigest, bundleDigest := testhelpers.Described(t, sbom).Digest, testhelpers.Described(t, bundle).Digest
	tag := "sha256-" + d.Digest.Hex + ".sig"
	cosign := testhelpers.CosignSignature(t, d.Digest, "first")
	for how, c := range map[string]struct {
		layout testhelpers.CNB
		want   []string
	}{
		"as oras does": {testhelpers.CNB{Images: []v1.Image{bundle, sbom, img}}, []string{sbomDigest.String(), bundleDigest.String()}},
		"as regctl does": {testhelpers.CNB{
			Images: []v1.Image{cosign, img}, Lists: []v1.ImageIndex{testhelpers.List(t, sbom), testhelpers.List(t, bundle)},
			Annotations: []map[string]string{{name: "ghcr.io/acme/bp:" + tag}, {name: "1"}, {name: "sha256-" + d.Digest.Hex}, {name: "sha256-" + sbomDigest.Hex}},
		}, []string{sbomDigest.String(), bundleDigest.String(), tag}},
		"both, in a circle": {testhelpers.CNB{
			Images: []v1.Image{img, sbom, img}, Lists: []v1.ImageIndex{testhelpers.List(t, sbom)},
			Annotations: []map[string]string{nil, nil, {name: "sha256-" + sbomDigest.Hex + ".att"}, {name: "sha256-" + d.Digest.Hex}},
		}, []string{sbomDigest.String(), "sha256-" + sbomDigest.Hex + ".att"}},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			for _, source := range []string{"oci:" + c.layout.Layout(t, t.TempDir()), "oci-archive:" + c.layout.Write(t, file(t))} {
				for _, suffix := range []string{"", ":" + d.Digest.String()} {
					got := transport(t, source+suffix)
					if len(got) != 1 {
						t.Fatalf("%s: %d images", source+suffix, len(got))
					}
					same(t, got[0], img)
					slices.Sort(c.want)
					if found := attached(got[0]); !slices.Equal(found, c.want) {
						t.Errorf("%s: it has %q, want %q", source+suffix, found, c.want)
					}
					for _, a := range got[0].Referrers {
						if len(a.Layers) == 0 || a.RawConfig == nil || index.DigestOf(a.Raw) != a.Digest {
							t.Errorf("%s: the content of %s is not all there", source, a.Digest)
						}
					}
				}
			}
		})
	}
}

// What refers to a list stays with the list, which its images know.
func TestReferrersOfAListInALayout(t *testing.T) {
	t.Parallel()
	list := testhelpers.List(t, linux(t), windows(t))
	digest, err := list.Digest()
	if err != nil {
		t.Fatal(err)
	}
	tag := "sha256-" + digest.Hex + ".sig"
	dir := testhelpers.CNB{
		Images: []v1.Image{testhelpers.CosignSignature(t, digest, "first")}, Lists: []v1.ImageIndex{list},
		Annotations: []map[string]string{{name: tag}},
	}.Layout(t, t.TempDir())
	got := transport(t, "oci:"+dir)
	if len(got) != 2 {
		t.Fatalf("%d images", len(got))
	}
	for _, m := range got {
		if m.From == nil || m.From.Digest != digest || !slices.Equal(attached(*m.From), []string{tag}) || len(m.Referrers) != 0 {
			t.Errorf("%s is from %+v", m.Digest, m.From)
		}
	}
}

// What refers to something that is not there is an image like others.
func TestReferrerWithoutItsSubject(t *testing.T) {
	t.Parallel()
	sbom := testhelpers.Artifact(t, testhelpers.Described(t, windows(t)), "application/spdx+json", "what is in it")
	got := transport(t, "oci:"+testhelpers.CNB{Images: []v1.Image{linux(t), sbom}}.Layout(t, t.TempDir()))
	if len(got) != 2 || len(got[0].Referrers) != 0 {
		t.Errorf("%d images, %v", len(got), got)
	}
}
