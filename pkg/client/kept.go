package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// children reads what is kept of each entry. An entry whose manifest is not
// kept (upstream's lists have none) comes without it.
func (c *Client) children(ctx context.Context, n index.Name, ix index.Index) ([]index.Manifest, error) {
	var manifests []index.Manifest
	for _, e := range ix.Entries() {
		m, err := c.child(ctx, n, e)
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, m)
	}
	return manifests, nil
}

func (c *Client) child(ctx context.Context, n index.Name, e index.Entry) (index.Manifest, error) {
	m := index.Manifest{Entry: e}
	raw, err := c.read(ctx, n, e.Digest)
	if err != nil || raw == nil {
		return m, err
	}
	m.Raw = raw
	if e.MediaType.IsIndex() {
		return c.nested(ctx, n, m)
	}
	image, err := index.ParseImage(raw, e.MediaType)
	if err != nil {
		return m, fmt.Errorf("list %q: entry %s: %w", n.Familiar(), e.Digest, err)
	}
	if m.RawConfig, err = c.read(ctx, n, image.Config.Digest); err != nil {
		return m, err
	}
	if image.Config.MediaType.IsConfig() && m.RawConfig != nil {
		m.Config = &v1.ConfigFile{}
		if err := json.Unmarshal(m.RawConfig, m.Config); err != nil {
			return m, index.Faultf(index.ErrCorrupt, fmt.Sprintf("list %q", n.Familiar()), "config of %s: %w", e.Digest, err)
		}
	}
	for _, l := range image.Layers {
		b, err := c.store.Blob(ctx, n, l.Digest)
		switch {
		case err == nil:
			m.Layers = append(m.Layers, b)
		case !errors.Is(err, index.ErrNotFound):
			return m, err
		}
	}
	return m, nil
}

// nested reads what is kept of a list that is an entry.
func (c *Client) nested(ctx context.Context, n index.Name, m index.Manifest) (index.Manifest, error) {
	ix, err := index.Parse(m.Raw)
	if err != nil {
		return m, fmt.Errorf("list %q: entry %s: %w", n.Familiar(), m.Digest, err)
	}
	below := ix.WithOrigins(func(int, index.Entry) index.Origin { return m.Origin })
	m.Children, err = c.children(ctx, n, below)
	return m, err
}

// read returns content of a list, nil where it is not kept.
func (c *Client) read(ctx context.Context, n index.Name, digest v1.Hash) ([]byte, error) {
	b, err := c.store.Blob(ctx, n, digest)
	if errors.Is(err, index.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readBlob(b)
}

// readBlob reads a manifest or config, which the store verifies.
func readBlob(b index.Blob) (raw []byte, err error) {
	if b.Size > index.MaxManifest {
		return nil, index.Faultf(index.ErrCorrupt, b.Digest.String(), "a manifest or config of %d bytes", b.Size)
	}
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(r)
}
