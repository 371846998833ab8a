package index_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// unknown returns what a document has beside the members that we know: at the
// top, in descriptors and in platforms.
func unknown(tb testing.TB, doc string) any {
	tb.Helper()
	dec := json.NewDecoder(strings.NewReader(doc))
	dec.UseNumber()
	var top map[string]any
	if err := dec.Decode(&top); err != nil {
		tb.Fatalf("not JSON: %v", err)
	}
	without := func(members map[string]any, known ...string) map[string]any {
		rest := map[string]any{}
		for k, v := range members {
			if !slices.Contains(known, k) {
				rest[k] = v
			}
		}
		return rest
	}
	descriptor := func(d any) any {
		members, ok := d.(map[string]any)
		if !ok {
			return nil
		}
		rest := without(members, "mediaType", "artifactType", "digest", "size", "urls", "annotations", "data", "platform")
		if p, ok := members["platform"].(map[string]any); ok {
			rest["platform"] = without(p, "architecture", "os", "os.version", "os.features", "variant", "features")
		}
		return rest
	}
	rest := without(top, "schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations")
	var lines []any
	manifests, ok := top["manifests"].([]any)
	if !ok {
		tb.Fatalf("no array of manifests in %s", doc)
	}
	for _, d := range manifests {
		lines = append(lines, descriptor(d))
	}
	rest["manifests"], rest["subject"] = lines, descriptor(top["subject"])
	return rest
}

// same compares what users see of two lists.
func same(a, b index.Index) bool {
	sa, _ := a.Subject()
	sb, _ := b.Subject()
	return a.Format() == b.Format() && a.ArtifactType() == b.ArtifactType() && equalText(a.Annotations(), b.Annotations()) &&
		reflect.DeepEqual(plain(sa), plain(sb)) && slices.EqualFunc(a.Entries(), b.Entries(), func(x, y index.Entry) bool {
		return reflect.DeepEqual(plain(x.Descriptor), plain(y.Descriptor))
	})
}

func equalText(a, b map[string]string) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// plain takes the difference between empty and missing off a descriptor.
func plain(d v1.Descriptor) v1.Descriptor {
	d.URLs, d.Data = slices.Clip(append([]string{}, d.URLs...)), append([]byte{}, d.Data...)
	if len(d.Annotations) == 0 {
		d.Annotations = nil
	}
	if d.Platform != nil {
		p := *d.Platform
		p.OSFeatures, p.Features = append([]string{}, p.OSFeatures...), append([]string{}, p.Features...)
		d.Platform = &p
	}
	return d
}

// Whatever is read is kept by every edit, and means the same to encoding/json.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		extended(), ociDoc(`"manifests":[]`), withLine(lineA + `}`), `{"schemaVersion":2,"manifests":[` + lineA + `}]}`,
		`{"schemaVersion":2,"mediaType":"` + dockerListType + `","manifests":[` + lineA + `,"platform":{"os":"windows","os.version":"10","x":[1.0]}}]}`,
		ociDoc(`"manifests":[` + lineA + `,"platform":null,"annotations":{},"urls":[],"data":"YQ=="}],"subject":null,"annotations":{"a":"\u2028"}`),
		withLine(lineA + `,"platform":{},"x":{"y":[{"z":"\ud83d\ude00"}]}}`),
		`{"schemaVersion":1,"fsLayers":[]}`, `{"a":1,"a":2}`, "[]", "", "\xef\xbb\xbf{}", imageDoc(`"config":` + configA),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		ix, err := index.Parse(doc)
		if err != nil {
			if !errors.Is(err, index.ErrInvalid) || ix.Len() != 0 {
				t.Fatalf("error %v with %d entries", err, ix.Len())
			}
			return
		}
		if raw(t, ix) != string(doc) || ix.Digest() != index.DigestOf(doc) {
			t.Fatal("reading changes the bytes")
		}
		var theirs v1.IndexManifest
		if err := json.Unmarshal(doc, &theirs); err != nil || len(theirs.Manifests) != ix.Len() {
			t.Fatalf("encoding/json reads %d entries, %v", len(theirs.Manifests), err)
		}
		for i, e := range ix.Entries() {
			if !reflect.DeepEqual(plain(e.Descriptor), plain(theirs.Manifests[i])) {
				t.Fatalf("encoding/json reads %+v for %+v", theirs.Manifests[i], e.Descriptor)
			}
		}
		checkEdits(t, ix)
	})
}

