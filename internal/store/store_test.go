package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func TestCreateReadChangeDelete(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, "127.0.0.1:5000/acme/bp:1")
	a, b := newImage("a"), newImage("b")

	update(t, d, n, content(a), create(a))
	wantSeeds(t, d, n, "a")
	update(t, d, n, content(b), add(b))
	wantSeeds(t, d, n, "a b")
	wantContent(t, d, n, a, b)
	update(t, d, n, nil, remove(a))
	wantSeeds(t, d, n, "b")
	wantContent(t, d, n, b)
	for _, gone := range a.blobs() {
		_, err := d.Blob(t.Context(), n, gone.Digest)
		wantKind(t, err, index.ErrNotFound, gone.Digest.String())
	}
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
	if err := d.Delete(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	_, err := d.Get(t.Context(), n)
	wantKind(t, err, index.ErrNotFound, `list "127.0.0.1:5000/acme/bp:1"`)
	wantKind(t, d.Delete(t.Context(), n), index.ErrNotFound)
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

func TestOriginsSurviveWithoutTouchingTheList(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t)
	n := mustName(t, "acme/bp")
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	before := get(t, d, n)
	if got := before.Entries()[0].Origin; got != a.entry.Origin {
		t.Errorf("origin %+v, want %+v", got, a.entry.Origin)
	}
	moved := index.Origin{Kind: index.SourceRegistry, Ref: "acme/bp:a", Repository: "index.docker.io/acme/bp", Pin: a.entry.Digest}
	update(t, d, n, nil, func(old *index.Index) (index.Index, error) {
		return old.WithOrigins(func(int, index.Entry) index.Origin { return moved }), nil
	})
	after := get(t, d, n)
	if got := after.Entries()[0].Origin; got != moved {
		t.Errorf("origin %+v, want %+v", got, moved)
	}
	if before.Digest() != after.Digest() {
		t.Errorf("the digest became %s, was %s", after.Digest(), before.Digest())
	}
	wantContent(t, d, n, a)
}

func TestAnUpdateThatChangesNothingWritesNothing(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, "acme/bp")
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	before := stamps(t, root)
	update(t, d, n, content(a), add(a))
	if after := stamps(t, root); !slices.Equal(before, after) {
		t.Errorf("files became\n%s\nwere\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
}

// stamps tells the files of a store and when they changed, but for locks.
func stamps(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"store.json", "v1/*", "v1/*/*", "v1/*/*/*", "v1/*/*/*/*"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			info, err := os.Lstat(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprint(name, info.ModTime().UnixNano()))
		}
	}
	return all
}

func TestAnErrorOfTheEditIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, "acme/bp")
	a := newImage("a")
	mine := errors.New("mine")
	err := d.Update(t.Context(), n, content(a), func(*index.Index) (index.Index, error) { return index.Index{}, mine })
	if err != mine { //nolint:errorlint // it must be this very error
		t.Errorf("error %v, want %v", err, mine)
	}
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
	names, err := d.List(t.Context())
	if err != nil || len(names) > 0 {
		t.Errorf("lists %v (%v), want none", names, err)
	}
}

func TestLayoutIsOCI(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, "ghcr.io/acme/bp:1.2.3")
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	dir := filepath.Join(root, "v1", "ghcr.io+acme+bp~~1.2.3")
	raw, err := os.ReadFile(filepath.Join(dir, "oci-layout"))
	if err != nil || string(raw) != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %q (%v)", raw, err)
	}
	raw, err = os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var head v1.IndexManifest
	if err := json.Unmarshal(raw, &head); err != nil {
		t.Fatal(err)
	}
	list := get(t, d, n)
	if len(head.Manifests) != 1 || head.Manifests[0].Digest != list.Digest() ||
		head.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != n.String() {
		t.Errorf("index.json is %s", raw)
	}
	listRaw, err := list.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	raw, err = os.ReadFile(filepath.Join(dir, "blobs", "sha256", list.Digest().Hex))
	if err != nil || string(raw) != string(listRaw) {
		t.Errorf("the list's blob is %q (%v), want %q", raw, err, listRaw)
	}
}

func TestContentIsChecked(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, "acme/bp")
	a := newImage("a")
	other := []byte("layer of b")
	wrong := index.BytesBlob(index.DigestOf(a.layer), other)
	err := d.Update(t.Context(), n, append(content(a)[:2], wrong), create(a))
	wantKind(t, err, index.ErrInvalid, index.DigestOf(a.layer).String(), index.DigestOf(other).String())
	for name, size := range map[string]int64{"longer": 3, "shorter": 1000} {
		lying := blobOf(a.layer)
		lying.Size = size
		err := d.Update(t.Context(), n, append(content(a)[:2], lying), create(a))
		wantKind(t, err, index.ErrInvalid, lying.Digest.String())
		if err == nil {
			t.Errorf("a blob that is %s than it says was taken", name)
		}
	}
	_, err = d.Get(t.Context(), n)
	wantKind(t, err, index.ErrNotFound)
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

