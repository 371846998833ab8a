package client

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// ListResult is what a verb made of a list. The fields from To on are of what
// was published, or would be by a dry run.
type ListResult struct {
	Name  index.Name
	Index index.Index
	Diff  index.Diff

	To       []index.Name    // where the list is
	Tags     []string        // all its tags, in full, in the order of To, further ones after their first
	Images   []Image         // its entries, in order
	Findings []index.Finding // what the rules found and let pass
	Package  Package
}

// Image is an entry that was published.
type Image struct {
	index.Entry
	Converted v1.Hash          // the digest before it was converted; its zero value: it was not
	Copied    bool             // it was written to a destination that did not have it
	Referrers []index.Referrer // what refers to it and was brought along
}

// Package is what the images of a list are to Cloud Native Buildpacks, as far as
// all are the same; its zero value where they are not of that kind.
type Package struct{ Kind, ID, Version string }

// Describer tells what images have in common. It reads nothing.
type Describer func(manifests []index.Manifest) Package

// WithDescriber sets who tells what images are.
func WithDescriber(d Describer) Option { return func(c *Client) { c.describe = d } }

// Reference is the list by digest: registry, repository and digest, where it was
// published first, or where its name says.
func (r ListResult) Reference() string { return r.References()[0] }

// References are the list by digest in each of its repositories, in order.
func (r ListResult) References() []string {
	to := r.To
	if len(to) == 0 {
		to = []index.Name{r.Name}
	}
	var references []string
	seen := map[string]bool{}
	for _, n := range to {
		if repo := n.Repository(); !seen[repo] {
			references = append(references, repo+"@"+r.Index.Digest().String())
			seen[repo] = true
		}
	}
	return references
}
