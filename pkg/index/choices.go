package index

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Choice is what a consumer takes of a list for a platform.
type Choice struct {
	Consumer Consumer
	Entry    Entry
	Found    bool   // false: it takes nothing, and Entry is empty
	Reason   string // why it takes the entry, or nothing; a clause for people
}

// Choices returns what each of [Consumers] takes for a platform.
func (ix Index) Choices(want v1.Platform) []Choice {
	var choices []Choice
	for _, c := range Consumers() {
		choice := Choice{Consumer: c}
		choice.Entry, choice.Found = ix.Choose(c, want)
		if choice.Found {
			choice.Reason = whyTaken(c, want, choice.Entry)
		} else {
			choice.Reason = ix.whyNothing(c, want)
		}
		choices = append(choices, choice)
	}
	return choices
}

// whyTaken compares what was wanted with what is taken.
func whyTaken(c Consumer, want v1.Platform, e Entry) string {
	if e.Platform == nil {
		if c == ConsumerCrane || c == ConsumerPack {
			return "an entry without platform counts as linux/amd64"
		}
		return "no entry with a platform fits, and this one has none"
	}
	got := *e.Platform
	reasons := []string{}
	switch {
	case got.OS == want.OS && got.Architecture == want.Architecture && got.Variant == want.Variant:
	case nameKey(got) == nameKey(want):
		reasons = append(reasons, namesOf(got)+" is the same")
	case want.Variant == "" && (c == ConsumerCrane || c == ConsumerPack || c == ConsumerPackDaemon):
		reasons = append(reasons, "any variant will do where none is asked for")
	case got.Variant == "" && got.Architecture == want.Architecture:
		reasons = append(reasons, "an entry without variant will do")
	default:
		reasons = append(reasons, namesOf(got)+" runs there, too")
	}
	if got.OSVersion != want.OSVersion {
		reasons = append(reasons, versionReason(c, want, got))
	}
	if len(reasons) == 0 {
		return "it is for this platform"
	}
	return strings.Join(reasons, "; ")
}

func versionReason(c Consumer, want, got v1.Platform) string {
	windows := strings.EqualFold(got.OS, "windows")
	switch {
	case want.OSVersion == "":
		return "any version will do where none is asked for"
	case windows && (c == ConsumerDocker || c == ConsumerDockerContainerd || c == ConsumerContainerd):
		return "it runs on Windows " + want.OSVersion
	}
	return "versions are not compared"
}

// namesOf is FormatPlatform without the version.
func namesOf(p v1.Platform) string {
	p.OSVersion = ""
	return FormatPlatform(p)
}

// whyNothing says how near the entries come.
func (ix Index) whyNothing(c Consumer, want v1.Platform) string {
	platform := namesOf(v1.Platform{OS: want.OS, Architecture: want.Architecture})
	var near []string
	for _, e := range ix.entries {
		if e.Platform == nil || e.IsAttestation() {
			continue
		}
		p := NormalizePlatform(*e.Platform)
		if p.OS == want.OS && p.Architecture == want.Architecture {
			near = append(near, describePlatform(*e.Platform))
		}
	}
	if len(near) == 0 {
		return "no entry is for " + platform
	}
	rule := "it compares variants as they are written"
	switch c {
	case ConsumerDocker, ConsumerDockerContainerd, ConsumerContainerd, ConsumerPodman:
		rule = "it takes this variant, a lower one or none"
	default: // go-containerregistry, and pack, which does as it does
	}
	if want.OSVersion != "" && strings.EqualFold(want.OS, "windows") || c == ConsumerCrane && want.OSVersion != "" {
		rule = "the versions do not fit"
	}
	return fmt.Sprintf("%s, and the list has %s", rule, strings.Join(near, ", "))
}

// Shadowed returns the positions of the entries that a consumer never takes,
// whatever platform it is asked for: others come first, or it cannot ask for
// theirs. Attestations are not meant to be taken and are left out.
func (ix Index) Shadowed(c Consumer) []int {
	choose := c.chooser()
	var shadowed []int
	for i, e := range ix.entries {
		takesIt := func(want v1.Platform) bool { return choose(ix, want) == i }
		if !e.IsAttestation() && !slices.ContainsFunc(likeliest(e), takesIt) {
			shadowed = append(shadowed, i)
		}
	}
	return shadowed
}

// likeliest returns requests of which one reaches an entry if any request does.
// Each consumer takes an entry for its own platform before it does for others,
// but for these: what fits any variant may be first only for a variant that no
// entry has, what fits any platform only for such a platform, and on Windows
// what has no revision only on the next build.
func likeliest(e Entry) []v1.Platform {
	nobodys := v1.Platform{OS: "none", Architecture: "none", Variant: "none"}
	if e.Platform == nil {
		return []v1.Platform{nobodys, {OS: "linux", Architecture: "amd64"}}
	}
	own := *e.Platform
	other, next := own, own
	other.Variant = nobodys.Variant
	if v := windowsBuild(own.OSVersion); v != (windowsVersion{}) {
		next.OSVersion = fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.build+1)
	}
	return []v1.Platform{own, other, next, nobodys}
}
