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
	Local    bool // the list is in local storage
	Findings []index.Finding
}

// Validate lets all rules look as before publishing. It writes nothing.
// Findings that would stop publishing are no error of Validate: see
// [ValidateResult.Valid]. Sources that cannot even be taken are findings, too,
// and then the only ones; the list is empty if it could not be made.
func (c *Client) Validate(ctx context.Context, req ValidateRequest) (ValidateResult, error) {
	if err := req.check(); err != nil {
		return ValidateResult{}, err
	}
	s, err := c.subject(ctx, req)
	if err != nil {
		return refused(subject{}, err)
	}
	look, err := c.inspector(ctx, req.Validation, s.manifests)
	if err != nil {
		return refused(s, err)
	}
	return ValidateResult{Index: s.list, Local: s.kept, Findings: look.all(s.list)}, nil
}

// refused makes a result of an error that is nothing but findings.
func refused(s subject, err error) (ValidateResult, error) {
	findings, ok := findingsIn(err)
	if !ok {
		return ValidateResult{}, err
	}
	return ValidateResult{Index: s.list, Local: s.kept, Findings: findings}, nil
}

// findingsIn returns the findings that an error consists of; ok is false where
// there is something else in it.
func findingsIn(err error) (findings []index.Finding, ok bool) {
	joined, several := err.(interface{ Unwrap() []error })
	if _, one := err.(*index.Fault); one || !several { //nolint:errorlint // only the outermost error counts
		rejected, ok := errors.AsType[*index.Rejection](err)
		if !ok {
			return nil, false
		}
		return rejected.Findings, true
	}
	for _, one := range joined.Unwrap() {
		more, ok := findingsIn(one)
		if !ok {
			return nil, false
		}
		findings = append(findings, more...)
	}
	return findings, len(findings) > 0
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

// subject is a list that is validated, and its images.
type subject struct {
	list      index.Index
	manifests []index.Manifest
	kept      bool // it is in local storage
}

// subject returns the list that the references mean.
func (c *Client) subject(ctx context.Context, req ValidateRequest) (subject, error) {
	if len(req.References) == 1 {
		s, err := c.subjectKept(ctx, req)
		if !errors.Is(err, index.ErrNotFound) || s.kept {
			return s, err
		}
	}
	sources, err := parseSources(req.References)
	if err != nil {
		return subject{}, err
	}
	in := shape(nested)
	if len(sources) == 1 && sources[0].platform == nil {
		in = whole // a list of one image is looked at as a list, too
	}
	found, err := c.resolve(ctx, sources, in)
	if err != nil {
		return subject{}, err
	}
	manifests := index.Flatten(found)
	if len(found) == 1 && found[0].MediaType.IsIndex() {
		ix, err := index.Parse(found[0].Raw)
		ix = ix.WithOrigins(func(int, index.Entry) index.Origin { return found[0].Origin })
		return subject{list: ix, manifests: manifests}, err
	}
	ix, _, err := index.New(formatOf(manifests)).Apply(index.Add(entries(manifests)...))
	return subject{list: ix, manifests: manifests}, err
}

func (c *Client) subjectKept(ctx context.Context, req ValidateRequest) (subject, error) {
	n, err := index.ParseName(req.References[0])
	if err != nil {
		return subject{}, &index.Fault{Kind: index.ErrNotFound, Thing: req.References[0]} // a source, then
	}
	ix, err := c.store.Get(ctx, n)
	if err != nil {
		return subject{}, err
	}
	manifests, err := c.children(ctx, n, ix)
	if err == nil && req.Deep {
		manifests, err = c.complete(ctx, n, manifests)
	}
	return subject{ix, manifests, true}, err
}

// complete returns images of a list that is kept with the manifests that are not
// kept with it, from the repositories that they are in.
func (c *Client) complete(ctx context.Context, n index.Name, manifests []index.Manifest) ([]index.Manifest, error) {
	all := make([]index.Manifest, len(manifests))
	for i, m := range manifests {
		if m.Raw == nil && m.Origin.Repository == "" {
			m.Origin.Repository = n.Repository() // a list that upstream pack left: nothing says where its images are
		}
		var err error
		if all[i], err = c.fetched(ctx, m); err != nil {
			return nil, err
		}
	}
	return all, nil
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
