package client_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// save saves into a folder of its own and returns the path.
func (l *lab) save(ref, file string) (string, error) {
	l.t.Helper()
	path := filepath.Join(l.t.TempDir(), file)
	result, err := l.Save(l.t.Context(), client.SaveRequest{Reference: l.at(ref), Path: path})
	if err != nil {
		if left, dirErr := os.ReadDir(filepath.Dir(path)); dirErr != nil || len(left) > 0 {
			l.t.Errorf("left behind: %v, %v", left, dirErr)
		}
		return path, err
	}
	if result.Path != path || result.Blobs == 0 || result.Bytes == 0 || !strings.HasPrefix(result.Reference, l.reg.Host+"/acme/") {
		l.t.Errorf("result %+v", result)
	}
	return path, nil
}

func (l *lab) mustSave(ref, file string) string {
	l.t.Helper()
	path, err := l.save(ref, file)
	if err != nil {
		l.t.Fatal(err)
	}
	return path
}

// mixed keeps a list of images of a registry and a file.
func mixed(t *testing.T, format index.Format, words ...string) (*lab, client.ListResult) {
	t.Helper()
	l := newLab(t)
	l.image("acme/arm:1", "linux/arm64", words...)
	l.reg.Push(t, "acme/amd:1", testhelpers.Buildpackage(t, testhelpers.PackageSpec{
		Platform: v1.Platform{OS: "linux", Architecture: "amd64"}, OCI: slices.Contains(words, "oci"), Seed: 5,
	}))
	cnb := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "win.cnb"), pack(t, "windows/amd64", words...))
	result, err := l.Create(t.Context(), client.CreateRequest{
		Name: l.at("acme/bp:1"), Format: format, Sources: []string{l.at("acme/arm:1"), l.at("acme/amd:1"), cnb},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(cnb); err != nil {
		t.Fatal(err)
	}
	return l, result
}

// What is saved is read back to the same list, and needs no registry for it.
func TestSavedListsKeepTheirDigest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format index.Format
		words  []string
	}{{index.V2S2, nil}, {index.OCI, []string{"oci"}}} {
		l, list := mixed(t, c.format, c.words...)
		for _, source := range []string{"oci-archive:" + l.mustSave("acme/bp:1", "bp.tar"), "oci:" + l.mustSave("acme/bp:1", "bp")} {
			other := newLab(t)
			again, err := other.Create(t.Context(), client.CreateRequest{
				Name: "acme/again", Format: c.format, Sources: []string{source}, Selection: client.Selection{PreserveDigests: true},
			})
			if err != nil {
				t.Fatal(err)
			}
			if again.Index.Digest() != list.Index.Digest() {
				t.Errorf("%s: the digest is %s, and was %s", source, again.Index.Digest(), list.Index.Digest())
			}
			found, err := layout.Transports{}.Resolve(t.Context(), source+":"+l.at("acme/bp:1"))
			if err != nil {
				t.Fatal(err)
			}
			if len(found) != 1 || found[0].Digest != list.Index.Digest() {
				t.Errorf("index.json refers to %d documents, the first %s", len(found), found[0].Digest)
			}
			checked, err := other.Validate(t.Context(), client.ValidateRequest{References: []string{source}})
			if err != nil || checked.Index.Digest() != list.Index.Digest() {
				t.Errorf("validate sees %s (%v)", checked.Index.Digest(), err)
			}
		}
	}
}

func TestSavedFilesAreReproducible(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"bp.tar", "bp.cnb"} {
		l, _ := mixed(t, index.OCI, "oci")
		first, err := os.ReadFile(l.mustSave("acme/bp:1", file))
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(l.mustSave("acme/bp:1", file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s differs between two runs", file)
		}
	}
}

// Upstream pack takes the first image of a file.
func TestSavedPackages(t *testing.T) {
	t.Parallel()
	l, list := mixed(t, index.V2S2)
	flat := indexOf(t, l.mustSave("acme/bp:1", "bp.cnb"))
	var seen []string
	for _, e := range flat.Entries() {
		seen = append(seen, e.PlatformString()+" "+e.Digest.String())
	}
	was := list.Index.Entries()
	wantEqual(t, "images", seen, []string{
		"linux/amd64 " + was[1].Digest.String(), "linux/arm64 " + was[0].Digest.String(), "windows/amd64 " + was[2].Digest.String(),
	})
	if got := flat.Annotations()[index.ListAnnotation]; got != list.Index.Digest().String() {
		t.Errorf("the list is said to be %q", got)
	}
}

// indexOf reads the index.json of an archive.
func indexOf(t *testing.T, path string) index.Index {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Name != "index.json" {
			continue
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		ix, err := index.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return ix
	}
}

