package layout_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ggcrname "github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// What is streamed to a daemon is what another reader of Docker's archives takes
// for the same image; a layer that is there twice is sent once.
func TestStreamDocker(t *testing.T) {
	t.Parallel()
	img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{LayerSizes: []int64{100, 1000}})
	path := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "x.cnb"), img)
	found := resolve(t, path)
	parts := found[0].Blobs()
	layers := append(slices.Clone(parts[2:]), parts[2])
	var streams []string
	for range 2 {
		var out bytes.Buffer
		if err := (layout.Writers{}).StreamDocker(t.Context(), &out, "example.com/acme/bp:1", parts[1], layers); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, out.String())
	}
	if streams[0] != streams[1] {
		t.Error("the second time it has other bytes")
	}
	members := 0
	for r := tar.NewReader(strings.NewReader(streams[0])); ; members++ {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if members != 4 { // config, two layers, manifest.json
		t.Errorf("%d members", members)
	}
	// The config knows two layers, so that three are one too many for others.
	var out bytes.Buffer
	if err := (layout.Writers{}).StreamDocker(t.Context(), &out, "example.com/acme/bp:1", parts[1], parts[2:]); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.tar")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	tag, err := ggcrname.NewTag("example.com/acme/bp:1")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := tarball.ImageFromPath(file, &tag)
	if err != nil {
		t.Fatal(err)
	}
	got, want := configAndLayers(t, loaded), configAndLayers(t, img)
	if !slices.Equal(got, want) {
		t.Errorf("read %s, want %s", got, want)
	}
}

func configAndLayers(t *testing.T, img v1.Image) []v1.Hash {
	t.Helper()
	config, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	all := []v1.Hash{config}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		h, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	return all
}

// A blob that is not what it should be ends the stream without its end.
func TestStreamsAreChecked(t *testing.T) {
	t.Parallel()
	good := index.BytesBlob(index.DigestOf([]byte("good")), []byte("good"))
	bad := index.BytesBlob(index.DigestOf([]byte("good")), []byte("evil"))
	var out bytes.Buffer
	for _, stream := range []func() error{
		func() error {
			return layout.Writers{}.StreamDocker(t.Context(), &out, "x:1", good, []index.Blob{bad})
		},
		func() error {
			return layout.Writers{}.StreamArchive(t.Context(), &out, index.New(index.OCI), []index.Blob{bad})
		},
	} {
		out.Reset()
		if err := stream(); !errors.Is(err, index.ErrInvalid) || !strings.Contains(err.Error(), "its content has the digest") {
			t.Errorf("error %v", err)
		}
		if bytes.HasSuffix(out.Bytes(), make([]byte, 1024)) {
			t.Error("the archive has an end")
		}
	}
}

// What is streamed is what is written.
func TestStreamArchive(t *testing.T) {
	t.Parallel()
	found := resolve(t, testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "x.cnb"), linux(t)))
	ix, _, err := index.New(index.OCI).Apply(index.Add(found[0].Entry))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (layout.Writers{}).StreamArchive(t.Context(), &out, ix, found[0].Blobs()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.tar")
	if err := (layout.Writers{}).WriteArchive(t.Context(), path, ix, found[0].Blobs()); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(path); err != nil || !bytes.Equal(raw, out.Bytes()) {
		t.Errorf("%d bytes are written, %d streamed, %v", len(raw), out.Len(), err)
	}
}
