package testhelpers_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func digestOf(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestBuildpackageIsAsPackMakesIt(t *testing.T) {
	t.Parallel()
	spec := testhelpers.PackageSpec{
		ID: "acme/hello", Version: "1.2.3", Platform: v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763.1"},
		LayerSizes: []int64{10, 1000}, Targets: []testhelpers.Target{{OS: "linux", Arch: "amd64"}, {OS: "windows"}},
	}
	img := testhelpers.Buildpackage(t, spec)
	if again := testhelpers.Buildpackage(t, spec); digestOf(t, again) != digestOf(t, img) {
		t.Error("the same spec made another image")
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != "windows" || config.Architecture != "amd64" || config.OSVersion != "10.0.17763.1" {
		t.Errorf("platform %v", config.Platform())
	}
	// This layer is the same in every Windows image of every version of imgutil.
	const base = "sha256:067833da"
	if ids := config.RootFS.DiffIDs; len(ids) != 3 || !strings.HasPrefix(ids[0].String(), base) {
		t.Errorf("layers %v", ids)
	}
	if !config.Created.IsZero() {
		t.Errorf("a package in a file was created at %s", config.Created)
	}
	want := `{"id":"acme/hello","version":"1.2.3","stacks":[{"id":"*"}]}`
	if got := config.Config.Labels[testhelpers.PackageLabel]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = `{"acme/hello":{"1.2.3":{"api":"0.10","stacks":[{"id":"*"}],"targets":[{"os":"linux","arch":"amd64"},{"os":"windows"}],"layerDiffID":"` +
		config.RootFS.DiffIDs[1].String() + `"}}}`
	if got := config.Config.Labels[testhelpers.LayersLabel]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBuildpackagesDifferWhereTheyAreToldTo(t *testing.T) {
	t.Parallel()
	layers := func(s testhelpers.PackageSpec) (digests []v1.Hash) {
		manifest, err := testhelpers.Buildpackage(t, s).Manifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range manifest.Layers {
			digests = append(digests, l.Digest)
		}
		return digests
	}
	sizes := []int64{10, 10}
	a := layers(testhelpers.PackageSpec{LayerSizes: sizes, Seed: 1, SharedSeed: 9})
	b := layers(testhelpers.PackageSpec{LayerSizes: sizes, Seed: 2, SharedSeed: 9})
	if a[0] == b[0] || a[1] != b[1] {
		t.Errorf("layers %v and %v", a, b)
	}
	empty := testhelpers.Buildpackage(t, testhelpers.PackageSpec{EmptyArch: true, OCI: true})
	config, err := empty.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != "linux" || config.Architecture != "" || config.Created.Year() != 1980 {
		t.Errorf("platform %v", config.Platform())
	}
	if mediaType, err := empty.MediaType(); err != nil || mediaType != "application/vnd.oci.image.manifest.v1+json" {
		t.Errorf("media type %s, %v", mediaType, err)
	}
}

func TestCNBIsAsPackWritesIt(t *testing.T) {
	t.Parallel()
	img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{})
	path := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "bp.cnb"), img)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	names := namesIn(t, bytes.NewReader(raw))
	if len(names) != 7 || names[0] != "/blobs" || names[1] != "/blobs/sha256" ||
		!slices.Equal(names[5:], []string{"/index.json", "/oci-layout"}) || !slices.IsSorted(names) {
		t.Errorf("members %q", names)
	}
	small := testhelpers.CNB{Images: []v1.Image{img}, Names: testhelpers.DottedNames, Gzip: true, IndexFirst: true}
	zipped, err := gzip.NewReader(bytes.NewReader(small.Bytes(t)))
	if err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, zipped); names[0] != "./oci-layout" {
		t.Errorf("members %q", names)
	}
}

func namesIn(t *testing.T, r io.Reader) (names []string) {
	t.Helper()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

func TestLayoutIsAnOCILayout(t *testing.T) {
	t.Parallel()
	linux := testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true})
	windows := testhelpers.Buildpackage(t, testhelpers.PackageSpec{Platform: v1.Platform{OS: "windows", Architecture: "amd64"}})
	plain := testhelpers.CNB{Images: []v1.Image{linux}, Lists: []v1.ImageIndex{testhelpers.List(t, linux, windows)}}
	ix, err := layout.ImageIndexFromPath(plain.Layout(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(ix); err != nil {
		t.Error(err)
	}
	attested := testhelpers.CNB{Images: []v1.Image{linux}, Lists: []v1.ImageIndex{testhelpers.Attested(t, linux, windows)}}
	ix, err = layout.ImageIndexFromPath(attested.Layout(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := ix.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	nested, err := ix.ImageIndex(manifest.Manifests[1].Digest)
	if err != nil {
		t.Fatal(err)
	}
	list, err := nested.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(list.Manifests); n != 4 {
		t.Fatalf("%d entries, want two images and two attestations", n)
	}
	if got := list.Manifests[3].Annotations["vnd.docker.reference.digest"]; got != digestOf(t, windows).String() {
		t.Errorf("the attestation is of %s", got)
	}
}