func TestContentThatNobodyNeedsIsNotKept(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, "acme/bp")
	a, b := newImage("a"), newImage("b")
	update(t, d, n, content(a, b), create(a))
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("kept: %q", s)
	}
	wantContent(t, d, n, a)
}

func TestContentMayComeLater(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t)
	n := mustName(t, "acme/bp")
	a, b := newImage("a"), newImage("b")
	update(t, d, n, content(a, b)[:5], create(a, b)) // the layer of b is missing
	update(t, d, n, []index.Blob{blobOf(b.layer)}, add(b))
	wantContent(t, d, n, a, b)
}

func TestContentOfTwoEntriesStaysForOne(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t)
	n := mustName(t, "acme/bp")
	a := newImage("a")
	nested := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		a.entry.MediaType, a.entry.Digest, a.entry.Size)
	outer := image{entry: a.entry}
	outer.entry.MediaType, outer.entry.Digest, outer.entry.Size = "application/vnd.oci.image.index.v1+json", index.DigestOf(nested), int64(len(nested))
	update(t, d, n, append(content(a), blobOf(nested)), create(a, outer))
	update(t, d, n, nil, remove(a))
	wantContent(t, d, n, a)
	update(t, d, n, nil, remove(outer))
	_, err := d.Blob(t.Context(), n, index.DigestOf(a.layer))
	wantKind(t, err, index.ErrNotFound)
}

func TestSHA512Content(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, "acme/bp")
	a := newImage("a")
	layer := []byte("a layer that is named by sha512")
	sum, err := store.DigestAs("sha512", layer)
	if err != nil {
		t.Fatal(err)
	}
	a.manifest = fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		a.entry.MediaType, index.DigestOf(a.config), len(a.config), sum, len(layer))
	a.entry.Digest, a.entry.Size = index.DigestOf(a.manifest), int64(len(a.manifest))
	blobs := []index.Blob{blobOf(a.manifest), blobOf(a.config), index.BytesBlob(sum, layer)}
	update(t, d, n, blobs, create(a))
	b, err := d.Blob(t.Context(), n, sum)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readBlob(b); err != nil || string(got) != string(layer) {
		t.Errorf("layer is %q (%v), want %q", got, err, layer)
	}
	update(t, d, n, nil, remove(a))
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

// What a store remembers of a list that it has read is of no use once somebody
// else has changed the list, or deleted it and made another of its name.
func TestNothingStaleIsChanged(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	others := store.New(store.Options{Root: root})
	n, other := mustName(t, "acme/bp"), mustName(t, "acme/other")
	a, b, c := newImage("a"), newImage("b"), newImage("c")
	update(t, d, n, content(a), create(a))
	update(t, d, other, content(c), create(c))
	wantSeeds(t, d, n, "a")
	update(t, others, n, content(b), add(b))
	update(t, d, n, content(c), add(c))
	wantSeeds(t, others, n, "a b c")
	wantSeeds(t, d, other, "c")
	wantSeeds(t, d, n, "a b c")

	if err := others.Delete(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	update(t, others, n, content(b), create(b))
	update(t, d, n, content(a), add(a))
	wantSeeds(t, d, n, "b a")
}

func TestReadingMakesNothing(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, "acme/bp")
	_, err := d.Get(t.Context(), n)
	wantKind(t, err, index.ErrNotFound)
	_, err = d.Blob(t.Context(), n, index.DigestOf(nil))
	wantKind(t, err, index.ErrNotFound)
	wantKind(t, d.Delete(t.Context(), n), index.ErrNotFound)
	names, err := d.List(t.Context())
	if err != nil || len(names) > 0 {
		t.Errorf("lists %v (%v), want none", names, err)
	}
	if _, err := os.Lstat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the store was made (%v)", err)
	}
}

func TestListIsSortedAndComplete(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t)
	long := "ghcr.io/" + strings.Repeat("a-long-name/", 18) + "bp:" + strings.Repeat("V1.", 40)
	var want []index.Name
	for _, s := range []string{"z/y", "a_b-1", "a/b:1", "acme/bp:V1", "acme/bp:v1", long} {
		n := mustName(t, s)
		a := newImage(s)
		update(t, d, n, content(a), create(a))
		want = append(want, n)
	}
	slices.SortFunc(want, func(a, b index.Name) int { return strings.Compare(a.String(), b.String()) })
	names, err := d.List(t.Context())
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("lists\n%v (%v), want\n%v", names, err, want)
	}
	wantSeeds(t, d, mustName(t, long), long)
}
