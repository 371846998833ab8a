package index_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// B1 and upstream's issue 2679: an edit of an entry leaves the list's own media
// type alone. B2: so do additions and removals, in both formats, whatever the
// format of the entry.
func TestEditsKeepTheFormat(t *testing.T) {
	t.Parallel()
	for _, f := range []index.Format{index.V2S2, index.OCI} {
		for _, child := range []index.Format{index.V2S2, index.OCI} {
			ix := list(t, f, image(1, child, "linux/amd64"), image(2, child, "linux/arm64"))
			one := index.ByDigest(digest(1))
			edits := map[string]index.Edit{
				"set platform": index.SetPlatform(one, index.PlatformPatch{Architecture: new("386")}),
				"add":          index.Add(image(3, child, "linux/s390x")),
				"replace":      index.Replace(image(3, child, "linux/amd64")),
				"remove":       index.Remove(one),
			}
			if f == index.OCI {
				edits["annotate"] = index.Annotate(one, map[string]string{"k": "v"})
				edits["annotate the list"] = index.AnnotateIndex(map[string]string{"k": "v"})
			}
			for name, edit := range edits {
				after, diff := apply(t, ix, edit)
				if diff.IsZero() || after.Format() != f || parse(t, raw(t, after)).Format() != f {
					t.Errorf("%s of %s in %s: the list is in %s, diff %+v", name, child, f, after.Format(), diff)
				}
				if mediaType, err := after.MediaType(); err != nil || mediaType != f.IndexType() {
					t.Errorf("%s of %s in %s: media type %s, %v", name, child, f, mediaType, err)
				}
				for _, e := range after.Entries() {
					if e.MediaType != child.ImageType() {
						t.Errorf("%s of %s in %s: an entry became %s", name, child, f, e.MediaType)
					}
				}
			}
		}
	}
}

// Order is meaning: the first entry that matches is used.
func TestEditsKeepTheOrder(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, image(3, index.OCI, "linux/s390x"), image(1, index.OCI, "linux/arm64"), image(2, index.OCI, "linux/amd64"))
	middle := index.ByDigest(digest(1))
	for name, c := range map[string]struct {
		edit index.Edit
		want []int
	}{
		"annotate":     {index.Annotate(middle, map[string]string{"k": "v"}), []int{3, 1, 2}},
		"set platform": {index.SetPlatform(middle, index.PlatformPatch{Variant: new("v9")}), []int{3, 1, 2}},
		"add":          {index.Add(image(0, index.OCI, "aix/ppc64")), []int{3, 1, 2, 0}},
		"add again":    {index.Add(annotated(image(1, index.OCI, "linux/arm64"), map[string]string{"k": "v"})), []int{3, 1, 2}},
		"replace":      {index.Replace(image(0, index.OCI, "linux/arm64")), []int{3, 0, 2}},
		"remove":       {index.Remove(middle), []int{3, 2}},
		"index":        {index.AnnotateIndex(map[string]string{"k": "v"}), []int{3, 1, 2}},
	} {
		var want []v1.Hash
		for _, n := range c.want {
			want = append(want, digest(n))
		}
		after, _ := apply(t, ix, c.edit)
		if got := digests(after.Entries()); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
		if got := digests(parse(t, raw(t, after)).Entries()); !slices.Equal(got, want) {
			t.Errorf("%s: wrote %v, want %v", name, got, want)
		}
	}
}

// B5: one image given twice is one entry.
func TestAddMergesTheSame(t *testing.T) {
	t.Parallel()
	ix, diff := apply(t, index.New(index.OCI), index.Add(image(1, index.OCI, "linux/arm64"), image(1, index.OCI, "linux/arm64")))
	if ix.Len() != 1 || len(diff.Added) != 1 || len(diff.Kept) != 1 {
		t.Errorf("%d entries, diff %+v", ix.Len(), diff)
	}
	for name, c := range map[string]struct {
		entry          index.Entry
		len, kept, chg int
	}{
		"same":                {image(1, index.OCI, "linux/arm64"), 1, 1, 0},
		"same in other words": {image(1, index.OCI, "linux/arm64/v8"), 1, 1, 0},
		"other platform":      {image(1, index.OCI, "linux/arm64/v9"), 2, 0, 0},
		"no platform":         {image(1, index.OCI, ""), 2, 0, 0},
		"other digest":        {image(2, index.OCI, "linux/arm64"), 2, 0, 0},
		"new annotation":      {annotated(image(1, index.OCI, "linux/arm64"), map[string]string{"k": "v"}), 1, 0, 1},
	} {
		after, diff := apply(t, ix, index.Add(c.entry))
		if after.Len() != c.len || len(diff.Kept) != c.kept || len(diff.Changed) != c.chg {
			t.Errorf("%s: %d entries, diff %+v", name, after.Len(), diff)
		}
	}
	after, _ := apply(t, ix, index.Annotate(index.ByDigest(digest(1)), map[string]string{"a": "1", "b": "1"}),
		index.Add(annotated(image(1, index.OCI, "linux/arm64"), map[string]string{"b": "2", "c": "2"})))
	if got := after.Entries()[0].Annotations; got["a"] != "1" || got["b"] != "2" || got["c"] != "2" {
		t.Errorf("annotations are %v", got)
	}
}

