package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// PushRequest asks to publish a list that is kept.
type PushRequest struct {
	Name   string
	Format *index.Format // nil for the list's own
	Tags   []string      // further tags of the same repository
	Purge  bool          // delete the list here once it is published and verified
}

// Push publishes a list that is kept: children first, then the list, then its
// further tags. Whatever stops it, nothing but untagged content is left behind,
// and the same request again does only what is missing. ErrNotFound where there
// is no such list; ErrInvalid as *index.Rejection before anything is written.
func (c *Client) Push(ctx context.Context, req PushRequest) (ListResult, error) {
	n, err := parseName(req.Name)
	if err != nil {
		return ListResult{}, err
	}
	to, err := tags(n.Tag(), req.Tags)
	if err != nil {
		return ListResult{}, err
	}
	ix, err := c.store.Get(ctx, n)
	if err != nil {
		return ListResult{}, err
	}
	result := ListResult{Name: n, Index: ix}
	if req.Format != nil {
		if result.Index, result.Diff, err = ix.Apply(index.Convert(*req.Format)); err != nil {
			return ListResult{}, err
		}
	}
	if err := c.pushTo(ctx, n, result.Index, to); err != nil {
		return ListResult{}, err
	}
	if req.Purge {
		return result, c.store.Delete(ctx, n)
	}
	return result, nil
}

func (c *Client) pushTo(ctx context.Context, n index.Name, ix index.Index, to []name.Tag) error {
	children, err := c.children(ctx, n, ix)
	if err != nil {
		return err
	}
	findings, err := check(ix, index.Publish, children)
	c.report(findings)
	if err != nil {
		return err
	}
	c.registry.WillPublish(to[0].Repository, origins(ix))
	return c.publish(ctx, index.Publication{Index: ix, Children: children, To: to})
}

// origins returns the repositories that the entries come from.
func origins(ix index.Index) []name.Repository {
	var repos []name.Repository
	for _, e := range ix.Entries() {
		if repo, ok := e.Origin.Repo(); ok {
			repos = append(repos, repo)
		}
	}
	return repos
}

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