func checkEdits(t *testing.T, ix index.Index) {
	t.Helper()
	added, _, err := ix.Apply(index.Add(image(77, index.OCI, "linux/amd64")))
	if err != nil {
		if !strings.Contains(err.Error(), "more than the 4194304 bytes") {
			t.Fatalf("an entry cannot be added: %v", err)
		}
		return
	}
	back, _ := apply(t, added, index.Remove(index.ByDigest(digest(77))))
	for what, edited := range map[string]index.Index{"with an entry more": added, "and without it": back} {
		again := parse(t, raw(t, edited))
		if !same(edited, again) {
			t.Fatalf("%s, it reads otherwise:\n%s", what, raw(t, edited))
		}
		once, _ := apply(t, again, index.Add(image(78, index.OCI, "")), index.Remove(index.ByDigest(digest(78))))
		if raw(t, once) != raw(t, edited) {
			t.Fatalf("%s, another edit changes more than it says:\n%s\n%s", what, raw(t, edited), raw(t, once))
		}
	}
	if !same(ix, back) {
		t.Fatalf("there and back it is\n%s", raw(t, back))
	}
	if before, after := unknown(t, raw(t, ix)), unknown(t, raw(t, back)); !reflect.DeepEqual(before, after) {
		t.Fatalf("unknown members were\n%v\nand became\n%v", before, after)
	}
}

