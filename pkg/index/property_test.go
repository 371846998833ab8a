package index_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// world makes random lists and edits, the same ones for each seed.
type world struct{ *rand.Rand }

// worlds runs a property for many seeds.
func worlds(t *testing.T, property func(t *testing.T, w world)) {
	t.Helper()
	for seed := range uint64(300) {
		property(t, world{rand.New(rand.NewPCG(seed, 1))})
		if t.Failed() {
			t.Fatalf("with the seed %d", seed)
		}
	}
}

func pick[T any](w world, from ...T) T { return from[w.IntN(len(from))] }

func (w world) platform() *v1.Platform {
	if w.IntN(6) == 0 {
		return nil
	}
	p := &v1.Platform{
		OS: pick(w, "linux", "windows", "Linux", "lunix", ""), Architecture: pick(w, "amd64", "arm64", "x86_64", "arm", "armhf", "odd", ""),
		Variant: pick(w, "", "", "v7", "8", "v8"), OSVersion: pick(w, "", "", "10.0.17763.1"),
	}
	for range w.IntN(3) {
		p.OSFeatures = append(p.OSFeatures, pick(w, "b", "a"))
	}
	return p
}

func (w world) annotations() map[string]string {
	m := map[string]string{}
	for range w.IntN(8) {
		m[fmt.Sprint("k", w.IntN(20))] = pick(w, "", "v", "\u2028\"")
	}
	return m
}

// entry returns an entry that both formats can hold.
func (w world) entry() index.Entry {
	e := image(w.IntN(1000), pick(w, index.OCI, index.V2S2), "")
	e.Platform = w.platform()
	if w.IntN(4) == 0 {
		e.URLs = []string{"https://example.com"}
	}
	return e
}

func (w world) list(tb testing.TB, f index.Format) index.Index {
	tb.Helper()
	ix := index.New(f)
	for range w.IntN(12) {
		e := w.entry()
		if f == index.OCI {
			e.Annotations = w.annotations()
			e.ArtifactType = pick(w, "", "application/vnd.example")
		}
		ix, _ = apply(tb, ix, index.Add(e))
		if f == index.OCI && w.IntN(3) == 0 {
			ix, _ = apply(tb, ix, index.Add(attestation(2000+w.IntN(1000), e.Digest)))
		}
	}
	if f == index.OCI {
		ix, _ = apply(tb, ix, index.AnnotateIndex(w.annotations()))
	}
	// Half of the lists have been written and read.
	if w.IntN(2) == 0 {
		return parse(tb, raw(tb, ix))
	}
	return ix
}

func (w world) patch() index.PlatformPatch {
	var p index.PlatformPatch
	for _, field := range []struct {
		set    **string
		values []string
	}{
		{&p.OS, []string{"linux", "macOS", "Windows", ""}},
		{&p.Architecture, []string{"amd64", "x86_64", "arm64v8", "armhf", "ARM32V6", "i386", ""}},
		{&p.Variant, []string{"7", "v8", "", "9.0"}},
		{&p.OSVersion, []string{"", "10.0"}},
	} {
		if w.IntN(2) == 0 {
			*field.set = new(pick(w, field.values...))
		}
	}
	if w.IntN(3) == 0 {
		p.OSFeatures = new(pick(w, []string{"b", "a"}, nil, []string{"a"}))
	}
	return p
}

// What was added and removed again was never there.
func TestPropertyAddThenRemove(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		t.Helper()
		before := w.list(t, index.OCI)
		var fresh []index.Entry
		var removals []index.Edit
		for n := range 1 + w.IntN(3) {
			e := w.entry()
			e.Digest = digest(5000 + n)
			fresh = append(fresh, e, attestation(6000+n, e.Digest))
			removals = append(removals, index.Remove(index.ByDigest(e.Digest)))
		}
		w.Shuffle(len(removals), func(i, j int) { removals[i], removals[j] = removals[j], removals[i] })
		added, _ := apply(t, before, index.Add(fresh...))
		after, diff := apply(t, added, removals...)
		if !same(before, after) || raw(t, before) != raw(t, after) || len(diff.Removed) != len(fresh) {
			t.Errorf("before\n%s\nafter\n%s", raw(t, before), raw(t, after))
		}
	})
}

