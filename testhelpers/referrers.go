package testhelpers

import (
	"encoding/json"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// WithoutReferrers makes the registry one that answers 404 where it is asked what
// refers to a digest, as CNCF Distribution does.
func WithoutReferrers() RegistryOption { return func(s *settings) { s.noReferrers = true } }

// CosignSignature makes what "cosign sign" puts at the tag
// "sha256-HEX.sig" of the digest: a layer for each signature, which is in the
// layer's annotation.
func CosignSignature(tb testing.TB, digest v1.Hash, signatures ...string) v1.Image {
	tb.Helper()
	payload := toJSON(tb, map[string]any{"critical": map[string]any{"image": map[string]any{"docker-manifest-digest": digest.String()}}})
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	for _, text := range signatures {
		var err error
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:       static.NewLayer([]byte(payload), "application/vnd.dev.cosign.simplesigning.v1+json"),
			Annotations: map[string]string{"dev.cosignproject.cosign/signature": text},
		})
		if err != nil {
			tb.Fatalf("make a signature: %v", err)
		}
	}
	return img
}

// Artifact makes a manifest of a type that refers to a subject, with one layer.
func Artifact(tb testing.TB, subject v1.Descriptor, artifactType, content string) v1.Image {
	tb.Helper()
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, "application/vnd.oci.empty.v1+json")
	img, err := mutate.Append(img, mutate.Addendum{Layer: static.NewLayer([]byte(content), "text/plain")})
	if err != nil {
		tb.Fatalf("make an artifact: %v", err)
	}
	img, ok := mutate.Annotations(img, map[string]string{"org.example.content": content}).(v1.Image)
	if !ok {
		tb.Fatal("make an artifact: annotations make it something else")
	}
	img, ok = mutate.Subject(img, subject).(v1.Image)
	if !ok {
		tb.Fatal("make an artifact: a subject makes it something else")
	}
	return artifact{img, artifactType}
}

// artifact is an image that says what it is in its manifest.
type artifact struct {
	v1.Image
	artifactType string
}

// Manifest returns the image's manifest with the type.
func (a artifact) Manifest() (*v1.Manifest, error) {
	m, err := a.Image.Manifest()
	if err != nil {
		return nil, err
	}
	m = m.DeepCopy()
	m.ArtifactType = a.artifactType
	return m, nil
}

// RawManifest returns the manifest's bytes.
func (a artifact) RawManifest() ([]byte, error) {
	m, err := a.Manifest()
	if err != nil {
		return nil, err
	}
	return json.Marshal(m)
}

// Digest returns the digest of the manifest's bytes.
func (a artifact) Digest() (v1.Hash, error) { return partial.Digest(a) }

// Size returns how many bytes the manifest has.
func (a artifact) Size() (int64, error) { return partial.Size(a) }

// Described returns the descriptor of an image.
func Described(tb testing.TB, img v1.Image) v1.Descriptor {
	tb.Helper()
	d, err := partial.Descriptor(img)
	if err != nil {
		tb.Fatalf("describe an image: %v", err)
	}
	return *d
}
