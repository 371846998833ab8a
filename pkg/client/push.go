package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// PushRequest asks to publish a list that is kept.
type PushRequest struct {
	Name   string
	Format *index.Format // nil for the list's own; the images are converted, too
	// PreserveDigests converts the list only.
	PreserveDigests bool
	// Destinations are where it goes in place of its own name.
	Destinations []string
	Tags         []string // further tags of each repository
	// IfTag is what the first tag of each repository must name before the list
	// is written: a digest, or "absent". Empty allows all. A tag that names the
	// list already is fine.
	IfTag string
	// Referrers brings along what refers to the images where they come from:
	// signatures, SBOMs, attestations. What refers to an image as it was before
	// it was converted is an ErrInvalid.
	Referrers bool
	Validation
	Purge bool // delete the list here once it is published and verified
	// DryRun writes nothing anywhere and tells what would be done.
	DryRun bool
}

// Push publishes a list that is kept: children first, for all destinations, then
// the list, then its further tags. Whatever stops it, an *index.Unfinished says
// which destinations have the list; before the content is everywhere, none has.
// The same request again does only what is missing. ErrNotFound where there
// is no such list; ErrInvalid as *index.Rejection before anything is written;
// ErrConflict where a tag is not what IfTag says.
func (c *Client) Push(ctx context.Context, req PushRequest) (ListResult, error) {
	n, p, err := req.parse()
	if err != nil {
		return ListResult{}, err
	}
	if req.DryRun {
		c = c.rehearsal()
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
	known := children
	if req.Deep {
		if known, err = c.complete(ctx, n, children); err != nil {
			return ListResult{}, err
		}
	}
	if result.Findings, err = c.checked(ctx, req.Validation, result.Index, known); err != nil {
		return ListResult{}, err
	}
	p.children = children
	c.registry.WillPublish(p.tags[0].Repository, origins(result.Index))
	if result, err = c.publish(ctx, p, result); err != nil {
		return ListResult{}, err
	}
	if req.Purge {
		return result, c.purge(ctx, n, ix)
	}
	return result, nil
}

// purge deletes a list that was published, unless somebody changed it in the
// meantime: then what was published is not what is kept.
func (c *Client) purge(ctx context.Context, n index.Name, published index.Index) error {
	now, err := c.store.Get(ctx, n)
	if err != nil {
		return err
	}
	if now.Digest() != published.Digest() {
		return index.Faultf(index.ErrConflict, fmt.Sprintf("list %q", n.Familiar()),
			"it was published, and was changed here in the meantime, so it is kept")
	}
	return c.store.Delete(ctx, n)
}

func (req PushRequest) parse() (index.Name, publishing, error) {
	n, err := parseName(req.Name)
	p := publishing{to: []index.Name{n}, referrers: req.Referrers}
	faults := []error{err}
	if len(req.Destinations) > 0 {
		p.to = nil
	}
	for _, text := range req.Destinations {
		to, err := parseName(text)
		faults = append(faults, err)
		if err == nil && !slices.Contains(p.to, to) {
			p.to = append(p.to, to)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return n, p, err
	}
	return n, p, p.parse(req.Tags, req.IfTag)
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