// An entry that a foreign list brought has no origin until its source is added.
func TestAddSetsAMissingOrigin(t *testing.T) {
	t.Parallel()
	ix := parse(t, raw(t, list(t, index.OCI, image(1, index.OCI, "linux/amd64"))))
	after, diff := apply(t, ix, index.Add(from(image(1, index.OCI, "linux/amd64"), "a/b:1", "index.docker.io/a/b")))
	if !diff.IsZero() || raw(t, after) != raw(t, ix) || after.Entries()[0].Origin.Ref != "a/b:1" || diff.Kept[0].Origin.Ref != "a/b:1" {
		t.Errorf("origin is %+v, diff %+v", after.Entries()[0].Origin, diff)
	}
	after, _ = apply(t, after, index.Add(from(image(1, index.OCI, "linux/amd64"), "c/d:1", "index.docker.io/c/d")))
	if got := after.Entries()[0].Origin.Ref; got != "a/b:1" {
		t.Errorf("origin became %s", got)
	}
}

// Whatever Apply returns, Parse reads.
func TestAddRefusesWhatParseRefuses(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*index.Entry){
		"digest is missing":             func(e *index.Entry) { e.Digest = v1.Hash{} },
		"digest: unsupported hash":      func(e *index.Entry) { e.Digest.Algorithm = "md5" },
		"digest: wrong number":          func(e *index.Entry) { e.Digest.Hex = "aa" },
		"mediaType is missing":          func(e *index.Entry) { e.MediaType = "" },
		"size is missing or below zero": func(e *index.Entry) { e.Size = -1 },
	} {
		e := image(1, index.OCI, "linux/amd64")
		spoil(&e)
		ix := list(t, index.OCI, image(2, index.OCI, "linux/amd64"))
		for name, edit := range map[string]index.Edit{"add": index.Add(e), "replace": index.Replace(e)} {
			after, _, err := ix.Apply(edit)
			wantFault(t, err, index.ErrInvalid, want)
			if raw(t, after) != raw(t, ix) {
				t.Errorf("%s carried out a part", name)
			}
		}
	}
}