// Setting a platform again changes nothing, and nothing else ever changes.
func TestPropertySetPlatformIsIdempotent(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		t.Helper()
		e := w.entry()
		e.Digest = digest(5000)
		before, _ := apply(t, w.list(t, index.OCI), index.Add(e))
		edit := index.SetPlatform(index.ByDigest(e.Digest), w.patch())
		once, first := apply(t, before, edit)
		twice, second := apply(t, once, edit)
		if !second.IsZero() || raw(t, once) != raw(t, twice) {
			t.Errorf("the second time changes %+v", second)
		}
		if first.IsZero() != (raw(t, before) == raw(t, once)) || len(first.Added)+len(first.Removed) > 0 {
			t.Errorf("the first time changes %+v", first)
		}
		last := once.Len() - 1
		if !slices.Equal(digests(before.Entries()), digests(once.Entries())) {
			t.Error("entries moved")
		}
		for i, kept := range before.Entries()[:last] {
			if now := once.Entries()[i]; now.PlatformString() != kept.PlatformString() {
				t.Errorf("entry %d became %+v", i, now)
			}
		}
	})
}

// The way to the other format and back gives the same bytes.
func TestPropertyConvertThereAndBack(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		t.Helper()
		v2s2 := w.list(t, index.V2S2)
		oci, diff := apply(t, v2s2, index.Convert(index.OCI))
		if back, _ := apply(t, oci, index.Convert(index.V2S2)); raw(t, back) != raw(t, v2s2) || !diff.Index {
			t.Errorf("v2s2\n%s\nbecame\n%s", raw(t, v2s2), raw(t, back))
		}
		there, _ := apply(t, oci, index.Convert(index.V2S2))
		if back, _ := apply(t, there, index.Convert(index.OCI)); raw(t, back) != raw(t, oci) {
			t.Errorf("oci\n%s\nbecame\n%s", raw(t, oci), raw(t, back))
		}
	})
}

// The same inputs give the same bytes and errors, however maps are walked.
func TestPropertyDeterminism(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		t.Helper()
		seed := w.Uint64()
		again := func() (string, string) {
			w := world{rand.New(rand.NewPCG(seed, 2))}
			ix, _ := apply(t, w.list(t, index.OCI), index.Add(w.entry(), w.entry()), index.Replace(w.entry(), w.entry()))
			_, _, err := ix.Apply(index.Convert(index.V2S2))
			found, jsonErr := json.Marshal(ix.Check(index.UniquePlatforms, index.KnownPlatforms, index.PlatformPresent(nil)))
			return raw(t, ix), fmt.Sprint(err, jsonErr, string(found))
		}
		doc, fault := again()
		for range 5 {
			if d, f := again(); d != doc || f != fault {
				t.Errorf("one time\n%s\n%s\nanother\n%s\n%s", doc, fault, d, f)
			}
		}
	})
}

// Replacing leaves one image of each platform that was given, and every other
// entry where it was.
func TestPropertyReplace(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		t.Helper()
		before := w.list(t, index.OCI)
		e := w.entry()
		e.Platform = &v1.Platform{OS: "linux", Architecture: pick(w, "amd64", "arm64", "arm", "s390x")}
		of := func(o index.Entry) bool {
			return !o.IsAttestation() && o.Platform != nil && index.SamePlatform(*o.Platform, *e.Platform)
		}
		after, diff := apply(t, before, index.Replace(e))
		var theirs, others, left []v1.Hash
		for _, o := range before.Entries() {
			if !of(o) && !o.IsAttestation() {
				others = append(others, o.Digest)
			}
		}
		for _, o := range after.Entries() {
			switch {
			case of(o):
				theirs = append(theirs, o.Digest)
			case !o.IsAttestation():
				left = append(left, o.Digest)
			}
		}
		if !slices.Equal(theirs, []v1.Hash{e.Digest}) || !slices.Equal(others, left) {
			t.Errorf("of the platform are %v, others %v and were %v; diff %+v", theirs, left, others, diff)
		}
		for _, o := range after.Entries() {
			if attested, ok := o.Attests(); ok && !slices.Contains(digests(after.Entries()), attested) {
				t.Errorf("%s attests %s, which is not there", o.Digest, attested)
			}
		}
	})
}

// A failing edit at any place among others leaves nothing of them.
func TestPropertyAllOrNothing(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, w world) {
		t.Helper()
		before := w.list(t, index.OCI)
		edits := []index.Edit{
			index.Add(w.entry(), w.entry()), index.Replace(w.entry()), index.AnnotateIndex(w.annotations()),
			index.Remove(index.ByDigest(digest(9999))), // fails
		}
		if before.Len() > 0 {
			e := pick(w, before.Entries()...)
			edits = append(edits, index.Annotate(index.ByDigest(e.Digest), w.annotations()), index.SetPlatform(index.ByDigest(e.Digest), w.patch()))
		}
		w.Shuffle(len(edits), func(i, j int) { edits[i], edits[j] = edits[j], edits[i] })
		doc := raw(t, before)
		after, diff, err := before.Apply(edits...)
		if err == nil || !diff.IsZero() || raw(t, after) != doc || raw(t, before) != doc || !same(before, parse(t, doc)) {
			t.Errorf("a part was carried out, %v: %+v\n%s", err, diff, raw(t, after))
		}
	})
}
