package layout_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func transport(t *testing.T, ref string) []index.Manifest {
	t.Helper()
	manifests, err := layout.Transports{}.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return index.Flatten(manifests)
}

// refused resolves what must be an error of the kind, in words that hold all of
// want.
func refused(t *testing.T, ref string, kind error, want ...string) {
	t.Helper()
	got, err := layout.Transports{}.Resolve(t.Context(), ref)
	if !errors.Is(err, kind) || got != nil {
		t.Fatalf("%s: %d images and the error %v, want the kind %q", ref, len(got), err, kind)
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q\ndoes not say %q", err, text)
		}
	}
}

// unpack writes the members of a layout into a directory.
func unpack(t *testing.T, members ...testhelpers.Member) string {
	t.Helper()
	dir := t.TempDir()
	for _, m := range members {
		path := filepath.Join(dir, filepath.FromSlash(m.Header.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, m.Body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func blobPath(dir string, h v1.Hash) string { return filepath.Join(dir, "blobs", h.Algorithm, h.Hex) }

func TestDirectoriesOfEveryShape(t *testing.T) {
	t.Parallel()
	images := []v1.Image{linux(t), windows(t)}
	nested := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: testhelpers.List(t, images...)})
	for name, c := range map[string]testhelpers.CNB{
		"flat":               {Images: images},
		"with platforms":     {Images: images, Platforms: true},
		"without a type":     {Images: images, NoMediaType: true},
		"a list":             {Lists: []v1.ImageIndex{testhelpers.List(t, images...)}},
		"a list of one":      {Lists: []v1.ImageIndex{nested}},
		"lists and an image": {Images: images[:1], Lists: []v1.ImageIndex{testhelpers.List(t, images[1])}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := c.Layout(t, t.TempDir())
			got := transport(t, "oci:"+dir)
			if len(got) != 2 {
				t.Fatalf("%d images", len(got))
			}
			for i, m := range got {
				same(t, m, images[i])
				if want := (index.Origin{Kind: index.SourceLayout, Ref: dir, Pin: m.Digest}); m.Origin != want {
					t.Errorf("origin %v, want %v", m.Origin, want)
				}
			}
		})
	}
}

func TestOneNameOfALayout(t *testing.T) {
	t.Parallel()
	images := []v1.Image{linux(t), windows(t)}
	named := testhelpers.CNB{Images: images, Annotations: []map[string]string{
		{"org.opencontainers.image.ref.name": "ghcr.io/acme/bp:1.2"}, {"io.containerd.image.name": "second"},
	}}
	digest, err := images[1].Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{
		"oci:" + named.Layout(t, t.TempDir()), "oci-archive:" + named.Write(t, file(t)),
	} {
		for name, at := range map[string]int{"ghcr.io/acme/bp:1.2": 0, "second": 1, digest.String(): 1} {
			got := transport(t, source+":"+name)
			if len(got) != 1 {
				t.Fatalf("%s: %d images", name, len(got))
			}
			same(t, got[0], images[at])
		}
		refused(t, source+":third", index.ErrNotFound, `"third"`, `"ghcr.io/acme/bp:1.2"`)
		refused(t, source+":", index.ErrUsage, "DIR[:NAME]")
	}
	nameless := "oci:" + testhelpers.CNB{Images: images}.Layout(t, t.TempDir())
	refused(t, nameless+":third", index.ErrNotFound, `"third"`, "nothing in it has one")
	if got := transport(t, nameless+":"+digest.String()); len(got) != 1 || got[0].Digest != digest {
		t.Errorf("%d images for a digest", len(got))
	}
}

func TestTransports(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{"oci:": "want oci:DIR", "oci::x": "want oci:DIR", "tar:x": `"tar"`, "": "want oci:DIR"} {
		refused(t, ref, index.ErrUsage, want)
	}
	absent := filepath.Join(t.TempDir(), "absent")
	refused(t, "oci:"+absent, index.ErrNotFound, absent, "no such directory")
	refused(t, "oci-archive:"+absent, index.ErrNotFound, absent, "no such file")
	refused(t, "oci:"+writeBytes(t, []byte("x")), index.ErrInvalid, "not a directory")
	refused(t, "oci:"+t.TempDir(), index.ErrInvalid, "not an OCI layout", "neither oci-layout nor index.json")
	refused(t, "oci-archive:"+t.TempDir(), index.ErrInvalid, "a directory")
	// The colon of a drive begins no name.
	refused(t, `oci:C:\no\dir`, index.ErrNotFound, `C:\no\dir`)
	refused(t, `oci:c:/no/dir:name`, index.ErrNotFound, "c:/no/dir: ")
}

func TestBlobsThatLie(t *testing.T) {
	t.Parallel()
	img := linux(t)
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]v1.Hash{"manifest": digest, "config": config} {
		dir := testhelpers.CNB{Images: []v1.Image{img}}.Layout(t, t.TempDir())
		raw, err := os.ReadFile(blobPath(dir, h))
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-2] ^= 1
		if err := os.WriteFile(blobPath(dir, h), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, "oci:"+dir, index.ErrInvalid, name+" "+h.String()+" has content of the digest")
		_, err = layout.Transports{}.Resolve(t.Context(), "oci:"+dir)
		if r, ok := errors.AsType[*index.Rejection](err); !ok || r.Findings[0].Rule != index.DigestMismatch {
			t.Errorf("error %v is not of the rule", err)
		}
		if err := os.WriteFile(blobPath(dir, h), raw[1:], 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, "oci:"+dir, index.ErrInvalid, fmt.Sprintf("has %d bytes, but its descriptor says %d", len(raw)-1, len(raw)))
		if err := os.Remove(blobPath(dir, h)); err != nil {
			t.Fatal(err)
		}
		refused(t, "oci:"+dir, index.ErrInvalid, name+" "+h.String(), "is missing")
	}
}

