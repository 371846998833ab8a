package client

import (
	"context"
	"slices"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Validation is what a user wants of the rules. Its zero value lets all of them
// act as the table of rules says.
type Validation struct {
	Policy  index.Policy
	Require *index.Required // the platforms that the list must have; nil for any
	// Deep reads layers that are in a registry alone, too, for the rules that
	// look into them. It counts where a list is validated or published; keeping
	// one never reads layers. A layer that cannot be read is an error then.
	Deep bool
}

// check returns an error of the kind ErrUsage for what contradicts itself.
func (v Validation) check() error {
	if v.Deep && v.Policy.Mode == index.Off {
		return index.Faultf(index.ErrUsage, "", "no rule would look at the layers that are to be read: deep and off contradict each other")
	}
	return v.Policy.Check()
}

// Rulebook returns the rules that need to know what images are made of, for
// lists of the given images. It may read what is at hand of them; a registry it
// asks only for layers, where they are to be read.
type Rulebook func(ctx context.Context, manifests []index.Manifest, v Validation) ([]index.Rule, error)

// WithRulebook adds rules about the content of images.
func WithRulebook(r Rulebook) Option { return func(c *Client) { c.rulebook = r } }

// inspector looks at lists with all rules.
type inspector struct {
	rules  []index.Rule
	policy index.Policy
}

// inspector returns one for lists of the given images. What there is to read it
// reads now, so that looking needs no time.
func (c *Client) inspector(ctx context.Context, v Validation, manifests []index.Manifest) (inspector, error) {
	if err := v.check(); err != nil {
		return inspector{}, err
	}
	rules := []index.Rule{
		index.NotEmpty, index.ImagesOnly(manifests), index.Digests(manifests), index.ReadableConfigs(manifests),
		index.PlatformPresent(manifests), index.UniquePlatforms, index.NotShadowed, index.KnownPlatforms, index.LikelyPlatforms,
		index.KnownVariants, index.VariantPresent, index.TruePlatforms(manifests), index.OneFamily, index.Expressible,
	}
	if v.Require != nil {
		rules = append(rules, index.Require(*v.Require))
	}
	if c.rulebook != nil && v.Policy.Mode != index.Off {
		more, err := c.rulebook(ctx, manifests, v)
		if err != nil {
			return inspector{}, err
		}
		rules = append(rules, more...)
	}
	return inspector{rules, v.Policy}, nil
}

// check lets the rules look at a list. It returns the findings that stop
// nothing, entry by entry, and those that stop what was to be done as an
// *index.Rejection.
func (i inspector) check(ix index.Index, in index.Context) ([]index.Finding, error) {
	findings, err := i.policy.Judge(ix.ByEntry(ix.Check(i.rules...)), in)
	return slices.DeleteFunc(findings, func(f index.Finding) bool { return f.Severity == index.Error }), err
}

// report tells of findings that stop nothing. stopped is what others did.
func (c *Client) report(findings []index.Finding, stopped error) {
	for _, f := range findings {
		c.observe(Event{Finding: &f, Rejected: stopped != nil})
	}
}
