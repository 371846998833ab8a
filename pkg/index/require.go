package index

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Required is the set of platforms that a list must have.
type Required struct {
	Platforms []v1.Platform
	// AtLeast says that there may be others beside them.
	AtLeast bool
}

// ParseRequired reads a set of platforms: platforms as [ParsePlatform] reads
// them, with commas between. A "+" at the beginning or the end says that there
// may be others. Errors are of the kind ErrUsage, all of them together.
func ParseRequired(s string) (Required, error) {
	text, before := strings.CutPrefix(strings.TrimSpace(s), "+")
	text, after := strings.CutSuffix(text, "+")
	r := Required{AtLeast: before || after}
	var faults []error
	for name := range strings.SplitSeq(text, ",") {
		p, err := ParsePlatform(strings.TrimSpace(name))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		r.Platforms = append(r.Platforms, p)
	}
	if err := errors.Join(faults...); err != nil {
		return Required{}, err
	}
	return r, nil
}

// Require finds platforms that the list must have and has not, and, unless
// there may be others, images for others. What a required platform leaves open,
// an image may say: linux/arm is there where linux/arm/v6 is. Values of a
// finding has the platforms that are missing.
func Require(r Required) Rule {
	return func(ix Index) []Finding {
		findings := missingPlatforms(ix.entries, r.Platforms)
		if r.AtLeast {
			return findings
		}
		return append(findings, otherPlatforms(ix.entries, r.Platforms)...)
	}
}

func missingPlatforms(entries []Entry, platforms []v1.Platform) []Finding {
	var missing []string
	for _, p := range platforms {
		if text := FormatPlatform(p); !slices.ContainsFunc(entries, isFor(p)) && !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return []Finding{{
		Rule: PlatformsRequired, Values: missing,
		Message: fmt.Sprintf("the list must have %s and has not", strings.Join(missing, ", ")),
	}}
}

func otherPlatforms(entries []Entry, platforms []v1.Platform) []Finding {
	var findings []Finding
	for _, e := range entries {
		wanted := slices.ContainsFunc(platforms, func(p v1.Platform) bool { return isFor(p)(e) })
		if wanted || e.IsAttestation() || e.MediaType.IsIndex() {
			continue
		}
		text := e.PlatformString()
		if text == "" {
			text = "no platform"
		}
		findings = append(findings, Finding{
			Rule: PlatformsRequired, Entry: e.clone(),
			Message: fmt.Sprintf("an image for %s is not among what the list must have", text),
		})
	}
	return findings
}

// isFor reports whether an image is for a platform.
func isFor(p v1.Platform) func(Entry) bool {
	fit := ByPlatform(p).fit
	return func(e Entry) bool { return !e.MediaType.IsIndex() && fit(e) != unfit }
}
