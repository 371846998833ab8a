package index_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// full is an entry with something in every field that holds memory.
func full(n int) index.Entry {
	e := annotated(from(image(n, index.OCI, "windows/amd64"), "ghcr.io/acme/bp:1", "ghcr.io/acme/bp"), map[string]string{"k": "v"})
	e.Platform.OSFeatures = []string{"b", "a"}
	e.Platform.Features = []string{"d", "c"}
	e.URLs = []string{"https://example.com"}
	e.Data = []byte("data")
	return e
}

// spoil writes to all memory that an entry can share.
func spoil(entries ...index.Entry) {
	for _, e := range entries {
		e.Platform.OS = "spoilt"
		e.Platform.OSFeatures[0], e.Platform.Features[0], e.URLs[0], e.Data[0] = "spoilt", "spoilt", "spoilt", '!'
		e.Annotations["k"] = "spoilt"
	}
}

// All edits or none: the one that fails takes the others with it.
func TestApplyIsAllOrNothing(t *testing.T) {
	t.Parallel()
	before := list(t, index.OCI, image(1, index.OCI, "linux/amd64"))
	after, diff, err := before.Apply(
		index.Add(image(2, index.OCI, "linux/arm64")),
		index.AnnotateIndex(map[string]string{"a": "1"}),
		index.Remove(index.ByDigest(digest(1))),
		index.Remove(index.ByDigest(digest(7))),
		index.Convert(index.V2S2),
	)
	wantFault(t, err, index.ErrNotFound, digest(7).String())
	if raw(t, after) != raw(t, before) || !reflect.DeepEqual(diff, index.Diff{}) {
		t.Errorf("a part was carried out: %s, %+v", raw(t, after), diff)
	}
}

// Whatever callers do to what they gave or got, the list stays as it is.
func TestListsShareNoMemory(t *testing.T) {
	t.Parallel()
	given := full(1)
	annotations := map[string]string{"k": "v"}
	patch := []string{"z", "a"}
	before := list(t, index.OCI, full(2))
	old := raw(t, before)
	middle, diff := apply(t, before, index.Add(given), index.AnnotateIndex(annotations),
		index.SetPlatform(index.ByDigest(digest(2)), index.PlatformPatch{OSFeatures: &patch}),
		index.Annotate(index.ByDigest(digest(1)), map[string]string{"l": "m"}))
	after, kept := apply(t, middle, index.Add(full(1)))
	want := raw(t, after)
	if len(diff.Added) != 1 || len(diff.Changed) != 2 || len(kept.Kept) != 1 {
		t.Fatalf("changed %+v and %+v", diff, kept)
	}
	if !slices.Equal(patch, []string{"z", "a"}) {
		t.Errorf("the features given were sorted: %v", patch)
	}

	patch[0] = "spoilt"
	annotations["k"] = "spoilt"
	after.Annotations()["k"] = "spoilt"
	spoil(given)
	spoil(before.Entries()...)
	spoil(after.Entries()...)
	spoil(after.Select(index.ByDigest(digest(1)))...)
	spoil(diff.Added...)
	spoil(kept.Kept...)
	for _, c := range diff.Changed {
		spoil(c.Before, c.After)
	}
	for _, f := range after.Check(index.KnownPlatforms, index.OneFamily, index.PlatformPresent(nil)) {
		spoil(f.Entry)
	}
	bytes, err := after.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	bytes[0] = '!'
	after.WithOrigins(func(_ int, e index.Entry) index.Origin { spoil(e); return index.Origin{} })

	// An edit writes the list anew, from what it has in memory.
	for what, c := range map[string]struct {
		ix   index.Index
		want string
	}{"receiver": {before, old}, "result": {middle, want}, "next result": {after, want}} {
		if raw(t, c.ix) != c.want {
			t.Errorf("the bytes of the %s changed", what)
		}
		again, _ := apply(t, c.ix, index.AnnotateIndex(map[string]string{"x": "y"}))
		undone := parse(t, c.want)
		undone, _ = apply(t, undone, index.AnnotateIndex(map[string]string{"x": "y"}))
		if raw(t, again) != raw(t, undone) {
			t.Errorf("the memory of the %s changed: %s", what, raw(t, again))
		}
	}
}

