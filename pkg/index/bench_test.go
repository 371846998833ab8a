package index_test

import (
	"strconv"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// thousand returns the bytes of a list of 1000 entries, as a build farm of
// Windows images would make it.
func thousand(b *testing.B) []byte {
	b.Helper()
	entries := make([]index.Entry, 1000)
	for i := range entries {
		entries[i] = annotated(image(i, index.OCI, "windows/amd64:10.0."+strconv.Itoa(i)), map[string]string{"org.opencontainers.image.version": "1.2.3"})
	}
	return []byte(raw(b, list(b, index.OCI, entries...)))
}

// edit is what a local edit costs beside reading and writing the file.
func edit(b *testing.B, doc []byte, edits ...index.Edit) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		ix, err := index.Parse(doc)
		if err != nil {
			b.Fatal(err)
		}
		after, diff := apply(b, ix, edits...)
		if text := raw(b, after); diff.IsZero() || after.Digest() == ix.Digest() || len(text) == 0 {
			b.Fatal("nothing changed")
		}
	}
}

// BenchmarkAnnotate1000 is the budget of local edits: under 15 ms in all, of
// which this may have 6.
func BenchmarkAnnotate1000(b *testing.B) {
	edit(b, thousand(b), index.Annotate(index.ByDigest(digest(500)), map[string]string{"k": "v"}))
}

func BenchmarkSetPlatform1000(b *testing.B) {
	edit(b, thousand(b), index.SetPlatform(selector(b, "windows/amd64:10.0.500"), index.PlatformPatch{Variant: new("v2")}))
}

func BenchmarkReplaceAll1000(b *testing.B) {
	entries := make([]index.Entry, 1000)
	for i := range entries {
		entries[i] = image(5000+i, index.OCI, "windows/amd64:10.0."+strconv.Itoa(i))
	}
	edit(b, thousand(b), index.Replace(entries...))
}

func BenchmarkCheck1000(b *testing.B) {
	ix, err := index.Parse(thousand(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if found := ix.Check(index.NotEmpty, index.PlatformPresent(nil), index.UniquePlatforms, index.KnownPlatforms, index.OneFamily); len(found) != 0 {
			b.Fatal(found)
		}
	}
}
