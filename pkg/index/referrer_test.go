package index_test

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func TestReferrerTags(t *testing.T) {
	t.Parallel()
	short, long := digest(1), v1.Hash{Algorithm: "sha512", Hex: strings.Repeat("0", 128)}
	if got, want := index.ReferrersTag(short), "sha256-"+short.Hex; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := index.ReferrersTag(long), "sha512-"+strings.Repeat("0", 64); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	base := "sha256-" + short.Hex
	if got, want := index.CosignTags(short), []string{base + ".sig", base + ".att", base + ".sbom"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := index.CosignTags(long); len(got) != 0 {
		t.Errorf("tags that are too long: %q", got)
	}
	for tag, want := range map[string]struct{ cosign, ok bool }{
		base: {false, true}, base + ".sig": {true, true}, base + ".att": {true, true}, base + ".sbom": {true, true},
		base + ".": {}, base + ".pem": {}, base + "0": {}, "sha256-0": {}, "1.2.3": {}, "latest": {}, "": {}, "sha256:" + short.Hex: {},
		strings.ToUpper(base): {}, "x" + base: {},
	} {
		of, cosign, ok := index.ReferrerTag(tag)
		if cosign != want.cosign || ok != want.ok || ok && of != short || !ok && of != (v1.Hash{}) {
			t.Errorf("%q is about %s, cosign's: %t, %t", tag, of, cosign, ok)
		}
	}
}

func TestDescribeReferrer(t *testing.T) {
	t.Parallel()
	subject := `,"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"` + digest(1).String() + `"}`
	config := `"config":{"mediaType":"application/vnd.example.config","size":2,"digest":"` + digest(2).String() + `"},"layers":[]`
	for doc, want := range map[string]struct {
		media types.MediaType
		is    string
		of    v1.Hash
	}{
		`{"schemaVersion":2,"artifactType":"application/spdx+json",` + config + subject + `,"annotations":{"a":"b"}}`: {types.OCIManifestSchema1, "application/spdx+json", digest(1)},
		`{"schemaVersion":2,` + config + subject + `,"annotations":{"a":"b"}}`:                                        {types.OCIManifestSchema1, "application/vnd.example.config", digest(1)},
		`{"schemaVersion":2,` + config + `,"annotations":{"a":"b"}}`:                                                  {types.OCIManifestSchema1, "application/vnd.example.config", v1.Hash{}},
		`{"schemaVersion":2,"artifactType":"application/x","manifests":[]` + subject + `,"annotations":{"a":"b"}}`:    {types.OCIImageIndex, "application/x", digest(1)},
	} {
		line, of, err := index.DescribeReferrer([]byte(doc), want.media)
		if err != nil || of != want.of || line.ArtifactType != want.is || line.Annotations["a"] != "b" ||
			line.Digest != index.DigestOf([]byte(doc)) || line.Size != int64(len(doc)) || line.MediaType != want.media {
			t.Errorf("%s\nis described as %+v of %s (%v)", doc, line, of, err)
		}
	}
	for doc, media := range map[string]types.MediaType{`{"schemaVersion":2,"layers":[]}`: types.OCIImageIndex, `{}`: types.OCIManifestSchema1} {
		_, _, err := index.DescribeReferrer([]byte(doc), media)
		wantFault(t, err, index.ErrInvalid, "")
	}
}

// What an image was before it was converted is known after the list was kept,
// and is forgotten when it is converted back.
func TestBefore(t *testing.T) {
	t.Parallel()
	raw := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"` +
		digest(2).String() + `"},"layers":[]}`)
	m := index.Manifest{Entry: image(1, index.OCI, "linux/amd64"), Raw: raw}
	m.Digest = index.DigestOf(raw)
	if before, ok := m.Before(); ok {
		t.Errorf("it was %s before anything happened", before)
	}
	docker, changed, err := m.Convert(index.V2S2)
	if err != nil || !changed {
		t.Fatal(err)
	}
	kept := index.Manifest{Entry: docker.Entry, Raw: docker.Raw}
	for _, c := range []index.Manifest{docker, kept} {
		if before, ok := c.Before(); !ok || before != m.Digest {
			t.Errorf("it was %s, %t; want %s", before, ok, m.Digest)
		}
	}
	back, changed, err := kept.Convert(index.OCI)
	if err != nil || !changed {
		t.Fatal(err)
	}
	if before, ok := back.Before(); ok || back.Digest != m.Digest {
		t.Errorf("back it is %s and was %s", back.Digest, before)
	}
}