func TestListsShareNoMemoryWithParsedBytes(t *testing.T) {
	t.Parallel()
	doc := []byte(extended())
	ix, err := index.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	for i := range doc {
		doc[i] = ' '
	}
	if raw(t, ix) != extended() {
		t.Error("the bytes are the caller's")
	}
	after, _ := apply(t, ix, index.AnnotateIndex(map[string]string{"a": "2"}))
	after, _ = apply(t, after, index.AnnotateIndex(map[string]string{"a": "1"}))
	if raw(t, after) != extended() {
		t.Error("the members are the caller's")
	}
	subject, ok := ix.Subject()
	if subject.URLs[0] = "spoilt"; !ok || subject.Digest != digest(9) {
		t.Errorf("the subject is %+v", subject)
	}
	if again, ok := ix.Subject(); !ok || again.URLs[0] != "https://example.com" {
		t.Error("the subject is the caller's")
	}
}

// An earlier list of a chain of edits stays as it is, too.
func TestApplyBranches(t *testing.T) {
	t.Parallel()
	root := list(t, index.OCI, image(1, index.OCI, "linux/amd64"), image(2, index.OCI, "linux/arm64"))
	a, _ := apply(t, root, index.Add(image(3, index.OCI, "linux/s390x")))
	b, _ := apply(t, root, index.Add(image(4, index.OCI, "linux/ppc64le")))
	c, _ := apply(t, a, index.Remove(index.ByDigest(digest(1))))
	for want, ix := range map[string]index.Index{
		"linux/amd64 linux/arm64":               root,
		"linux/amd64 linux/arm64 linux/s390x":   a,
		"linux/amd64 linux/arm64 linux/ppc64le": b,
		"linux/arm64 linux/s390x":               c,
	} {
		if got := summary(ix.Entries()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestDiffTellsWhatChanged(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, image(1, index.OCI, "linux/amd64"), image(2, index.OCI, "linux/arm64"), image(3, index.OCI, "linux/s390x"))
	_, diff := apply(t, ix,
		index.Add(image(1, index.OCI, "linux/amd64"), image(4, index.OCI, "linux/ppc64le")),
		index.Annotate(index.ByDigest(digest(2)), map[string]string{"a": "1"}),
		index.Remove(index.ByDigest(digest(3))),
		index.AnnotateIndex(map[string]string{"a": "1"}))
	if !slices.Equal(digests(diff.Added), []v1.Hash{digest(4)}) || !slices.Equal(digests(diff.Removed), []v1.Hash{digest(3)}) ||
		!slices.Equal(digests(diff.Kept), []v1.Hash{digest(1)}) || !diff.Index || diff.IsZero() {
		t.Errorf("diff is %+v", diff)
	}
	if len(diff.Changed) != 1 || len(diff.Changed[0].Before.Annotations) != 0 ||
		!maps.Equal(diff.Changed[0].After.Annotations, map[string]string{"a": "1"}) {
		t.Errorf("changes are %+v", diff.Changed)
	}
	for name, d := range map[string]index.Diff{
		"added": {Added: diff.Added}, "removed": {Removed: diff.Removed}, "changed": {Changed: diff.Changed}, "index": {Index: true},
	} {
		if d.IsZero() {
			t.Errorf("a diff with something %s is zero", name)
		}
	}
	if kept := (index.Diff{Kept: diff.Kept}); !kept.IsZero() {
		t.Error("a diff of what was kept is not zero")
	}
}

// The zero value is an empty list that can be edited.
func TestZeroIndex(t *testing.T) {
	t.Parallel()
	var zero index.Index
	if zero.Len() != 0 || zero.Format() != index.V2S2 || zero.Annotations() != nil || raw(t, zero) != raw(t, index.New(index.V2S2)) {
		t.Errorf("the zero value is %s", raw(t, zero))
	}
	if zero.Digest() != index.DigestOf([]byte(raw(t, zero))) {
		t.Error("its digest is not that of its bytes")
	}
	same, diff := apply(t, zero)
	if !diff.IsZero() || raw(t, same) != raw(t, zero) || same.Digest() != zero.Digest() {
		t.Error("no edit changed it")
	}
}
