package client

import (
	"context"
	"errors"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// InspectRequest asks for a list that is kept, or else for what a registry has.
type InspectRequest struct{ Reference string }

// InspectResult is a list or a manifest, exactly.
type InspectResult struct {
	index.Document
	Local bool         // it is kept here, not fetched from a registry
	Name  string       // in full
	Index *index.Index // nil where the document is no list
}

// Inspect returns the list that is kept under a name or, where there is none,
// what the registry has there. ErrNotFound where neither has it; a corrupt list
// is an error, not a reason to look elsewhere.
func (c *Client) Inspect(ctx context.Context, req InspectRequest) (InspectResult, error) {
	if n, err := parseName(req.Reference); err == nil {
		ix, err := c.store.Get(ctx, n)
		if err == nil {
			return inspectLocal(n, ix)
		}
		if !errors.Is(err, index.ErrNotFound) {
			return InspectResult{}, err
		}
	}
	return c.inspectRemote(ctx, req.Reference)
}

func inspectLocal(n index.Name, ix index.Index) (InspectResult, error) {
	raw, err := ix.RawManifest()
	if err != nil {
		return InspectResult{}, err
	}
	return InspectResult{
		Document: index.Document{MediaType: string(ix.Format().IndexType()), Digest: ix.Digest(), Raw: raw},
		Local:    true, Name: n.String(), Index: &ix,
	}, nil
}

func (c *Client) inspectRemote(ctx context.Context, reference string) (InspectResult, error) {
	ref, err := parseReference(reference)
	if err != nil {
		return InspectResult{}, err
	}
	doc, err := c.registry.Fetch(ctx, reference)
	if err != nil {
		return InspectResult{}, err
	}
	result := InspectResult{Document: doc, Name: ref.Name()}
	if types.MediaType(doc.MediaType).IsIndex() {
		ix, err := index.Parse(doc.Raw)
		if err != nil {
			return InspectResult{}, err
		}
		result.Index = &ix
	}
	return result, nil
}
