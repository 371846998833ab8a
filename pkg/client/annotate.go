package client

import (
	"context"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// AnnotateRequest asks to set platform fields and annotations of one entry of a
// list that is kept, or annotations of the list.
type AnnotateRequest struct {
	Name        string
	Entry       string // as index.ParseSelector reads it; "" for the list itself
	Platform    index.PlatformPatch
	Annotations map[string]string
	// ArtifactType says what the list is, "" nothing; of the list itself only,
	// nil leaves it.
	ArtifactType *string
	Validation
}

// Annotate changes an entry or the list itself, asking no registry. On an error
// the list is as it was. ErrNotFound where there is no such list or entry.
func (c *Client) Annotate(ctx context.Context, req AnnotateRequest) (ListResult, error) {
	n, err := parseName(req.Name)
	edits, editErr := req.edits()
	if err := errors.Join(err, editErr); err != nil {
		return ListResult{}, err
	}
	known, err := c.selected(ctx, n, req.Entry)
	if err != nil {
		return ListResult{}, err
	}
	return c.update(ctx, n, changing{known: known, validation: req.Validation}, func(old *index.Index) (index.Index, index.Diff, error) {
		if old == nil {
			return index.Index{}, index.Diff{}, missingFault(n)
		}
		return old.Apply(edits...)
	})
}

func (req AnnotateRequest) edits() ([]index.Edit, error) {
	if req.Entry == "" {
		edits := []index.Edit{index.AnnotateIndex(req.Annotations)}
		if req.ArtifactType != nil {
			edits = append(edits, index.SetArtifactType(*req.ArtifactType))
		}
		return edits, nil
	}
	which, err := parseSelector(req.Entry)
	if err != nil {
		return nil, err
	}
	var edits []index.Edit
	// Annotations first: setting the platform may make a selector that names
	// the old platform mean nothing.
	if len(req.Annotations) > 0 {
		edits = append(edits, index.Annotate(which, req.Annotations))
	}
	if !req.Platform.IsZero() {
		edits = append(edits, index.SetPlatform(which, req.Platform))
	}
	return edits, nil
}

// selected returns what is kept of the entries that an argument may mean: the
// rules need not know the others, which stay as they were.
func (c *Client) selected(ctx context.Context, n index.Name, entry string) ([]index.Manifest, error) {
	list, err := c.store.Get(ctx, n)
	if err != nil || entry == "" {
		return nil, err
	}
	which, err := index.ParseSelector(entry)
	if err != nil {
		return nil, err
	}
	var known []index.Manifest
	for _, e := range list.Select(which) {
		m, err := c.child(ctx, n, e)
		if err != nil {
			return nil, err
		}
		known = append(known, m)
	}
	return known, nil
}

func platformOf(e index.Entry) v1.Platform {
	if e.Platform == nil {
		return v1.Platform{}
	}
	return *e.Platform
}