// What is read as an image means the same to encoding/json.
func FuzzParseImage(f *testing.F) {
	for _, seed := range []string{
		imageDoc(`"config":` + configA + `,"layers":[` + layerB + `],"subject":` + lineA + `},"annotations":{"a":"b"}`),
		`{"schemaVersion":2,"config":` + configA + `}`, imageDoc(`"config":` + configA + `,"manifests":[]`), imageDoc(`"layers":[]`), extended(),
		`{"schemaVersion":1,"fsLayers":[]}`, "{", "",
	} {
		f.Add([]byte(seed), "")
		f.Add([]byte(seed), ociImageType)
	}
	f.Fuzz(func(t *testing.T, doc []byte, declared string) {
		image, err := index.ParseImage(doc, types.MediaType(declared))
		if err != nil {
			if !errors.Is(err, index.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		mediaType, err := index.MediaTypeOf(doc, types.MediaType(declared))
		if err != nil || mediaType != image.MediaType || !mediaType.IsImage() {
			t.Fatalf("it is %s or %s, %v", image.MediaType, mediaType, err)
		}
		if _, err := index.Parse(doc); err == nil {
			t.Fatal("it is a list, too")
		}
		var theirs v1.Manifest
		if err := json.Unmarshal(doc, &theirs); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(plain(image.Config), plain(theirs.Config)) || len(image.Layers) != len(theirs.Layers) {
			t.Fatalf("encoding/json reads %+v for %+v", theirs, image)
		}
		for i, l := range image.Layers {
			if !reflect.DeepEqual(plain(l), plain(theirs.Layers[i])) {
				t.Fatalf("encoding/json reads %+v for layer %+v", theirs.Layers[i], l)
			}
		}
	})
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{
		"nginx", "index.docker.io/library/nginx:latest", "docker.io/nginx", "localhost:5000/x", "[::1]:5000/x:1", "ghcr.io/acme/bp:1.2.3",
		"docker.io/localhost/x", "docker.io/library/library", "library/a/b", "", "..", "a/../b", "-rf", "UPPER/x:1", "a/b@sha256:" + hexA, "sha256:" + hexA,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		n, err := index.ParseName(typed)
		if err != nil {
			if !errors.Is(err, index.ErrUsage) || !n.IsZero() {
				t.Fatalf("error %v with %q", err, n)
			}
			return
		}
		for _, text := range []string{n.String(), n.Familiar()} {
			if again, err := index.ParseName(text); err != nil || again != n {
				t.Fatalf("%q is %q, and %q is %q, %v", typed, n, text, again, err)
			}
		}
		ref, err := index.ParseReference(typed)
		if err != nil || ref.Name() != n.String() || n.Tag().Name() != n.String() {
			t.Fatalf("%q is %q as a name, and %v as a reference, %v", typed, n, ref, err)
		}
		for part := range strings.SplitSeq(n.String(), "/") {
			if part == "" || part == "." || part == ".." {
				t.Fatalf("%q has the part %q", n, part)
			}
		}
		if strings.ContainsFunc(n.String(), func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) || len(n.Repository()) > 255 {
			t.Fatalf("the name is %q", n)
		}
	})
}

func FuzzPlatform(f *testing.F) {
	for _, seed := range []string{
		"linux/amd64", "linux/arm64v8", "macOS/x86_64", "linux/arm/7", "windows/amd64:10.0.17763.1", "linux/armhf/v6", "linux/arm64/9.0", "a/b/c:d", "/", "",
	} {
		f.Add(seed, "linux/arm")
	}
	f.Fuzz(func(t *testing.T, typed, other string) {
		a, err := index.ParsePlatform(typed)
		if err != nil {
			if !errors.Is(err, index.ErrUsage) {
				t.Fatal(err)
			}
			return
		}
		if again, err := index.ParsePlatform(index.FormatPlatform(a)); err != nil || !again.Equals(a) {
			t.Fatalf("%q is %+v, and %q is %+v, %v", typed, a, index.FormatPlatform(a), again, err)
		}
		if again := index.NormalizePlatform(a); !again.Equals(a) || !index.SamePlatform(a, again) {
			t.Fatalf("%+v is normalised to %+v", a, again)
		}
		b, err := index.ParsePlatform(other)
		if err != nil {
			return
		}
		want := reflect.DeepEqual(containerds(a), containerds(b))
		if got := index.SamePlatform(a, b); got != want || got != index.SamePlatform(b, a) {
			t.Fatalf("%+v and %+v are the same: %t, to containerd %t", a, b, got, want)
		}
	})
}

// A selector means entries, or the edit that takes it says why not.
func FuzzSelector(f *testing.F) {
	for _, seed := range []string{
		"linux/amd64", "linux/arm", "windows/amd64", digest(1).String(), digest(1).Hex[:6], "acme/bp:1", "docker.io/acme/bp:1", "bp.cnb", "./dist/bp.cnb",
		"acme/bp@" + digest(1).String(), "@", "a@b:c", "", "unknown/unknown", "?/?", "oci:", "docker://",
	} {
		f.Add(seed)
	}
	ix := list(f, index.OCI, from(image(1, index.OCI, "linux/amd64"), "acme/bp:1", "index.docker.io/acme/bp"), file(image(2, index.OCI, "linux/arm"), "./dist/bp.cnb"),
		image(3, index.OCI, "windows/amd64:1"), image(4, index.OCI, "windows/amd64:2"), image(5, index.OCI, ""), image(6, index.OCI, "/"), attestation(7, digest(1)))
	f.Fuzz(func(t *testing.T, typed string) {
		s, err := index.ParseSelector(typed)
		if err != nil {
			if !errors.Is(err, index.ErrUsage) {
				t.Fatal(err)
			}
			return
		}
		meant := ix.Select(s)
		after, diff, err := ix.Apply(index.Remove(s))
		switch {
		case len(meant) == 1 && err == nil:
			if diff.Removed[0].Digest != meant[0].Digest || after.Len()+len(diff.Removed) != ix.Len() {
				t.Fatalf("%q means %s, and %+v was removed", typed, meant[0].Digest, diff)
			}
		case len(meant) == 0 && errors.Is(err, index.ErrNotFound), len(meant) > 1 && errors.Is(err, index.ErrUsage):
			if !bytes.Equal([]byte(raw(t, after)), []byte(raw(t, ix))) {
				t.Fatal("the list changed")
			}
		default:
			t.Fatalf("%q means %d entries, and removing it says %v", typed, len(meant), err)
		}
	})
}
