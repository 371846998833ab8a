package client

import (
	"context"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// PushRequest asks to publish a list that is kept.
type PushRequest struct {
	Name   string
	Format *index.Format // nil for the list's own; the images are converted, too
	// PreserveDigests converts the list only.
	PreserveDigests bool
	Tags            []string // further tags of the same repository
	Purge           bool     // delete the list here once it is published and verified
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
	children, err := c.children(ctx, n, ix)
	if err != nil {
		return ListResult{}, err
	}
	result := ListResult{Name: n, Index: ix}
	if req.Format != nil {
		if result.Index, children, err = c.reformat(ix, children, req); err != nil {
			return ListResult{}, err
		}
	}
	if err := c.pushTo(ctx, result.Index, children, to); err != nil {
		return ListResult{}, err
	}
	if req.Purge {
		return result, c.store.Delete(ctx, n)
	}
	return result, nil
}

// reformat returns a list and its children in the format of the request.
func (c *Client) reformat(ix index.Index, children []index.Manifest, req PushRequest) (index.Index, []index.Manifest, error) {
	to := *req.Format
	if !req.PreserveDigests {
		for _, m := range children {
			if f, ok := index.FormatOf(m.MediaType); ok && f != to && m.Raw == nil {
				return ix, nil, contentMissing(m)
			}
		}
		var err error
		if children, err = c.convert(children, to); err != nil {
			return ix, nil, err
		}
	}
	ix, _, err := ix.Apply(index.Substitute(children...), index.Convert(to))
	return ix, inOrder(ix, children), err
}

func (c *Client) pushTo(ctx context.Context, ix index.Index, children []index.Manifest, to []name.Tag) error {
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
