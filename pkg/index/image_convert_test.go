package index_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

const convertedDigest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// dockerImage has odd white space, a foreign layer and an unknown member, all of
// which must survive.
const dockerImage = `{ "schemaVersion": 2,
   "mediaType":"application/vnd.docker.distribution.manifest.v2+json" ,
   "config": {"size":2, "mediaType": "application/vnd.docker.container.image.v1+json", "digest": "` + convertedDigest + `"},
   "x-unknown": {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"},
   "layers": [
      {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "size": 3, "digest": "` + convertedDigest + `", "urls": ["https://example.com/l"]},
      {"digest": "` + convertedDigest + `", "size": 4, "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"},
      {"digest": "` + convertedDigest + `", "size": 4, "mediaType": "application/vnd.docker.image.rootfs.diff.tar"}
   ] }`

func TestConvertImageThereAndBack(t *testing.T) {
	t.Parallel()
	oci, err := index.ConvertImage([]byte(dockerImage), types.DockerManifestSchema2, index.OCI)
	if err != nil {
		t.Fatal(err)
	}
	image, err := index.ParseImage(oci, types.OCIManifestSchema1)
	if err != nil {
		t.Fatal(err)
	}
	got := []types.MediaType{image.MediaType, image.Config.MediaType}
	for _, l := range image.Layers {
		got = append(got, l.MediaType)
	}
	want := []types.MediaType{
		types.OCIManifestSchema1, types.OCIConfigJSON, types.OCIRestrictedLayer, types.OCILayer, types.OCIUncompressedLayer,
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d: %s, want %s", i, got[i], want[i])
		}
	}
	if !bytes.Contains(oci, []byte(`"x-unknown": {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}`)) {
		t.Error("an unknown member was touched")
	}
	back, err := index.ConvertImage(oci, types.OCIManifestSchema1, index.V2S2)
	if err != nil {
		t.Fatal(err)
	}
	if string(back) != dockerImage {
		t.Errorf("there and back:\n%s\nwas\n%s", back, dockerImage)
	}
	same, err := index.ConvertImage([]byte(dockerImage), types.DockerManifestSchema2, index.V2S2)
	if err != nil || string(same) != dockerImage {
		t.Errorf("an image in the format was changed: %s %v", same, err)
	}
}

func TestConvertImageSaysItsTypeWhereDockerNeedsIt(t *testing.T) {
	t.Parallel()
	raw := `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"` + convertedDigest + `"},"layers":[]}`
	got, err := index.ConvertImage([]byte(raw), types.OCIManifestSchema1, index.V2S2)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"mediaType":"application/vnd.docker.distribution.manifest.v2+json",` +
		strings.Replace(raw[1:], "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json", 1)
	if string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestConvertImageNamesWhatDockerCannotHold(t *testing.T) {
	t.Parallel()
	whole := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"` + convertedDigest + `"},` +
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":2,"digest":"` + convertedDigest + `"}]}`
	for obstacle, change := range map[string][2]string{
		"annotations, which":           {`"schemaVersion":2`, `"schemaVersion":2,"annotations":{"a":"b"}`},
		"annotations on its layers":    {`"layers":[{`, `"layers":[{"annotations":{"a":"b"},`},
		"an artifactType":              {`"schemaVersion":2`, `"schemaVersion":2,"artifactType":"x/y"`},
		"a subject":                    {`"schemaVersion":2`, `"schemaVersion":2,"subject":{"mediaType":"a/b","size":2,"digest":"` + convertedDigest + `"}`},
		`type "application/vnd.oci.im`: {`layer.v1.tar+gzip`, `layer.v1.tar+zstd`},
		`type "application/x"`:         {`application/vnd.oci.image.config.v1+json`, `application/x`},
	} {
		raw := strings.Replace(whole, change[0], change[1], 1)
		_, err := index.ConvertImage([]byte(raw), types.OCIManifestSchema1, index.V2S2)
		var rejected *index.Rejection
		if !errors.As(err, &rejected) || !strings.Contains(err.Error(), obstacle) {
			t.Errorf("%s: %v", obstacle, err)
		}
	}
}

func TestConvertAllKeepsTheLinksOfAttestations(t *testing.T) {
	t.Parallel()
	image := index.Manifest{Raw: []byte(dockerImage), Entry: index.Entry{Descriptor: v1.Descriptor{
		MediaType: types.DockerManifestSchema2, Digest: index.DigestOf([]byte(dockerImage)), Size: int64(len(dockerImage)),
		Platform: &v1.Platform{OS: "linux", Architecture: "amd64"},
	}}}
	attestation := index.Manifest{Entry: index.Entry{Descriptor: v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Digest: index.DigestOf([]byte("x")), Size: 1,
		Annotations: map[string]string{
			"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.Digest.String(),
		},
	}}}
	converted, err := index.ConvertAll([]index.Manifest{image, attestation}, index.OCI)
	if err != nil {
		t.Fatal(err)
	}
	if converted[0].Converted != image.Digest || converted[0].Digest != index.DigestOf(converted[0].Raw) {
		t.Errorf("%+v", converted[0].Entry)
	}
	if of, ok := converted[1].Attests(); !ok || of != converted[0].Digest {
		t.Errorf("the attestation is of %s", of)
	}
	if of, _ := attestation.Attests(); of != image.Digest {
		t.Error("the input was changed")
	}

	list, _, err := index.New(index.OCI).Apply(index.Add(image.Entry, attestation.Entry))
	if err != nil {
		t.Fatal(err)
	}
	after, diff, err := list.Apply(index.Substitute(converted...))
	if err != nil || len(diff.Changed) != 2 {
		t.Fatal(diff, err)
	}
	entries := after.Entries()
	of, _ := entries[1].Attests()
	if entries[0].Digest != converted[0].Digest || entries[0].PlatformString() != "linux/amd64" || of != converted[0].Digest {
		t.Errorf("%+v", entries)
	}
}
