package client

import (
	"context"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Taken is what a new list keeps of the list that is its only source.
type Taken struct {
	Source string // as typed, without credentials
	Format index.Format
	Digest v1.Hash // of the source
	Whole  bool    // the new list is the source, byte for byte
}

// material is what a new list is made of.
type material struct {
	manifests []index.Manifest
	format    index.Format
	// source is the list that the only source is, nil where there is none. With
	// whole, manifests are all that it refers to, as they were.
	source *index.Index
	whole  bool
}

// list makes the list, with edits of the list itself.
func (m material) list(own ...index.Edit) (index.Index, index.Diff, error) {
	fill := index.Add(entries(m.manifests)...)
	switch {
	case m.source == nil:
		return index.New(m.format).Apply(append([]index.Edit{fill}, own...)...)
	case m.whole:
		ix, _, err := m.source.Apply(own...)
		return ix, index.Diff{Added: ix.Entries()}, err
	}
	ix, _, err := m.source.Apply(append([]index.Edit{index.Empty(), index.Convert(m.format), fill}, own...)...)
	return ix, index.Diff{Added: ix.Entries()}, err
}

// collect resolves what a new list is made of. A list that is the only source is
// taken as it is unless the request wants something else of it.
func (c *Client) collect(ctx context.Context, req CreateRequest, sources []source) (material, error) {
	if len(sources) != 1 || req.Nested || sources[0].platform != nil {
		manifests, err := c.gather(ctx, sources, req.Selection, req.Format)
		return material{manifests: manifests, format: req.Format}, err
	}
	f, err := req.filter()
	if err != nil {
		return material{}, err
	}
	found, err := c.resolve(ctx, sources, asFound)
	if err != nil {
		return material{}, err
	}
	if len(found) != 1 || !found[0].MediaType.IsIndex() {
		manifests, err := c.pick(index.Flatten(found), f, req.Selection, req.Format)
		return material{manifests: manifests, format: req.Format}, err
	}
	return c.ofList(found[0], req, f)
}

// asFound leaves lists as they are. What has no image in the end comes to
// nothing.
func asFound(manifests []index.Manifest) []index.Manifest {
	if len(index.Flatten(manifests)) == 0 {
		return nil
	}
	return manifests
}

// ofList is collect for a list.
func (c *Client) ofList(root index.Manifest, req CreateRequest, f filter) (material, error) {
	list, err := index.Parse(root.Raw)
	if err != nil {
		return material{}, fmt.Errorf("source %q: %w", root.Origin.Ref, err)
	}
	root.Children = typedAs(root.Origin.Ref, root.Children)
	m := material{manifests: root.Children, format: req.Format, source: &list}
	if req.KeepFormat {
		m.format = list.Format()
	}
	s := req.Selection
	s.PreserveDigests = s.PreserveDigests || req.KeepFormat // nobody asked for other images
	m.whole = len(f) == 0 && !req.All && list.Format() == m.format && list.Len() == len(root.Children) &&
		(s.PreserveDigests || allIn(m.format, root.Children))
	if m.whole {
		list = list.WithOrigins(func(i int, _ index.Entry) index.Origin { return root.Children[i].Origin })
	} else if m.manifests, err = c.pick(index.Flatten(root.Children), f, s, m.format); err != nil {
		return material{}, err
	}
	c.tellTaken(root, req, m)
	return m, nil
}

// typedAs returns what a source came to with the source as it was typed.
func typedAs(ref string, manifests []index.Manifest) []index.Manifest {
	manifests = slices.Clone(manifests)
	several := len(slices.DeleteFunc(slices.Clone(manifests), index.Manifest.IsAttestation)) > 1
	for i, m := range manifests {
		manifests[i].Origin.Ref, manifests[i].Origin.Several = ref, several
		manifests[i].Children = typedAs(ref, m.Children)
	}
	return manifests
}

// allIn reports whether nothing would be converted to the format.
func allIn(to index.Format, manifests []index.Manifest) bool {
	for _, m := range manifests {
		if f, ok := index.FormatOf(m.MediaType); ok && f != to || !allIn(to, m.Children) {
			return false
		}
	}
	return true
}

func (c *Client) tellTaken(root index.Manifest, req CreateRequest, m material) {
	t := Taken{Source: root.Origin.Ref, Format: m.format, Digest: root.Digest, Whole: m.whole && len(req.Annotations) == 0 && req.ArtifactType == ""}
	if t.Whole || req.KeepFormat && m.format != req.Format {
		c.observe(Event{Taken: &t})
	}
}
