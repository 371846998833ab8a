package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// saved is an image in a temporary file, as "docker save" writes it
// (https://github.com/moby/docker-image-spec/blob/main/v1.3.md#combined-image-json--filesystem-changeset-format).
type saved struct {
	client *Client
	path   string
	origin index.Origin
	id     string // what the daemon calls the image
}

// item is one image of manifest.json.
type item struct {
	Config string
	Layers []string
	// LayerSources are the layers that are elsewhere, by diff ID. Docker from
	// version 25 on names all others, too.
	LayerSources map[v1.Hash]v1.Descriptor
}

// resolve reads the image.
func (s saved) resolve(ctx context.Context) (_ []index.Manifest, err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	a, err := openArchive(ctx, f)
	if err != nil {
		return nil, err
	}
	items, err := a.items()
	if err != nil {
		return nil, err
	}
	if a.has("oci-layout") && a.has("index.json") {
		plain, err := a.plain(items)
		if err != nil {
			return nil, err
		}
		if !plain {
			return s.layout(ctx)
		}
	}
	if len(items) != 1 {
		return nil, fmt.Errorf("what the daemon saved has %d images, want one", len(items))
	}
	m, err := s.classic(ctx, a, items[0])
	return []index.Manifest{m}, err
}

// items reads manifest.json, which may be missing beside an OCI layout.
func (a *archive) items() ([]item, error) {
	const name = "manifest.json"
	if !a.has(name) && a.has("index.json") {
		return nil, nil
	}
	raw, err := a.read(name)
	if err != nil {
		return nil, err
	}
	var items []item
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return items, nil
}

// plain reports whether the images have layers and all that are there are
// uncompressed: then it is the daemon that made their manifests, and not the
// registry that they came from.
func (a *archive) plain(items []item) (bool, error) {
	layers := 0
	for _, i := range items {
		for _, name := range i.Layers {
			m, ok, err := a.find(name)
			if err != nil {
				return false, err
			}
			if !ok {
				continue
			}
			zipped, err := a.zipped(m)
			if err != nil || zipped {
				return false, err
			}
			layers++
		}
	}
	return layers > 0, nil
}

// zipped reports whether a member begins as gzip (RFC 1952, 2.3.1) or zstd (RFC
// 8878, 3.1.1) do.
func (a *archive) zipped(m member) (bool, error) {
	front := make([]byte, min(m.size, 4))
	if _, err := a.file.ReadAt(front, m.offset); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.HasPrefix(front, []byte{0x1f, 0x8b}) || bytes.Equal(front, []byte{0x28, 0xb5, 0x2f, 0xfd}), nil
}

// layout reads what a daemon with containerd's store has as it came from its
// registry.
func (s saved) layout(ctx context.Context) ([]index.Manifest, error) {
	if s.client.opts.Layout == nil {
		return nil, errors.New("what the daemon saved is an OCI layout")
	}
	found, err := s.client.opts.Layout(ctx, s.path)
	if err != nil {
		return nil, err
	}
	found = index.Flatten(found)
	for i := range found {
		found[i].Origin = s.origin
		found[i].Origin.Pin = found[i].Digest
	}
	return found, nil
}

// classic reads an image with uncompressed layers and makes its manifest.
func (s saved) classic(ctx context.Context, a *archive, i item) (index.Manifest, error) {
	raw, config, err := s.config(a, i)
	if err != nil {
		return index.Manifest{}, err
	}
	m := index.Manifest{RawConfig: raw, Config: config}
	image := v1.Manifest{
		SchemaVersion: 2, MediaType: types.DockerManifestSchema2,
		Config: v1.Descriptor{MediaType: types.DockerConfigJSON, Digest: index.DigestOf(raw), Size: int64(len(raw))},
		Layers: []v1.Descriptor{},
	}
	known := map[v1.Hash]v1.Descriptor{}
	for n, diffID := range config.RootFS.DiffIDs {
		d, ok := known[diffID]
		if !ok {
			var blob *index.Blob
			if d, blob, err = s.layer(ctx, a, i, n, diffID); err != nil {
				return index.Manifest{}, err
			}
			if blob != nil {
				m.Layers = append(m.Layers, *blob)
			}
			known[diffID] = d
		}
		image.Layers = append(image.Layers, d)
	}
	if m.Raw, err = json.Marshal(image); err != nil {
		return index.Manifest{}, err
	}
	m.Entry = index.Entry{Origin: s.origin, Descriptor: v1.Descriptor{
		MediaType: image.MediaType, Digest: index.DigestOf(m.Raw), Size: int64(len(m.Raw)), Platform: index.ConfigPlatform(config),
	}}
	m.Origin.Pin = m.Digest
	return m, nil
}

