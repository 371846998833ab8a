package client

import (
	"context"
	"errors"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// ValidateRequest asks what the rules find in a list that is kept, in a list or
// image in a registry, or in sources taken together.
type ValidateRequest struct {
	References []string // one list that is kept, or sources as for Create
	Validation
}

// ValidateResult is what the rules found, entry by entry: notes, warnings and
// errors.
type ValidateResult struct {
	Index    index.Index
	Findings []index.Finding
}

// Validate lets all rules look as before publishing. It writes nothing.
// Findings that would stop publishing are no error of Validate: see
// [ValidateResult.Valid].
func (c *Client) Validate(ctx context.Context, req ValidateRequest) (ValidateResult, error) {
	ix, manifests, err := c.subject(ctx, req.References)
	if err != nil {
		return ValidateResult{}, err
	}
	look, err := c.inspector(ctx, req.Validation, manifests)
	if err != nil {
		return ValidateResult{}, err
	}
	return ValidateResult{Index: ix, Findings: look.all(ix)}, nil
}

// Valid reports whether nothing was found that would stop publishing.
func (r ValidateResult) Valid() bool {
	for _, f := range r.Findings {
		if f.Severity == index.Error {
			return false
		}
	}
	return true
}

// all returns what the rules find in a list that is to be published.
func (i inspector) all(ix index.Index) []index.Finding {
	findings, err := i.policy.Judge(ix.ByEntry(ix.Check(i.rules...)), index.Publish)
	var rejected *index.Rejection
	if err != nil && !errors.As(err, &rejected) {
		return nil // the policy was checked when the inspector was made
	}
	return findings
}

// subject returns the list that the references mean, and its images.
func (c *Client) subject(ctx context.Context, references []string) (index.Index, []index.Manifest, error) {
	if len(references) == 1 {
		ix, manifests, err := c.subjectKept(ctx, references[0])
		if !errors.Is(err, index.ErrNotFound) {
			return ix, manifests, err
		}
	}
	sources, err := parseSources(references)
	if err != nil {
		return index.Index{}, nil, err
	}
	found, err := c.resolve(ctx, sources, nested)
	if err != nil {
		return index.Index{}, nil, err
	}
	manifests := index.Flatten(found)
	if len(found) == 1 && found[0].MediaType.IsIndex() {
		ix, err := index.Parse(found[0].Raw)
		return ix.WithOrigins(func(int, index.Entry) index.Origin { return found[0].Origin }), manifests, err
	}
	ix, _, err := index.New(formatOf(manifests)).Apply(index.Add(entries(manifests)...))
	return ix, manifests, err
}

func (c *Client) subjectKept(ctx context.Context, reference string) (index.Index, []index.Manifest, error) {
	n, err := index.ParseName(reference)
	if err != nil {
		return index.Index{}, nil, &index.Fault{Kind: index.ErrNotFound, Thing: reference} // a source, then
	}
	ix, err := c.store.Get(ctx, n)
	if err != nil {
		return ix, nil, err
	}
	manifests, err := c.children(ctx, n, ix)
	return ix, manifests, err
}

// formatOf is the format that holds all the images: V2S2 where they all are.
func formatOf(manifests []index.Manifest) index.Format {
	for _, m := range manifests {
		if f, ok := index.FormatOf(m.MediaType); !ok || f == index.OCI || len(m.Annotations) > 0 {
			return index.OCI
		}
	}
	return index.V2S2
}
