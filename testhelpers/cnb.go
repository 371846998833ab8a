package testhelpers

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Names says how an archive spells the names of its members.
type Names string

// The spellings that occur: pack's, skopeo's and that of "tar -C dir .".
const (
	AbsoluteNames Names = "" // the zero value: /index.json
	RelativeNames Names = "index.json"
	DottedNames   Names = "./index.json"
)

// prefix stands before every name.
func (n Names) prefix() string {
	switch n {
	case RelativeNames:
		return ""
	case DottedNames:
		return "./"
	default:
		return "/"
	}
}

// Member is one member of a tar archive. Whoever changes Body changes
// Header.Size.
type Member struct {
	Header tar.Header
	Body   []byte
}

// CNB is an OCI layout in a tar archive. With Images alone it is what pack
// writes: an uncompressed tar, absolute names, the blobs first, an index.json
// whose descriptors have no platform.
type CNB struct {
	Images []v1.Image
	// Lists are nested: index.json refers to each as a list.
	Lists []v1.ImageIndex
	// Platforms gives the descriptors of Images the platforms of their configs.
	Platforms bool
	// Annotations are those of the descriptors, in order.
	Annotations []map[string]string
	// NoMediaType leaves the media type out of index.json, as skopeo does.
	NoMediaType bool
	Names       Names
	// Gzip compresses the archive.
	Gzip bool
	// IndexFirst puts the members in the opposite order.
	IndexFirst bool
	// Edit harms the members last of all.
	Edit func([]Member) []Member
}

// WriteCNB writes images to a file as pack does and returns the path.
func WriteCNB(tb testing.TB, path string, images ...v1.Image) string {
	tb.Helper()
	return CNB{Images: images}.Write(tb, path)
}

// Write writes the archive to a file and returns the path.
func (c CNB) Write(tb testing.TB, path string) string {
	tb.Helper()
	if err := os.WriteFile(path, c.Bytes(tb), 0o600); err != nil {
		tb.Fatalf("write %s: %v", path, err)
	}
	return path
}

// Bytes returns the archive.
func (c CNB) Bytes(tb testing.TB) []byte {
	tb.Helper()
	members := c.members(tb)
	if c.IndexFirst {
		slices.Reverse(members)
	}
	if c.Edit != nil {
		members = c.Edit(members)
	}
	raw := writeTar(tb, members)
	if c.Gzip {
		return zip(tb, raw)
	}
	return raw
}

func (c CNB) members(tb testing.TB) []Member {
	tb.Helper()
	blobs := map[string][]byte{}
	var manifests []v1.Descriptor
	for _, img := range c.Images {
		manifests = append(manifests, c.addImage(tb, blobs, img))
	}
	for _, ix := range c.Lists {
		manifests = append(manifests, addList(tb, blobs, ix))
	}
	for i, annotations := range c.Annotations {
		manifests[i].Annotations = annotations
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests}
	if c.NoMediaType {
		index.MediaType = ""
	}
	raw, err := json.MarshalIndent(index, "", "   ")
	if err != nil {
		tb.Fatalf("write index.json: %v", err)
	}
	p := c.Names.prefix()
	members := []Member{folder(p + "blobs"), folder(p + "blobs/sha256")}
	for _, hex := range slices.Sorted(maps.Keys(blobs)) {
		members = append(members, file(p+"blobs/sha256/"+hex, blobs[hex]))
	}
	return append(members, file(p+"index.json", raw),
		file(p+"oci-layout", []byte("{\n    \"imageLayoutVersion\": \"1.0.0\"\n}")))
}

func (c CNB) addImage(tb testing.TB, blobs map[string][]byte, img v1.Image) v1.Descriptor {
	tb.Helper()
	d := addImage(tb, blobs, img)
	if config, err := img.ConfigFile(); c.Platforms && err == nil {
		d.Platform = config.Platform()
	}
	return d
}

