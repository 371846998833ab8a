package layout_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.uber.org/goleak"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func linux(tb testing.TB) v1.Image {
	tb.Helper()
	return testhelpers.Buildpackage(tb, testhelpers.PackageSpec{
		Platform: v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, LayerSizes: []int64{100, 5000},
	})
}

func windows(tb testing.TB) v1.Image {
	tb.Helper()
	return testhelpers.Buildpackage(tb, testhelpers.PackageSpec{
		Platform: v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763.1"}, OCI: true,
	})
}

func file(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "bp.cnb")
}

func resolve(t *testing.T, path string) []index.Manifest {
	t.Helper()
	manifests, err := layout.Archives{}.Resolve(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return index.Flatten(manifests)
}

// same compares what was read with the image that was written, to the last
// byte of its layers.
func same(t *testing.T, m index.Manifest, img v1.Image) {
	t.Helper()
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	mediaType, err := img.MediaType()
	if err != nil {
		t.Fatal(err)
	}
	if m.Digest != digest || m.Size != int64(len(raw)) || m.MediaType != mediaType || string(m.Raw) != string(raw) {
		t.Errorf("read %s %s of %d bytes, want %s %s", m.MediaType, m.Digest, m.Size, mediaType, digest)
	}
	if string(m.RawConfig) != string(config) {
		t.Errorf("read the config %s", m.RawConfig)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Layers) != len(layers) {
		t.Fatalf("read %d layers, want %d", len(m.Layers), len(layers))
	}
	for i, blob := range m.Layers {
		digest, err := layers[i].Digest()
		if err != nil {
			t.Fatal(err)
		}
		if got := hashOf(t, blob); got != digest || blob.Digest != digest {
			t.Errorf("layer %d has the content of %s and is called %s, want %s", i, got, blob.Digest, digest)
		}
	}
}

func hashOf(tb testing.TB, blob index.Blob) v1.Hash {
	tb.Helper()
	r, err := blob.Open()
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	if err := errors.Join(err, r.Close()); err != nil {
		tb.Error(err)
	}
	if n != blob.Size {
		tb.Errorf("blob %s has %d bytes, want %d", blob.Digest, n, blob.Size)
	}
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

// Upstream pack refuses .cnb files as sources (B26), and takes the first image
// of one that has several.
func TestArchivesOfEveryShape(t *testing.T) {
	t.Parallel()
	images := []v1.Image{linux(t), windows(t)}
	for name, cnb := range map[string]testhelpers.CNB{
		"as pack writes it":    {},
		"relative names":       {Names: testhelpers.RelativeNames, NoMediaType: true},
		"names with a dot":     {Names: testhelpers.DottedNames},
		"index first":          {IndexFirst: true},
		"gzip":                 {Gzip: true},
		"gzip and index first": {Gzip: true, IndexFirst: true, Names: testhelpers.RelativeNames},
		"platforms":            {Platforms: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cnb.Images = images
			path := cnb.Write(t, file(t))
			manifests := resolve(t, path)
			if len(manifests) != 2 {
				t.Fatalf("read %d images", len(manifests))
			}
			for i, m := range manifests {
				same(t, m, images[i])
				want := index.Origin{Kind: index.SourceArchive, Ref: path, Pin: m.Digest}
				if m.Origin != want {
					t.Errorf("origin %v, want %v", m.Origin, want)
				}
				if m.Annotations != nil {
					t.Errorf("annotations %v", m.Annotations)
				}
			}
			if got := manifests[1].Platform; got == nil || got.OS != "windows" || got.OSVersion != "10.0.17763.1" || got.Architecture != "amd64" {
				t.Errorf("platform %v", got)
			}
			if got := manifests[0].PlatformString(); !strings.HasPrefix(got, "linux/arm64") {
				t.Errorf("platform %v", got)
			}
			if label := manifests[0].Config.Config.Labels[testhelpers.PackageLabel]; !strings.Contains(label, "acme/hello") {
				t.Errorf("the config is not decoded: label %q", label)
			}
		})
	}
}

func TestPlatformOfTheDescriptorStays(t *testing.T) {
	t.Parallel()
	bare := testhelpers.Buildpackage(t, testhelpers.PackageSpec{EmptyArch: true})
	given := v1.Platform{OS: "linux", Architecture: "riscv64", OSFeatures: []string{"b", "a"}}
	list := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: bare, Descriptor: v1.Descriptor{Platform: &given}},
		mutate.IndexAddendum{Add: linux(t), Descriptor: v1.Descriptor{Platform: &v1.Platform{}}},
		mutate.IndexAddendum{Add: bare, Descriptor: v1.Descriptor{}})
	got := resolve(t, testhelpers.CNB{Lists: []v1.ImageIndex{list}}.Write(t, file(t)))
	if len(got) != 3 {
		t.Fatalf("read %d images", len(got))
	}
	if p := got[0].Platform; p == nil || p.Architecture != "riscv64" || !slices.Equal(p.OSFeatures, given.OSFeatures) {
		t.Errorf("platform %v, want %v", p, given)
	}
	if p := got[1].Platform; p == nil || p.Architecture != "arm64" {
		t.Errorf("a platform without anything in it hid the config's: %v", p)
	}
	if p := got[2].Platform; p == nil || p.OS != "linux" || p.Architecture != "" {
		t.Errorf("platform %v, want linux without an architecture", p)
	}
}

