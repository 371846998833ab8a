package client

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// CreateRequest asks for a list of sources.
type CreateRequest struct {
	Name    string
	Sources []string // at least one, in the order that the list shall have
	Selection
	Validation
	Format index.Format
	// KeepFormat says that Format is but the default: a list that is the only
	// source keeps its own.
	KeepFormat  bool
	Annotations map[string]string // of the list; an error with index.V2S2
	// ArtifactType says what the list is, if it is more than the images of one
	// thing; an error with index.V2S2.
	ArtifactType string

	// Replace makes the list anew where there is one; Amend adds to it.
	Replace, Amend bool

	// Publish writes the list to its registry and keeps nothing. Tags are
	// further tags of the same repository.
	Publish bool
	Tags    []string
	// IfTag is what the name must name in its registry before it is published:
	// a digest, or "absent". Empty allows all.
	IfTag string
	// Referrers brings signatures and other referrers of the images along, with
	// Publish.
	Referrers bool
	// DryRun writes nothing anywhere. With Publish it tells what would be done,
	// as far as the registry can be reached.
	DryRun bool
}

// Create makes a list of images and keeps it, or publishes it. A list that is
// the only source and that nothing of the request changes is taken as it is:
// the same bytes, the same digest. Where something does (platforms, annotations,
// another format), the new list keeps what the source says of itself. On an error
// nothing is kept and nothing is tagged. Errors: ErrUsage for the request
// itself, ErrExists where a list of the name is kept already, ErrInvalid as
// *index.Rejection, and those of the sources and the registry.
func (c *Client) Create(ctx context.Context, req CreateRequest) (ListResult, error) {
	listName, sources, err := req.parse()
	if err != nil {
		return ListResult{}, err
	}
	if req.DryRun {
		c = c.rehearsal()
	}
	if req.Publish {
		return c.createPublished(ctx, req, listName, sources)
	}
	return c.createLocal(ctx, req, listName, sources)
}

func (req CreateRequest) parse() (index.Name, []source, error) {
	listName, nameErr := parseName(req.Name)
	sources, sourceErr := parseSources(req.Sources)
	if len(req.Sources) == 0 {
		sourceErr = index.Faultf(index.ErrUsage, "", "no source: name at least one image, list or .cnb file")
	}
	return listName, sources, errors.Join(nameErr, sourceErr)
}

func (c *Client) createLocal(ctx context.Context, req CreateRequest, n index.Name, sources []source) (ListResult, error) {
	made, err := c.collectFor(ctx, req, n, sources)
	if err != nil {
		return ListResult{}, err
	}
	known, err := c.beside(ctx, req, n, made.manifests)
	if err != nil {
		return ListResult{}, err
	}
	c.tellUnkept(made.manifests)
	change := changing{content: made.manifests, known: known, validation: req.Validation}
	return c.update(ctx, n, change, func(old *index.Index) (index.Index, index.Diff, error) {
		switch {
		case old == nil || req.Replace:
			return made.list(req.edits()...)
		case req.Amend:
			return old.Apply(append([]index.Edit{index.Add(entries(made.manifests)...)}, req.edits()...)...)
		}
		return index.Index{}, index.Diff{}, existsFault(n)
	})
}

// edits are what the list itself gets.
func (req CreateRequest) edits() []index.Edit {
	edits := []index.Edit{index.AnnotateIndex(req.Annotations)}
	if req.ArtifactType != "" {
		edits = append(edits, index.SetArtifactType(req.ArtifactType))
	}
	return edits
}

// tellUnkept tells of images from files that something refers to: of images in
// registries it can be looked for later.
func (c *Client) tellUnkept(manifests []index.Manifest) {
	for _, m := range manifests {
		if n := len(m.Referrers); n > 0 {
			c.observe(Event{Unkept: &index.Lost{List: m.Origin.Ref + "@" + m.Digest.String(), Referrers: n}})
		}
	}
}

// edit makes a list of the one that is kept, nil for none. It is pure.
type edit func(old *index.Index) (index.Index, index.Diff, error)

// changing is what a change of a list brings and is checked with.
type changing struct {
	content    []index.Manifest // to be kept with the list
	known      []index.Manifest // what the rules may know of its entries
	validation Validation
}

