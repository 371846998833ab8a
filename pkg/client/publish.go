package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// publishing is where a list goes, with what, and when not.
type publishing struct {
	to        []index.Name
	tags      []name.Tag // those of to, and the further ones of each repository
	children  []index.Manifest
	fresh     bool // see index.Publication
	ifTag     *v1.Hash
	referrers bool
}

// parse reads further tags, and what the first ones must name.
func (p *publishing) parse(further []string, ifTag string) error {
	var faults []error
	seen := map[string]bool{}
	for _, n := range p.to {
		all, err := tags(n.Tag(), further)
		faults = append(faults, err)
		for _, t := range all {
			if !seen[t.Name()] {
				p.tags = append(p.tags, t)
			}
			seen[t.Name()] = true
		}
		if err != nil {
			break // the next repository would say the same
		}
	}
	switch ifTag {
	case "":
	case "absent":
		p.ifTag = &v1.Hash{}
	default:
		h, err := v1.NewHash(ifTag)
		if err != nil {
			err = index.Faultf(index.ErrUsage, fmt.Sprintf("expected tag %q", ifTag), "want a digest as in sha256:... or absent")
		}
		p.ifTag, faults = &h, append(faults, err)
	}
	return errors.Join(faults...)
}

// tags returns the first tag and the further ones of its repository, each once.
func tags(first name.Tag, further []string) ([]name.Tag, error) {
	all := []name.Tag{first}
	seen := map[string]bool{first.TagStr(): true}
	for _, t := range further {
		n, err := index.ParseName(first.Repository.Name() + ":" + t)
		if err != nil {
			return nil, index.Faultf(index.ErrUsage, fmt.Sprintf("tag %q", t), "it is not a valid tag")
		}
		if !seen[t] {
			all = append(all, n.Tag())
		}
		seen[t] = true
	}
	return all, nil
}

// checked lets the rules look at a list that is to be published, reports what
// stops nothing, and returns it.
func (c *Client) checked(ctx context.Context, v Validation, ix index.Index, known []index.Manifest) ([]index.Finding, error) {
	look, err := c.inspector(ctx, v, known)
	if err != nil {
		return nil, err
	}
	findings, err := look.check(ix, index.Publish)
	c.report(findings, err)
	return findings, err
}

// publish publishes the list of a result and completes the result.
func (c *Client) publish(ctx context.Context, p publishing, result ListResult) (ListResult, error) {
	plan, err := c.registry.Plan(ctx, index.Publication{
		Index: result.Index, Children: p.children, To: p.tags, Fresh: p.fresh, IfTag: p.ifTag, Referrers: p.referrers,
	})
	if err != nil && len(p.to) > 1 {
		// Of several destinations somebody wants to know which ones got something.
		return ListResult{}, &index.Unfinished{Err: err}
	}
	if err != nil {
		return ListResult{}, err
	}
	for _, l := range plan.Lost {
		c.observe(Event{Lost: &l})
	}
	copied := map[v1.Hash]bool{}
	moving := c.begin(announced(plan))
	err = c.registry.Run(ctx, plan, index.Watch{
		Done: func(s index.Step) {
			if s.Kind == index.StepChild && !s.Skipped {
				copied[s.Digest] = true
			}
			moving.tell(Event{Step: &s})
		},
		Sent: func(s index.Step, bytes int64) { moving.tell(Event{Sent: sent(s, bytes)}) },
	})
	moving.end()
	if err != nil {
		return ListResult{}, err
	}
	for _, t := range p.tags {
		result.Tags = append(result.Tags, t.Name())
	}
	result.To = p.to
	for i := range result.Findings {
		origin := &result.Findings[i].Entry.Origin
		origin.Ref = withoutUser(origin.Ref)
	}
	for _, m := range p.children {
		m.Origin.Ref = withoutUser(m.Origin.Ref)
		result.Images = append(result.Images, Image{
			Entry: m.Entry, Converted: m.Converted, Copied: copied[m.Digest], Referrers: referrersOf(m.Entry, plan.Steps),
		})
	}
	if c.describe != nil {
		result.Package = c.describe(p.children)
	}
	return result, nil
}

// referrersOf returns what a plan brings along with an entry, or finds there,
// each once however many destinations it goes to.
func referrersOf(e index.Entry, steps []index.Step) []index.Referrer {
	var found []index.Referrer
	for _, s := range steps {
		r := index.Referrer{Digest: s.Digest, ArtifactType: s.ArtifactType, Tag: s.Tag}
		if s.Kind == index.StepReferrer && s.Entry != nil && s.Entry.Digest == e.Digest && !slices.Contains(found, r) {
			found = append(found, r)
		}
	}
	return found
}

// withoutUser redacts a reference that is not known to be the path of a file
// with an "@" in it.
func withoutUser(ref string) string {
	if hasUser(ref) {
		return redact(ref)
	}
	return ref
}
