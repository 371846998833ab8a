package client_test

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// B29: a Windows image without layers got a layer that it does not have, and an
// entry with a digest that never existed.
func TestB29WindowsImageWithoutLayers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "windows", Architecture: "amd64", OSVersion: "10.0.20348.1"})
	if err != nil {
		t.Fatal(err)
	}
	digest := l.reg.Push(t, "acme/bp:windows", img)
	result := l.create("acme/bp:1", index.V2S2, "acme/bp:windows")
	entries := result.Index.Entries()
	if len(entries) != 1 || entries[0].Digest != digest || entries[0].PlatformString() != "windows/amd64:10.0.20348.1" {
		t.Errorf("the list has %+v, want %s", entries, digest)
	}
}