// config returns the config's bytes, whose digest is what the daemon calls the
// image.
func (s saved) config(a *archive, i item) ([]byte, *v1.ConfigFile, error) {
	raw, err := a.read(i.Config)
	if err != nil {
		return nil, nil, err
	}
	if digest := index.DigestOf(raw); digest.String() != s.id {
		return nil, nil, index.Faultf(index.ErrConflict, "", "the daemon has it as %s, but saved %s: it was changed meanwhile", s.id, digest)
	}
	var config v1.ConfigFile
	if err := json.Unmarshal(raw, &config); err != nil {
		return nil, nil, fmt.Errorf("config: %w", err)
	}
	if ids := len(config.RootFS.DiffIDs); ids != len(i.Layers) {
		return nil, nil, fmt.Errorf("its config has %d diff_ids, but the daemon saved %d layers", ids, len(i.Layers))
	}
	return raw, &config, nil
}

// layer describes the layer of a diff ID, and says how to read it; blob is nil
// where it is to be read elsewhere.
func (s saved) layer(ctx context.Context, a *archive, i item, n int, diffID v1.Hash) (v1.Descriptor, *index.Blob, error) {
	if d, ok := i.LayerSources[diffID]; ok && (len(d.URLs) > 0 || !d.MediaType.IsDistributable()) {
		return elsewhere(d)
	}
	m, ok, err := a.find(i.Layers[n])
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	if !ok {
		return v1.Descriptor{}, nil, fmt.Errorf("the daemon left its layer %s out, and says no URL where it is", diffID)
	}
	b, err := s.compress(ctx, a, m, diffID)
	if err != nil {
		return v1.Descriptor{}, nil, fmt.Errorf("layer %s: %w", diffID, err)
	}
	return v1.Descriptor{MediaType: types.DockerLayer, Digest: b.Digest, Size: b.Size}, &b, nil
}

// elsewhere describes a layer that is not to be distributed (image-spec,
// layer.md, "Non-Distributable Layers").
func elsewhere(d v1.Descriptor) (v1.Descriptor, *index.Blob, error) {
	if len(d.URLs) == 0 || d.Digest.Hex == "" || d.Size <= 0 {
		return d, nil, fmt.Errorf("its layer %s is not to be distributed, and the daemon says no URL where it is", d.Digest)
	}
	return v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, URLs: d.URLs}, nil, nil
}

// compress finds out what a layer is when it is compressed, and compares it
// with its diff ID.
func (s saved) compress(ctx context.Context, a *archive, m member, diffID v1.Hash) (index.Blob, error) {
	plain, zipped := sha256.New(), sha256.New()
	content := io.TeeReader(&patient{io.NewSectionReader(a.file, m.offset, m.size), ctx.Err}, plain)
	z := newZipper(s.client.zippers, content, nil)
	size, err := io.Copy(zipped, z)
	if err = errors.Join(err, z.Close()); err != nil {
		return index.Blob{}, err
	}
	if got := digestOf(plain); got != diffID {
		return index.Blob{}, fmt.Errorf("the daemon saved %s in its place", got)
	}
	path := s.path
	return index.Blob{Digest: digestOf(zipped), Size: size, Open: func() (io.ReadCloser, error) {
		return s.client.zipped(path, m)
	}}, nil
}

func digestOf(sum hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

// patient reads until it is stopped.
type patient struct {
	io.Reader
	stop func() error
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	if err := p.stop(); err != nil {
		return 0, err
	}
	return p.Reader.Read(b)
}
