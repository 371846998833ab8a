package client

import (
	"context"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// ResolveRequest asks which image of a list consumers take for a platform.
type ResolveRequest struct {
	Reference string // a list that is kept, else one in a registry
	Platform  string // OS/ARCH[/VARIANT][:OSVERSION]
}

// ResolveResult is what consumers take.
type ResolveResult struct {
	InspectResult
	Platform v1.Platform // as understood
	Choices  []index.Choice
	Shadowed []Shadowed
}

// Shadowed is an entry that some consumers never take, whatever they are asked
// for.
type Shadowed struct {
	Entry index.Entry
	For   []index.Consumer
}

// Resolve says which image of a list each consumer takes for a platform. No
// image is read, and no registry asked for a list that is kept. Errors: ErrUsage
// for the platform, ErrInvalid where the reference is an image, and those of
// Inspect. That no consumer finds an image is no error: see
// [ResolveResult.Found].
func (c *Client) Resolve(ctx context.Context, req ResolveRequest) (ResolveResult, error) {
	want, err := index.ParsePlatform(req.Platform)
	if err != nil {
		return ResolveResult{}, err
	}
	seen, err := c.Inspect(ctx, InspectRequest{Reference: req.Reference})
	if err != nil {
		return ResolveResult{}, err
	}
	if seen.Index == nil {
		return ResolveResult{}, index.Faultf(index.ErrInvalid, seen.Name, "it is an image, not a list: whoever asks for it gets it")
	}
	return ResolveResult{InspectResult: seen, Platform: want, Choices: seen.Index.Choices(want), Shadowed: shadowed(*seen.Index)}, nil
}

// Found reports whether any consumer finds an image.
func (r ResolveResult) Found() bool {
	return slices.ContainsFunc(r.Choices, func(c index.Choice) bool { return c.Found })
}

// shadowed returns the entries that at least one consumer never takes, in the
// order of the list.
func shadowed(ix index.Index) []Shadowed {
	all := make([]Shadowed, ix.Len())
	for i, e := range ix.Entries() {
		all[i].Entry = e
	}
	for _, c := range index.Consumers() {
		for _, i := range ix.Shadowed(c) {
			all[i].For = append(all[i].For, c)
		}
	}
	return slices.DeleteFunc(all, func(s Shadowed) bool { return len(s.For) == 0 })
}