func TestSetPlatform(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before string
		patch  index.PlatformPatch
		want   string
	}{
		"architecture":              {"linux/", index.PlatformPatch{Architecture: new("amd64")}, "linux/amd64"},
		"from none":                 {"", index.PlatformPatch{OS: new("linux"), Architecture: new("amd64")}, "linux/amd64"},
		"other name":                {"linux/", index.PlatformPatch{Architecture: new("x86_64")}, "linux/amd64"},
		"in place of another name":  {"linux/x86_64", index.PlatformPatch{Architecture: new("amd64")}, "linux/amd64"},
		"with a variant":            {"linux/arm/v7", index.PlatformPatch{Architecture: new("arm64v8")}, "linux/arm64/v8"},
		"with a variant, shouted":   {"linux/arm/v7", index.PlatformPatch{Architecture: new("ARM64v8")}, "linux/arm64/v8"},
		"with another variant":      {"linux/amd64", index.PlatformPatch{Architecture: new("arm32v7"), Variant: new("v6")}, "linux/arm/v6"},
		"variant":                   {"linux/arm", index.PlatformPatch{Variant: new("6")}, "linux/arm/v6"},
		"no variant":                {"linux/arm/v6", index.PlatformPatch{Variant: new("")}, "linux/arm"},
		"version, wish 16":          {"windows/amd64", index.PlatformPatch{OSVersion: new("10.0.17763.1879")}, "windows/amd64:10.0.17763.1879"},
		"no version":                {"windows/amd64:10.0", index.PlatformPatch{OSVersion: new("")}, "windows/amd64"},
		"a name that is not known":  {"linux/armd64", index.PlatformPatch{Architecture: new("arm64")}, "linux/arm64"},
		"beside an unknown name":    {"plan10/amd64", index.PlatformPatch{Variant: new("v2")}, "plan10/amd64/v2"},
		"all":                       {"linux/amd64", index.PlatformPatch{OS: new("Windows"), Architecture: new("arm64"), Variant: new("v8"), OSVersion: new("10.0")}, "windows/arm64/v8:10.0"},
		"nothing":                   {"linux/x86_64", index.PlatformPatch{}, "linux/x86_64"},
		"nothing where there is no": {"", index.PlatformPatch{Variant: new("")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ix := list(t, index.OCI, image(1, index.OCI, c.before))
			after, diff := apply(t, ix, index.SetPlatform(index.ByDigest(digest(1)), c.patch))
			if got := after.Entries()[0].PlatformString(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			before := ix.Entries()[0].PlatformString()
			if (c.want == before) != diff.IsZero() || diff.IsZero() != (raw(t, ix) == raw(t, after)) {
				t.Errorf("%s to %s is the diff %+v", before, c.want, diff)
			}
			again, diff := apply(t, after, index.SetPlatform(index.ByDigest(digest(1)), c.patch))
			if !diff.IsZero() || raw(t, again) != raw(t, after) {
				t.Errorf("the same again changes %+v", diff)
			}
		})
	}
}

// Features keep the order in which they were given (podman loses them).
func TestSetPlatformFeatures(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, image(1, index.OCI, "windows/amd64"))
	given := []string{"win32k", "a"}
	ix, _ = apply(t, ix, index.SetPlatform(index.ByDigest(digest(1)), index.PlatformPatch{OSFeatures: &given}))
	if got := ix.Entries()[0].Platform.OSFeatures; !slices.Equal(got, []string{"win32k", "a"}) {
		t.Errorf("features are %v", got)
	}
	if _, diff := apply(t, ix, index.SetPlatform(index.ByDigest(digest(1)), index.PlatformPatch{OSFeatures: &[]string{"a", "win32k"}})); diff.IsZero() {
		t.Error("another order is no change")
	}
	ix, _ = apply(t, ix, index.SetPlatform(index.ByDigest(digest(1)), index.PlatformPatch{OSFeatures: &[]string{}}))
	if strings.Contains(raw(t, ix), "os.features") {
		t.Errorf("features are left: %s", raw(t, ix))
	}
}