// Issue 3: a nested index 64 deep.
func TestListsInLists(t *testing.T) {
	t.Parallel()
	content := []string{list()}
	for range 64 {
		content = append(content, list(descriptor(listType, content[len(content)-1])))
	}
	top := content[len(content)-1]
	all := members(top, content...)
	refused(t, "oci:"+unpack(t, all...), index.ErrInvalid, "more than 8 deep")
	refused(t, "oci-archive:"+write(t, all...), index.ErrInvalid, "more than 8 deep")
}

// Links may share content in a layout, but not bring in what is elsewhere.
func TestLinksInALayout(t *testing.T) {
	t.Parallel()
	img := linux(t)
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index.json", "oci-layout", filepath.Join("blobs", "sha256", digest.Hex), "blobs"} {
		dir := testhelpers.CNB{Images: []v1.Image{img}}.Layout(t, t.TempDir())
		inside := filepath.Join(dir, "moved")
		if err := os.Rename(filepath.Join(dir, name), inside); err != nil {
			t.Fatal(err)
		}
		up, err := filepath.Rel(filepath.Dir(filepath.Join(dir, name)), inside)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(up, filepath.Join(dir, name)); err != nil {
			t.Skip("no links here:", err)
		}
		same(t, transport(t, "oci:"+dir)[0], img)
		outside := filepath.Join(t.TempDir(), "outside")
		if err := os.Rename(inside, outside); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		refused(t, "oci:"+dir, index.ErrInvalid, "escapes")
	}
}

func TestFilesOfALayoutThatAreNone(t *testing.T) {
	t.Parallel()
	dir := unpack(t, member("oci-layout", marker), member("index.json/x", ""))
	refused(t, "oci:"+dir, index.ErrInvalid, "index.json", "not a regular file")
	big := unpack(t, members(list()+strings.Repeat(" ", index.MaxManifest))...)
	refused(t, "oci:"+big, index.ErrInvalid, "index.json has", "more than")
}

func TestLayersOfALayoutThatChange(t *testing.T) {
	t.Parallel()
	dir := testhelpers.CNB{Images: []v1.Image{linux(t)}}.Layout(t, t.TempDir())
	layer := transport(t, "oci:"+dir)[0].Layers[0]
	path := blobPath(dir, layer.Digest)
	r, err := layer.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file stays open: %v", err)
	}
	conflict := func() {
		t.Helper()
		if _, err := layer.Open(); !errors.Is(err, index.ErrConflict) || !strings.Contains(err.Error(), dir) {
			t.Errorf("error %v", err)
		}
	}
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	conflict()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	conflict()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := layer.Open(); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}
