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
	Validation
	Purge bool // delete the list here once it is published and verified
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
		if children, err = c.reformat(&result, children, req); err != nil {
			return ListResult{}, err
		}
	}
	if err := c.pushTo(ctx, result.Index, children, to, req.Validation); err != nil {
		return ListResult{}, err
	}
	if req.Purge {
		return result, c.store.Delete(ctx, n)
	}
	return result, nil
}

// reformat brings a list and its children into the format of the request and
// returns the children.
func (c *Client) reformat(list *ListResult, children []index.Manifest, req PushRequest) ([]index.Manifest, error) {
	to := *req.Format
	if !req.PreserveDigests {
		var err error
		if children, err = c.convertKept(children, to); err != nil {
			return nil, err
		}
	}
	var err error
	list.Index, list.Diff, err = list.Index.Apply(index.Substitute(children...), index.Convert(to))
	return inOrder(list.Index, children), err
}

// convertKept converts children of a list that is kept. One whose manifest is
// not kept cannot be.
func (c *Client) convertKept(children []index.Manifest, to index.Format) ([]index.Manifest, error) {
	for _, m := range children {
		if f, ok := index.FormatOf(m.MediaType); ok && f != to && m.Raw == nil {
			return nil, contentMissing(m)
		}
	}
	return c.convert(children, to)
}

func (c *Client) pushTo(ctx context.Context, ix index.Index, children []index.Manifest, to []name.Tag, v Validation) error {
	look, err := c.inspector(ctx, v, children)
	if err != nil {
		return err
	}
	findings, err := look.check(ix, index.Publish)
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