// skopeo copy --all writes a list that index.json refers to, which pack does
// not find anything in.
func TestNestedListIsFlattenedInOrder(t *testing.T) {
	t.Parallel()
	a, b := linux(t), windows(t)
	inner := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.DockerManifestList),
		mutate.IndexAddendum{Add: b, Descriptor: v1.Descriptor{Annotations: map[string]string{"inner": "kept"}}})
	outer := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: inner}, mutate.IndexAddendum{Add: a})
	cnb := testhelpers.CNB{Lists: []v1.ImageIndex{outer}, Annotations: []map[string]string{{"outer": "is the list's own"}}}
	for _, cnb.Gzip = range []bool{false, true} {
		got := resolve(t, cnb.Write(t, file(t)))
		if len(got) != 2 {
			t.Fatalf("read %d images", len(got))
		}
		same(t, got[0], b)
		same(t, got[1], a)
		if len(got[0].Annotations) != 1 || got[0].Annotations["inner"] != "kept" || got[1].Annotations != nil {
			t.Errorf("annotations %v and %v", got[0].Annotations, got[1].Annotations)
		}
	}
}

func TestAttestationsStay(t *testing.T) {
	t.Parallel()
	img := windows(t)
	got := resolve(t, testhelpers.CNB{Lists: []v1.ImageIndex{testhelpers.Attested(t, img)}}.Write(t, file(t)))
	if len(got) != 2 {
		t.Fatalf("read %d entries", len(got))
	}
	same(t, got[0], img)
	of, ok := got[1].Attests()
	if !ok || of != got[0].Digest || got[1].PlatformString() != "unknown/unknown" || got[1].Config != nil {
		t.Errorf("the attestation is of %s, for %s", of, got[1].PlatformString())
	}
	// All of it is at hand: manifest, config, statement.
	blobs := got[1].Blobs()
	if len(blobs) != 3 {
		t.Fatalf("%d blobs", len(blobs))
	}
	for _, b := range blobs {
		if got := hashOf(t, b); got != b.Digest {
			t.Errorf("blob %s has the content of %s", b.Digest, got)
		}
	}
}

func TestNamesInTheLayoutAreNotOfTheList(t *testing.T) {
	t.Parallel()
	img := linux(t)
	names := func(name string) map[string]string {
		return map[string]string{"org.opencontainers.image.ref.name": name, "io.containerd.image.name": "docker.io/" + name, "other": "stays"}
	}
	cnb := testhelpers.CNB{Images: []v1.Image{img, img}, Annotations: []map[string]string{names("a"), names("b")}}
	got := resolve(t, cnb.Write(t, file(t)))
	if len(got) != 1 {
		t.Fatalf("one image with two names is %d images", len(got))
	}
	if len(got[0].Annotations) != 1 || got[0].Annotations["other"] != "stays" {
		t.Errorf("annotations %v", got[0].Annotations)
	}
	cnb = testhelpers.CNB{Images: []v1.Image{img}, Annotations: []map[string]string{{"org.opencontainers.image.ref.name": "a"}}}
	if got := resolve(t, cnb.Write(t, file(t))); got[0].Annotations != nil {
		t.Errorf("annotations %v, want none at all", got[0].Annotations)
	}
}

func TestArtifactsAreLeftToTheRules(t *testing.T) {
	t.Parallel()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.oci.empty.v1+json")
	got := resolve(t, testhelpers.WriteCNB(t, file(t), img))
	if len(got) != 1 || got[0].Config != nil || got[0].Platform != nil || len(got[0].RawConfig) == 0 {
		t.Errorf("read %+v", got)
	}
}

func TestForeignLayersMayBeElsewhere(t *testing.T) {
	t.Parallel()
	config := `{"os":"windows","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` + digest("x") + `"]}}`
	const plain, foreign = "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	for _, layer := range []string{
		descriptor(foreign, "layer"),
		strings.Replace(descriptor(plain, "layer"), "}", `,"urls":["https://example.com/layer"]}`, 1),
	} {
		image := manifest(descriptor(confType, config), layer)
		top := list(descriptor(imageType, image))
		if got := resolve(t, write(t, members(top, image, config)...)); len(got) != 1 || len(got[0].Layers) != 0 {
			t.Errorf("read %+v", got)
		}
		if got := resolve(t, write(t, members(top, image, config, "layer")...)); len(got) != 1 || len(got[0].Layers) != 1 {
			t.Errorf("read %+v", got)
		}
	}
}

func TestLayersAreNamedOnce(t *testing.T) {
	t.Parallel()
	config := `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` + digest("x") + `","` + digest("x") + `"]}}`
	layer := descriptor("application/vnd.oci.image.layer.v1.tar+gzip", "layer")
	image := manifest(descriptor(confType, config), layer, layer)
	// A copy of the content in the descriptor is not of the list.
	top := list(strings.Replace(descriptor(imageType, image), "}", `,"data":"eA=="}`, 1))
	got := resolve(t, write(t, members(top, image, config, "layer")...))
	if len(got) != 1 || len(got[0].Layers) != 1 || got[0].Data != nil {
		t.Errorf("read %+v", got)
	}
}