func addImage(tb testing.TB, blobs map[string][]byte, img v1.Image) v1.Descriptor {
	tb.Helper()
	layers, err := img.Layers()
	if err != nil {
		tb.Fatalf("read the layers: %v", err)
	}
	for _, l := range layers {
		addLayer(tb, blobs, l)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		tb.Fatalf("read the config: %v", err)
	}
	addBytes(tb, blobs, config)
	raw, err := img.RawManifest()
	if err != nil {
		tb.Fatalf("read the manifest: %v", err)
	}
	return described(tb, blobs, raw, img)
}

func addLayer(tb testing.TB, blobs map[string][]byte, l v1.Layer) {
	tb.Helper()
	rc, err := l.Compressed()
	if err != nil {
		tb.Fatalf("read a layer: %v", err)
	}
	defer rc.Close() //nolint:errcheck // it was only read
	raw, err := io.ReadAll(rc)
	if err != nil {
		tb.Fatalf("read a layer: %v", err)
	}
	addBytes(tb, blobs, raw)
}

func addList(tb testing.TB, blobs map[string][]byte, ix v1.ImageIndex) v1.Descriptor {
	tb.Helper()
	manifest, err := ix.IndexManifest()
	if err != nil {
		tb.Fatalf("read a list: %v", err)
	}
	for _, d := range manifest.Manifests {
		if d.MediaType.IsIndex() {
			child, err := ix.ImageIndex(d.Digest)
			if err != nil {
				tb.Fatalf("read a list in a list: %v", err)
			}
			addList(tb, blobs, child)
			continue
		}
		child, err := ix.Image(d.Digest)
		if err != nil {
			tb.Fatalf("read an image of a list: %v", err)
		}
		addImage(tb, blobs, child)
	}
	raw, err := ix.RawManifest()
	if err != nil {
		tb.Fatalf("read a list: %v", err)
	}
	return described(tb, blobs, raw, ix)
}

// typed is an image or a list.
type typed interface {
	MediaType() (types.MediaType, error)
}

// described keeps the bytes of a manifest and returns its descriptor.
func described(tb testing.TB, blobs map[string][]byte, raw []byte, m typed) v1.Descriptor {
	tb.Helper()
	mediaType, err := m.MediaType()
	if err != nil {
		tb.Fatalf("read the media type: %v", err)
	}
	return v1.Descriptor{MediaType: mediaType, Size: int64(len(raw)), Digest: addBytes(tb, blobs, raw)}
}

func addBytes(tb testing.TB, blobs map[string][]byte, raw []byte) v1.Hash {
	tb.Helper()
	h, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		tb.Fatalf("hash: %v", err)
	}
	blobs[h.Hex] = raw
	return h
}

// tarWriter is what tar.Writer and imgutil's writer of Windows layers share.
type tarWriter interface {
	io.WriteCloser
	WriteHeader(h *tar.Header) error
}

func writeTar(tb testing.TB, members []Member) []byte {
	tb.Helper()
	var out bytes.Buffer
	writeMembers(tb, tar.NewWriter(&out), members)
	return out.Bytes()
}

func writeMembers(tb testing.TB, w tarWriter, members []Member) {
	tb.Helper()
	for _, m := range members {
		if err := w.WriteHeader(&m.Header); err != nil {
			tb.Fatalf("write the header of %s: %v", m.Header.Name, err)
		}
		if _, err := w.Write(m.Body); err != nil {
			tb.Fatalf("write %s: %v", m.Header.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatalf("write a tar: %v", err)
	}
}

// Layout writes the archive's members into a directory instead: the same OCI
// layout, unpacked.
func (c CNB) Layout(tb testing.TB, dir string) string {
	tb.Helper()
	c.Names = RelativeNames
	for _, m := range c.members(tb) {
		path := filepath.Join(dir, filepath.FromSlash(m.Header.Name))
		if m.Header.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o700); err != nil {
				tb.Fatalf("make %s: %v", path, err)
			}
			continue
		}
		if err := os.WriteFile(path, m.Body, 0o600); err != nil {
			tb.Fatalf("write %s: %v", path, err)
		}
	}
	return dir
}
