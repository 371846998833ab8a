package testhelpers

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Saved is an image as a Docker daemon saves it. The zero value of all but Image
// is what Docker before version 25 writes: a folder with a layer.tar for each
// layer, which is a link where the layer was there before.
type Saved struct {
	Image v1.Image
	Ref   string
	// Layout is what Docker from version 25 on writes: an OCI layout with
	// uncompressed layers, beside the same manifest.json.
	Layout bool
	// Without leaves out the layer of this number; 0 none, 1 the first one.
	Without int
	// Sources are what manifest.json says of layers that are elsewhere.
	Sources map[v1.Hash]v1.Descriptor
	// Edit harms the members last of all.
	Edit func([]Member) []Member
}

// ID is what a daemon with the classic store calls the image: the digest of its
// config.
func (s Saved) ID(tb testing.TB) string {
	tb.Helper()
	id, err := s.Image.ConfigName()
	if err != nil {
		tb.Fatalf("read the config: %v", err)
	}
	return id.String()
}

// In gives the image to a daemon.
func (s Saved) In(tb testing.TB, d *Daemon) {
	tb.Helper()
	d.Hold(s.Ref, DaemonImage{ID: s.ID(tb), Saved: s.Bytes(tb)})
}

type savedItem struct {
	Config       string
	RepoTags     []string
	Layers       []string
	LayerSources map[string]v1.Descriptor `json:",omitempty"`
}

// Bytes returns the archive.
func (s Saved) Bytes(tb testing.TB) []byte {
	tb.Helper()
	config, err := s.Image.RawConfigFile()
	if err != nil {
		tb.Fatalf("read the config: %v", err)
	}
	hex := s.ID(tb)[len("sha256:"):]
	item := savedItem{Config: hex + ".json", RepoTags: []string{s.Ref}, LayerSources: map[string]v1.Descriptor{}}
	if s.Layout {
		item.Config = "blobs/sha256/" + hex
	}
	for h, d := range s.Sources {
		item.LayerSources[h.String()] = d
	}
	members := append([]Member{file(item.Config, config)}, s.layers(tb, &item)...)
	if s.Layout {
		members = append(members, s.layoutFiles(tb, config, item)...)
	}
	members = append(members, file("manifest.json", marshal(tb, []savedItem{item})))
	if s.Edit != nil {
		members = s.Edit(members)
	}
	return writeTar(tb, members)
}

// layers returns the members of the layers, and names them in the item.
func (s Saved) layers(tb testing.TB, item *savedItem) []Member {
	tb.Helper()
	layers, err := s.Image.Layers()
	if err != nil {
		tb.Fatalf("read the layers: %v", err)
	}
	var members []Member
	first := map[string]string{}
	for i, l := range layers {
		id, content := uncompressed(tb, l)
		name := "blobs/sha256/" + id
		if !s.Layout {
			folderName := string(rune('a'+i)) + id[1:]
			members = append(members, folder(folderName), file(folderName+"/VERSION", []byte("1.0")))
			name = folderName + "/layer.tar"
		}
		item.Layers = append(item.Layers, name)
		switch before := first[id]; {
		case i+1 == s.Without, s.Layout && before != "":
		case before != "":
			members = append(members, Member{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: "../" + before, Mode: 0o777}})
		default:
			first[id] = name
			members = append(members, file(name, content))
		}
	}
	return members
}

func (s Saved) layoutFiles(tb testing.TB, config []byte, item savedItem) []Member {
	tb.Helper()
	blobs := map[string][]byte{}
	m := v1.Manifest{SchemaVersion: 2, MediaType: "application/vnd.oci.image.manifest.v1+json", Config: v1.Descriptor{
		MediaType: "application/vnd.oci.image.config.v1+json", Digest: addBytes(tb, map[string][]byte{}, config), Size: int64(len(config)),
	}}
	layers, err := s.Image.Layers()
	if err != nil {
		tb.Fatalf("read the layers: %v", err)
	}
	for _, l := range layers {
		id, content := uncompressed(tb, l)
		m.Layers = append(m.Layers, v1.Descriptor{
			MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: v1.Hash{Algorithm: "sha256", Hex: id}, Size: int64(len(content)),
		})
	}
	digest := addBytes(tb, blobs, marshal(tb, m))
	list := v1.IndexManifest{SchemaVersion: 2, MediaType: "application/vnd.oci.image.index.v1+json", Manifests: []v1.Descriptor{{
		MediaType: m.MediaType, Digest: digest, Size: int64(len(blobs[digest.Hex])), Annotations: map[string]string{"io.containerd.image.name": item.RepoTags[0]},
	}}}
	return []Member{
		file("blobs/sha256/"+digest.Hex, blobs[digest.Hex]), file("index.json", marshal(tb, list)),
		file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)),
	}
}

func uncompressed(tb testing.TB, l v1.Layer) (hex string, content []byte) {
	tb.Helper()
	id, err := l.DiffID()
	if err != nil {
		tb.Fatalf("read a layer: %v", err)
	}
	r, err := l.Uncompressed()
	if err != nil {
		tb.Fatalf("read a layer: %v", err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	if content, err = io.ReadAll(r); err != nil {
		tb.Fatalf("read a layer: %v", err)
	}
	return id.Hex, content
}

func marshal(tb testing.TB, v any) []byte {
	tb.Helper()
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(v); err != nil {
		tb.Fatalf("write JSON: %v", err)
	}
	return out.Bytes()
}