// A role has no platform: in an OCI index it goes with its last field, in a
// Docker list, where every entry has one, it stays.
func TestSetPlatformToNone(t *testing.T) {
	t.Parallel()
	none := index.PlatformPatch{OS: new(""), Architecture: new(""), Variant: new("")}
	for f, want := range map[index.Format]bool{index.OCI: false, index.V2S2: true} {
		ix, diff := apply(t, list(t, f, image(1, f, "linux/arm/v7")), index.SetPlatform(index.ByDigest(digest(1)), none))
		if got := ix.Entries()[0].Platform != nil; got != want || strings.Contains(raw(t, ix), "platform") != want || len(diff.Changed) != 1 {
			t.Errorf("%s: there is a platform: %t, want %t\n%s", f, got, want, raw(t, ix))
		}
	}
	kept := parse(t, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",
		"size":1,"digest":"`+digest(1).String()+`","platform":{"os":"linux","architecture":"arm","org.example":1}}]}`)
	ix, _ := apply(t, kept, index.SetPlatform(index.ByDigest(digest(1)), none))
	if !strings.Contains(raw(t, ix), `"org.example": 1`) {
		t.Errorf("what nobody knows is gone: %s", raw(t, ix))
	}
}

// 3.5 of the domain: a list says what it is an artifact of.
func TestSetArtifactType(t *testing.T) {
	t.Parallel()
	const bundle = "application/vnd.cnab.manifest.v1"
	before := list(t, index.OCI, image(1, index.OCI, "linux/amd64"))
	ix, diff := apply(t, before, index.SetArtifactType(bundle))
	if !diff.Index || parse(t, raw(t, ix)).ArtifactType() != bundle {
		t.Errorf("it is %q: %s", ix.ArtifactType(), raw(t, ix))
	}
	if _, diff := apply(t, ix, index.SetArtifactType(bundle)); !diff.IsZero() {
		t.Error("the same again is a change")
	}
	if after, _ := apply(t, ix, index.SetArtifactType("")); raw(t, after) != raw(t, before) {
		t.Errorf("taken away it is %s", raw(t, after))
	}
	for _, bad := range []string{"cnab", "application/", "/x", "a/b/c", "a/b;c=d", "a b/c", "application/" + strings.Repeat("x", 128)} {
		after, _, err := ix.Apply(index.SetArtifactType(bad))
		wantFault(t, err, index.ErrUsage, "want a media type")
		if raw(t, after) != raw(t, ix) {
			t.Errorf("%s, and the list changed", bad)
		}
	}
	docker := list(t, index.V2S2, image(1, index.V2S2, "linux/amd64"))
	if _, _, err := docker.Apply(index.SetArtifactType(bundle)); !errors.Is(err, index.ErrInvalid) {
		t.Errorf("a Docker list takes it: %v", err)
	}
}

// B23: names that nobody knows are refused where they are typed.
func TestSetPlatformRefuses(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, image(1, index.OCI, "linux/amd64"))
	for want, patch := range map[string]index.PlatformPatch{
		`unknown operating system "lunix", did you mean linux?`:                          {OS: new("lunix")},
		`unknown architecture "armd64", did you mean amd64 or arm64?`:                    {Architecture: new("armd64")},
		`unknown operating system "x"; unknown architecture "y"`:                         {OS: new("x"), Architecture: new("y")},
		`variant "v 7": has characters other than letters, digits, '.', '_' and '-'`:     {Variant: new("v 7")},
		`os.version "10/0": has characters other than letters, digits, '.', '_' and '-'`: {OSVersion: new("10/0")},
	} {
		after, _, err := ix.Apply(index.SetPlatform(index.ByDigest(digest(1)), patch))
		wantFault(t, err, index.ErrUsage, want)
		if raw(t, after) != raw(t, ix) {
			t.Errorf("%s, and the list changed", want)
		}
	}
	_, _, err := ix.Apply(index.SetPlatform(index.ByDigest(digest(2)), index.PlatformPatch{}))
	wantFault(t, err, index.ErrNotFound, digest(2).String())
}

// Wish 1, and 3.5 of the domain: entries that are roles, not platforms, with
// annotations of their own and of the list.
func TestAnnotate(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, annotated(image(1, index.OCI, ""), map[string]string{"io.cnab.manifest.type": "config"}), image(2, index.OCI, ""))
	ix, diff := apply(t, ix,
		index.Annotate(index.ByDigest(digest(2)), map[string]string{"io.cnab.manifest.type": "invocation"}),
		index.AnnotateIndex(map[string]string{"io.cnab.runtime_version": "v1.0.0", "empty": ""}))
	if len(diff.Changed) != 1 || !diff.Index {
		t.Errorf("diff is %+v", diff)
	}
	again := parse(t, raw(t, ix))
	if got := again.Annotations(); len(got) != 2 || got["io.cnab.runtime_version"] != "v1.0.0" {
		t.Errorf("annotations of the list are %v", got)
	}
	if _, has := again.Annotations()["empty"]; !has {
		t.Error("an annotation without text is lost")
	}
	for i, want := range []string{"config", "invocation"} {
		if e := again.Entries()[i]; e.Annotations["io.cnab.manifest.type"] != want || e.Platform != nil || e.PlatformString() != "" {
			t.Errorf("entry %d is %+v", i, e)
		}
	}
	_, diff = apply(t, again, index.AnnotateIndex(map[string]string{"empty": ""}))
	if !diff.IsZero() {
		t.Errorf("the same annotation is the diff %+v", diff)
	}
	_, _, err := again.Apply(index.Annotate(index.ByDigest(digest(3)), nil))
	wantFault(t, err, index.ErrNotFound, digest(3).String())
}

// Wish 20: what a Docker list cannot hold is an error, never dropped.
func TestV2S2RefusesWhatItCannotHold(t *testing.T) {
	t.Parallel()
	typed, embedding := image(1, index.V2S2, "linux/amd64"), image(1, index.V2S2, "linux/amd64")
	typed.ArtifactType = "application/vnd.example"
	embedding.Data = []byte("x")
	k := map[string]string{"k": "v"}
	ix := list(t, index.V2S2, image(2, index.V2S2, "linux/arm64"))
	for want, edit := range map[string]index.Edit{
		"entry " + digest(1).String() + " has annotations":     index.Add(annotated(image(1, index.V2S2, ""), k)),
		digest(1).String() + " has an artifactType":            index.Add(typed),
		digest(1).String() + " has embedded data":              index.Replace(embedding),
		digest(2).String() + " has annotations":                index.Annotate(index.ByDigest(digest(2)), k),
		"the list has annotations, which a list in the format": index.AnnotateIndex(k),
	} {
		after, _, err := ix.Apply(edit)
		wantFault(t, err, index.ErrInvalid, want)
		var rejection *index.Rejection
		if !errors.As(err, &rejection) || rejection.Findings[0].Rule != index.AnnotationsInV2S2 || rejection.Findings[0].Severity != index.Error {
			t.Errorf("%s: the error is %#v", want, err)
		}
		if raw(t, after) != raw(t, ix) {
			t.Errorf("%s, and the list changed", want)
		}
	}
	if after, diff := apply(t, ix, index.AnnotateIndex(nil), index.Annotate(index.ByDigest(digest(2)), nil)); !diff.IsZero() || raw(t, after) != raw(t, ix) {
		t.Error("no annotations are a change")
	}
}

func TestConvert(t *testing.T) {
	t.Parallel()
	ix := list(t, index.V2S2, image(1, index.V2S2, "linux/arm64/v8"))
	oci, diff := apply(t, ix, index.Convert(index.OCI))
	want := strings.Replace(raw(t, ix), string(types.DockerManifestList), string(types.OCIImageIndex), 1)
	if raw(t, oci) != want || !diff.Index {
		t.Errorf("got %s", raw(t, oci))
	}
	if back, _ := apply(t, oci, index.Convert(index.V2S2)); raw(t, back) != raw(t, ix) {
		t.Errorf("and back it is %s", raw(t, back))
	}

	// All that stands in the way is told at once, in one order.
	_, _, err := parse(t, extended()).Apply(index.Convert(index.V2S2))
	var rejection *index.Rejection
	if !errors.As(err, &rejection) || len(rejection.Findings) != 5 {
		t.Fatalf("the error is %v", err)
	}
	for i, what := range []string{
		"the list has annotations", "the list has an artifactType", "the list has a subject",
		digest(1).String() + " has annotations", digest(1).String() + " has an artifactType",
	} {
		if f := rejection.Findings[i]; !strings.Contains(f.Message, what) || (f.Entry.Digest == digest(1)) != (i > 2) {
			t.Errorf("finding %d is %+v, want %s", i, f, what)
		}
	}
}

// What one edit of an Apply makes of an entry, the next one sees.
func TestEditsSeeEachOther(t *testing.T) {
	t.Parallel()
	old, other := image(1, index.OCI, "linux/amd64"), image(1, index.OCI, "linux/arm64")
	converted := index.Manifest{Entry: image(2, index.OCI, "linux/amd64"), Converted: digest(1)}
	for name, c := range map[string]struct {
		between index.Edit
		again   index.Entry
		len     int
	}{
		"platform, the new one": {index.SetPlatform(index.ByDigest(digest(1)), index.PlatformPatch{Architecture: new("arm64")}), other, 1},
		"platform, the old one": {index.SetPlatform(index.ByDigest(digest(1)), index.PlatformPatch{Architecture: new("arm64")}), old, 2},
		"substitute, the new":   {index.Substitute(converted), image(2, index.OCI, "linux/amd64"), 1},
		"substitute, the old":   {index.Substitute(converted), old, 2},
		"remove":                {index.Remove(index.ByDigest(digest(1))), old, 1},
		"replace, the new":      {index.Replace(image(3, index.OCI, "linux/amd64")), image(3, index.OCI, "linux/amd64"), 1},
		"replace, the old":      {index.Replace(image(3, index.OCI, "linux/amd64")), old, 2},
		"annotate":              {index.Annotate(index.ByDigest(digest(1)), map[string]string{"k": "v"}), old, 1},
	} {
		after, _ := apply(t, index.New(index.OCI), index.Add(old), c.between, index.Add(c.again))
		if after.Len() != c.len {
			t.Errorf("%s: %d entries, want %d", name, after.Len(), c.len)
		}
	}
}