// update changes the list that is kept, if the rules let it, and reports what
// they found.
func (c *Client) update(ctx context.Context, n index.Name, with changing, change edit) (ListResult, error) {
	with.validation.Deep = false // what is kept can still be looked into
	look, err := c.inspector(ctx, with.validation, with.known)
	if err != nil {
		return ListResult{}, err
	}
	result := ListResult{Name: n}
	var findings []index.Finding
	err = c.store.Update(ctx, n, blobs(with.content), func(old *index.Index) (index.Index, error) {
		ix, diff, err := change(old)
		if err != nil {
			return index.Index{}, err
		}
		result.Index, result.Diff = ix, diff
		findings, err = look.check(ix, index.Local)
		return ix, err
	})
	c.report(findings, err)
	if err != nil {
		return ListResult{}, err
	}
	return result, nil
}

// beside returns the new images and, where a list is added to, those that it
// has, without their layers: they were looked into when they were added.
func (c *Client) beside(ctx context.Context, req CreateRequest, n index.Name, manifests []index.Manifest) ([]index.Manifest, error) {
	if !req.Amend {
		return manifests, nil
	}
	old, err := c.store.Get(ctx, n)
	if errors.Is(err, index.ErrNotFound) {
		return manifests, nil
	}
	if err != nil {
		return nil, err
	}
	return c.withKept(ctx, n, old, manifests)
}

func (c *Client) withKept(ctx context.Context, n index.Name, ix index.Index, manifests []index.Manifest) ([]index.Manifest, error) {
	kept, err := c.children(ctx, n, ix)
	if err != nil {
		return nil, err
	}
	for i := range kept {
		kept[i].Layers = nil
	}
	return append(kept, manifests...), nil
}

// collectFor resolves what the list that is going to be is made of, in the
// format of the list that is amended, if there is one. No registry is asked for
// a list that cannot be made.
func (c *Client) collectFor(ctx context.Context, req CreateRequest, n index.Name, sources []source) (material, error) {
	if req.Replace {
		return c.collect(ctx, req, sources)
	}
	old, err := c.store.Get(ctx, n)
	switch {
	case err == nil && req.Amend:
		manifests, err := c.gather(ctx, sources, req.Selection, old.Format())
		return material{manifests: manifests, format: old.Format()}, err
	case err == nil:
		return material{}, existsFault(n)
	case errors.Is(err, index.ErrNotFound):
		return c.collect(ctx, req, sources)
	}
	return material{}, err
}

func existsFault(n index.Name) error {
	return index.Faultf(index.ErrExists, fmt.Sprintf("list %q", n.Familiar()), "it already exists in local storage")
}

func (c *Client) createPublished(ctx context.Context, req CreateRequest, n index.Name, sources []source) (ListResult, error) {
	p := publishing{to: []index.Name{n}, fresh: true, referrers: req.Referrers}
	if err := p.parse(req.Tags, req.IfTag); err != nil {
		return ListResult{}, err
	}
	c.registry.WillPublish(p.tags[0].Repository, repositories(sources))
	made, err := c.collect(ctx, req, sources)
	if err != nil {
		return ListResult{}, err
	}
	ix, diff, err := made.list(req.edits()...)
	if err != nil {
		return ListResult{}, err
	}
	findings, err := c.checked(ctx, req.Validation, ix, made.manifests)
	if err != nil {
		return ListResult{}, err
	}
	p.children = inOrder(ix, made.manifests)
	return c.publish(ctx, p, ListResult{Name: n, Index: ix, Diff: diff, Findings: findings})
}

// inOrder returns the content of each entry of ix. Images that were given twice
// are one entry.
func inOrder(ix index.Index, manifests []index.Manifest) []index.Manifest {
	byDigest := map[v1.Hash]index.Manifest{}
	for _, m := range manifests {
		if _, ok := byDigest[m.Digest]; !ok {
			byDigest[m.Digest] = m
		}
	}
	var children []index.Manifest
	for _, e := range ix.Entries() {
		m := byDigest[e.Digest]
		m.Entry = e
		children = append(children, m)
	}
	return children
}

// entries returns the entries of images. Some tools write the media type of an
// image's config into its descriptor as artifactType; that says nothing, and a
// Docker list has no place for it.
func entries(manifests []index.Manifest) []index.Entry {
	es := make([]index.Entry, len(manifests))
	for i, m := range manifests {
		es[i] = m.Entry
		if types.MediaType(m.ArtifactType).IsConfig() {
			es[i].ArtifactType = ""
		}
	}
	return es
}

func blobs(manifests []index.Manifest) []index.Blob {
	var all []index.Blob
	for _, m := range manifests {
		all = append(all, m.Blobs()...)
	}
	return all
}