// What no list here is called is saved from the registry, an image too.
func TestSaveFromARegistry(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	digest := l.reg.PushIndex(t, "acme/bp:1", testhelpers.Attested(t, pack(t, "linux/amd64", "oci"), pack(t, "linux/arm64", "oci")))
	found, err := layout.Transports{}.Resolve(t.Context(), "oci:"+l.mustSave("acme/bp:1", "bp"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Digest != digest || len(found[0].Children) != 4 {
		t.Errorf("%d documents, the first %s with %d entries, want %s", len(found), found[0].Digest, len(found[0].Children), digest)
	}
	image := l.image("acme/one:1", "linux/amd64")
	for _, ref := range []string{"acme/one:1", "acme/one@" + image.String()} {
		found, err = layout.Archives{}.Resolve(t.Context(), l.mustSave(ref, "one.tar"))
		if err != nil || found[0].Digest != image {
			t.Errorf("%v, %v", found, err)
		}
	}
	_, err = l.save("acme/absent:1", "x.tar")
	wantKind(t, err, index.ErrNotFound, l.at("acme/absent:1"))
}

// Of a list that upstream pack left only the descriptors are there.
func TestSaveUpstreamsList(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	amd := pack(t, "linux/amd64", "oci")
	l.theirs(strings.NewReplacer(":", "-", "/", "_").Replace(l.at("acme/bp:1")), string(index.OCI.IndexType()), described(t, amd))
	_, err := l.save("acme/bp:1", "bp.tar")
	wantKind(t, err, index.ErrNotFound, described(t, amd).Digest.String())
	l.reg.Push(t, "acme/bp:amd", amd)
	found, err := layout.Archives{}.Resolve(t.Context(), l.mustSave("acme/bp:1", "bp.cnb"))
	if images := index.Flatten(found); err != nil || len(images) != 1 || images[0].Digest != described(t, amd).Digest {
		t.Errorf("%d images, %v", len(images), err)
	}
}

func TestSaveRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	l, list := mixed(t, index.OCI, "oci")
	_, layers := blobsOf(t, pack(t, "linux/arm64", "oci"))
	l.reg.Inject(testhelpers.Fault{Method: "GET", Match: "/blobs/" + layers[0].String(), Do: testhelpers.Corrupt(0), Times: 1})
	_, err := l.save("acme/bp:1", "bp.tar")
	wantKind(t, err, index.ErrInvalid, l.at("acme/arm"), layers[0].String())
	l.forget("acme/arm", "blobs", layers[0])
	_, err = l.save("acme/bp:1", "bp")
	wantKind(t, err, index.ErrNotFound, l.at("acme/arm"), layers[0].String())
	for path, want := range map[string]string{"": "no destination", "x.tar.gz": "x.tar.gz", "x.TGZ": "x.TGZ"} {
		_, err := l.Save(t.Context(), client.SaveRequest{Reference: l.at("acme/bp:1"), Path: path})
		wantKind(t, err, index.ErrUsage, want)
	}
	_, err = l.Save(t.Context(), client.SaveRequest{Reference: "user:secret@" + l.at("acme/bp:1"), Path: "x"})
	wantKind(t, err, index.ErrUsage, "credentials")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("it repeats the password: %v", err)
	}
	var entries []string
	for _, e := range list.Index.Entries() {
		entries = append(entries, e.Digest.String())
	}
	if _, err := l.RemoveEntries(t.Context(), client.RemoveEntriesRequest{Name: l.at("acme/bp:1"), Entries: entries}); err != nil {
		t.Fatal(err)
	}
	_, err = l.save("acme/bp:1", "bp.tar")
	wantKind(t, err, index.ErrInvalid, "it has no image")
}

// Layers with URLs are elsewhere: they are neither asked for nor lost.
func TestForeignLayersStayWhereTheyAre(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	foreign, err := mutate.Append(pack(t, "windows/amd64"), mutate.Addendum{
		Layer: static.NewLayer([]byte("base"), types.DockerForeignLayer), MediaType: types.DockerForeignLayer, URLs: []string{"https://example.com/base"},
	})
	if err != nil {
		t.Fatal(err)
	}
	digest := l.reg.Push(t, "acme/bp:win", foreign)
	_, layers := blobsOf(t, foreign)
	last := layers[len(layers)-1]
	l.reg.Reset()
	found, err := layout.Archives{}.Resolve(t.Context(), l.mustSave("acme/bp:win", "win.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if found[0].Digest != digest || !bytes.Contains(found[0].Raw, []byte("https://example.com/base")) || len(found[0].Layers) != len(layers)-1 {
		t.Errorf("%s with %d layers", found[0].Raw, len(found[0].Layers))
	}
	for _, r := range l.reg.Requests() {
		if strings.Contains(r.Path, last.String()) {
			t.Errorf("it was asked for: %s %s", r.Method, r.Path)
		}
	}
}

// Issue 3: a layout whose layer is not what its digest says is neither kept nor
// published.
func TestLayersOfALayoutThatLie(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	img := pack(t, "linux/amd64")
	dir := testhelpers.CNB{Images: []v1.Image{img}}.Layout(t, t.TempDir())
	_, layers := blobsOf(t, img)
	path := filepath.Join(dir, "blobs", "sha256", layers[0].Hex)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[0] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, publish := range []bool{false, true} {
		_, err := l.Create(t.Context(), client.CreateRequest{
			Name: l.at("acme/bp:1"), Sources: []string{"oci:" + dir}, Publish: publish,
		})
		wantKind(t, err, index.ErrInvalid, layers[0].String())
	}
	if _, _, ok := l.reg.Manifest("acme/bp", "1"); ok || len(l.names()) > 0 {
		t.Error("it was published or kept")
	}
}
