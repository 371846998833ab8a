package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.uber.org/goleak"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func TestMain(m *testing.M) {
	if job := os.Getenv("STORE_TEST_CHILD"); job != "" {
		os.Exit(child(job))
	}
	if err := useMemory(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// image is one image: all its content and its entry.
type image struct {
	entry                   index.Entry
	manifest, config, layer []byte
}

// newImage makes an image that no other seed makes.
func newImage(seed string) image {
	img := image{
		config: fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","seed":%q}`, seed),
		layer:  []byte("layer of " + seed),
	}
	part := func(t types.MediaType, raw []byte) v1.Descriptor {
		return v1.Descriptor{MediaType: t, Size: int64(len(raw)), Digest: index.DigestOf(raw)}
	}
	raw, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: part(types.OCIConfigJSON, img.config), Layers: []v1.Descriptor{part(types.OCILayer, img.layer)},
	})
	if err != nil {
		panic(err)
	}
	img.manifest = raw
	img.entry = index.Entry{
		Descriptor: part(types.OCIManifestSchema1, raw),
		Origin:     index.Origin{Kind: index.SourceArchive, Ref: seed + ".cnb", Pin: index.DigestOf(raw)},
	}
	img.entry.Platform = &v1.Platform{OS: "linux", Architecture: "amd64", OSVersion: seed}
	return img
}

func blobOf(raw []byte) index.Blob { return index.BytesBlob(index.DigestOf(raw), raw) }

func (img image) blobs() []index.Blob {
	return []index.Blob{blobOf(img.manifest), blobOf(img.config), blobOf(img.layer)}
}

func mustName(tb testing.TB, s string) index.Name {
	tb.Helper()
	n, err := index.ParseName(s)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

type edit = func(old *index.Index) (index.Index, error)

// create makes a list of images where there is none.
func create(images ...image) edit {
	return func(old *index.Index) (index.Index, error) {
		if old != nil {
			return index.Index{}, index.ErrExists
		}
		return apply(index.New(index.OCI), adding(images...))
	}
}

func add(images ...image) edit {
	return func(old *index.Index) (index.Index, error) {
		if old == nil {
			return index.Index{}, index.ErrNotFound
		}
		return apply(*old, adding(images...))
	}
}

func remove(images ...image) edit {
	return func(old *index.Index) (index.Index, error) {
		if old == nil {
			return index.Index{}, index.ErrNotFound
		}
		ix := *old
		for _, img := range images {
			var err error
			if ix, err = apply(ix, index.Remove(index.ByDigest(img.entry.Digest))); err != nil {
				return index.Index{}, err
			}
		}
		return ix, nil
	}
}

func adding(images ...image) index.Edit {
	var entries []index.Entry
	for _, img := range images {
		entries = append(entries, img.entry)
	}
	return index.Add(entries...)
}

func apply(ix index.Index, edits ...index.Edit) (index.Index, error) {
	ix, _, err := ix.Apply(edits...)
	return ix, err
}

func content(images ...image) []index.Blob {
	var blobs []index.Blob
	for _, img := range images {
		blobs = append(blobs, img.blobs()...)
	}
	return blobs
}

// seeds tells which images a list has, by their origins.
func seeds(ix index.Index) string {
	var all []string
	for _, e := range ix.Entries() {
		all = append(all, strings.TrimSuffix(e.Origin.Ref, ".cnb"))
	}
	return strings.Join(all, " ")
}

func newDir(tb testing.TB) (*store.Dir, string) {
	tb.Helper()
	root := filepath.Join(tb.TempDir(), "manifests")
	return store.New(store.Options{Root: root, Command: "test"}), root
}

func update(tb testing.TB, d *store.Dir, n index.Name, blobs []index.Blob, e edit) {
	tb.Helper()
	if err := d.Update(tb.Context(), n, blobs, e); err != nil {
		tb.Fatal(err)
	}
}

func get(tb testing.TB, d *store.Dir, n index.Name) index.Index {
	tb.Helper()
	ix, err := d.Get(tb.Context(), n)
	if err != nil {
		tb.Fatal(err)
	}
	return ix
}

func wantSeeds(tb testing.TB, d *store.Dir, n index.Name, want string) {
	tb.Helper()
	if got := seeds(get(tb, d, n)); got != want {
		tb.Errorf("%s has %q, want %q", n, got, want)
	}
}

func wantKind(tb testing.TB, err, kind error, texts ...string) {
	tb.Helper()
	if !errors.Is(err, kind) {
		tb.Errorf("error %v, want one of the kind %v", err, kind)
		return
	}
	wantText(tb, err, texts...)
}

func wantText(tb testing.TB, err error, texts ...string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("no error, want one with %q", texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			tb.Errorf("error %q, want %q in it", err, text)
		}
	}
}

