package index_test

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// golden compares got with a file of testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	testhelpers.Golden(t, filepath.Join("testdata", file), []byte(got))
}

// digest returns the n-th of many digests.
func digest(n int) v1.Hash { return index.DigestOf([]byte(strconv.Itoa(n))) }

// image returns an entry in a format; a platform is OS/ARCH[/VARIANT][:VERSION],
// with any names, or "" for none.
func image(n int, f index.Format, platform string) index.Entry {
	e := index.Entry{Descriptor: v1.Descriptor{MediaType: f.ImageType(), Digest: digest(n), Size: int64(1000 + n)}}
	if platform == "" {
		return e
	}
	names, version, _ := strings.Cut(platform, ":")
	parts := append(strings.Split(names, "/"), "")
	e.Platform = &v1.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2], OSVersion: version}
	return e
}

// attestation returns the n-th entry as an attestation of another.
func attestation(n int, of v1.Hash) index.Entry {
	e := image(n, index.OCI, "unknown/unknown")
	e.Annotations = map[string]string{
		"vnd.docker.reference.type":   "attestation-manifest",
		"vnd.docker.reference.digest": of.String(),
	}
	return e
}

// from returns e as made from a source in a registry.
func from(e index.Entry, ref, repository string) index.Entry {
	e.Origin = index.Origin{Kind: index.SourceRegistry, Ref: ref, Repository: repository, Pin: e.Digest}
	return e
}

func annotated(e index.Entry, annotations map[string]string) index.Entry {
	e.Annotations = annotations
	return e
}

func apply(tb testing.TB, ix index.Index, edits ...index.Edit) (index.Index, index.Diff) {
	tb.Helper()
	after, diff, err := ix.Apply(edits...)
	if err != nil {
		tb.Fatalf("apply: %v", err)
	}
	return after, diff
}

// list returns a list of entries.
func list(tb testing.TB, f index.Format, entries ...index.Entry) index.Index {
	tb.Helper()
	ix, _ := apply(tb, index.New(f), index.Add(entries...))
	return ix
}

func parse(tb testing.TB, doc string) index.Index {
	tb.Helper()
	ix, err := index.Parse([]byte(doc))
	if err != nil {
		tb.Fatalf("parse %s: %v", doc, err)
	}
	return ix
}

func raw(tb testing.TB, ix index.Index) string {
	tb.Helper()
	b, err := ix.RawManifest()
	if err != nil {
		tb.Fatalf("bytes of the list: %v", err)
	}
	return string(b)
}

func selector(tb testing.TB, s string) index.Selector {
	tb.Helper()
	which, err := index.ParseSelector(s)
	if err != nil {
		tb.Fatalf("selector %q: %v", s, err)
	}
	return which
}

// summary shows the platforms of the entries, in order.
func summary(entries []index.Entry) string {
	var texts []string
	for _, e := range entries {
		text := e.PlatformString()
		switch {
		case e.IsAttestation():
			text = "attestation"
		case text == "":
			text = "-"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

// digests lists the digests of entries, in order.
func digests(entries []index.Entry) []v1.Hash {
	all := make([]v1.Hash, len(entries))
	for i, e := range entries {
		all[i] = e.Digest
	}
	return all
}

// wantFault checks the kind and a part of the text of an error.
func wantFault(tb testing.TB, err, kind error, text string) {
	tb.Helper()
	if !errors.Is(err, kind) {
		tb.Errorf("error %v is not of the kind %q", err, kind)
		return
	}
	if !strings.Contains(err.Error(), text) {
		tb.Errorf("error %q does not say %q", err, text)
	}
}