func isNotFound(err error) bool { return errors.Is(err, index.ErrNotFound) }

func readBlob(b index.Blob) ([]byte, error) {
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(r)
	return raw, errors.Join(err, r.Close())
}

// wantContent reads all content of images from the store.
func wantContent(tb testing.TB, d *store.Dir, n index.Name, images ...image) {
	tb.Helper()
	for _, want := range content(images...) {
		b, err := d.Blob(tb.Context(), n, want.Digest)
		if err != nil {
			tb.Fatal(err)
		}
		got, err := readBlob(b)
		if err != nil {
			tb.Fatal(err)
		}
		expect, err := readBlob(want)
		if err != nil || !bytes.Equal(got, expect) {
			tb.Errorf("content %s is %q, want %q (%v)", want.Digest, got, expect, err)
		}
	}
}

// strays returns the files of a store that no list and no marker needs.
func strays(tb testing.TB, root string) []string {
	tb.Helper()
	var all []string
	temps, err := filepath.Glob(filepath.Join(root, "tmp", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	all = append(all, temps...)
	lists, err := filepath.Glob(filepath.Join(root, "v1", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, list := range lists {
		all = append(all, straysOf(tb, list)...)
	}
	return all
}

func straysOf(tb testing.TB, list string) []string {
	tb.Helper()
	var all []string
	needed := neededBlobs(tb, list)
	err := filepath.WalkDir(list, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(list, path)
		if err != nil {
			return err
		}
		if !slices.Contains([]string{"oci-layout", "index.json", "name"}, rel) && !needed[filepath.Base(rel)] {
			all = append(all, path)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// neededBlobs works out which blobs a layout needs, by reading everything.
func neededBlobs(tb testing.TB, list string) map[string]bool {
	tb.Helper()
	needed := map[string]bool{}
	var visit func(d v1.Descriptor)
	visit = func(d v1.Descriptor) {
		needed[d.Digest.Hex] = true
		raw, err := os.ReadFile(filepath.Join(list, "blobs", d.Digest.Algorithm, d.Digest.Hex))
		if err != nil {
			return
		}
		var doc struct {
			Config            v1.Descriptor
			Layers, Manifests []v1.Descriptor
		}
		if d.MediaType.IsImage() || d.MediaType.IsIndex() {
			if err := json.Unmarshal(raw, &doc); err != nil {
				tb.Fatal(err)
			}
			visit(doc.Config)
			for _, d := range append(doc.Layers, doc.Manifests...) {
				visit(d)
			}
		}
	}
	raw, err := os.ReadFile(filepath.Join(list, "index.json"))
	if err != nil {
		return needed
	}
	var head v1.IndexManifest
	if err := json.Unmarshal(raw, &head); err != nil {
		tb.Fatal(err)
	}
	for _, d := range head.Manifests {
		visit(d)
		for _, value := range d.Annotations {
			if h, err := v1.NewHash(value); err == nil {
				needed[h.Hex] = true
			}
		}
	}
	return needed
}
