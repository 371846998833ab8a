package index

import (
	"fmt"
	"regexp"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// judgesPlatform reports whether the platform rules have a say on an entry: it
// is an image that is no attestation and has both names.
func judgesPlatform(e Entry) bool {
	return !e.IsAttestation() && !e.MediaType.IsIndex() && missingFields(e) == ""
}

// NotShadowed finds images of an operating system other than Windows that
// differ from an earlier one in the version or the features of the operating
// system only: consumers that compare neither take the earlier one.
func NotShadowed(ix Index) []Finding {
	first := map[string]Entry{}
	var findings []Finding
	for _, e := range ix.entries {
		if !judgesPlatform(e) || NormalizePlatform(*e.Platform).OS == "windows" {
			continue
		}
		key := nameKey(*e.Platform)
		before, ok := first[key]
		switch {
		case !ok:
			first[key] = e
		case platformKey(*before.Platform) != platformKey(*e.Platform):
			findings = append(findings, Finding{
				Rule: PlatformShadowed, Entry: e.clone(), Others: []Entry{before.clone()},
				Message: fmt.Sprintf("%s is hidden behind %s: consumers take the first of both",
					describePlatform(*e.Platform), describePlatform(*before.Platform)),
			})
		}
	}
	return findings
}

// nameKey is platformKey of names and variant alone.
func nameKey(p v1.Platform) string {
	return platformKey(v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant})
}

// describePlatform is FormatPlatform with the features.
func describePlatform(p v1.Platform) string {
	s := FormatPlatform(p)
	if len(p.OSFeatures) > 0 {
		s += fmt.Sprintf(" with %q", p.OSFeatures)
	}
	return s
}

// LikelyPlatforms finds pairs of known names that Go cannot build for.
func LikelyPlatforms(ix Index) []Finding {
	var findings []Finding
	likely := goPairs()
	for _, e := range ix.entries {
		if !judgesPlatform(e) || unknownNames(*e.Platform) != "" {
			continue
		}
		if pair := e.Platform.OS + "/" + e.Platform.Architecture; !slices.Contains(likely, pair) {
			findings = append(findings, Finding{
				Rule: PlatformUnlikely, Entry: e.clone(),
				Message: "nothing is known to run on " + pair,
			})
		}
	}
	return findings
}

// goPairs is what "go tool dist list" says in Go 1.26, and windows/arm, which
// was there until Go 1.25 and which images still exist for.
func goPairs() []string {
	return []string{
		"aix/ppc64", "android/386", "android/amd64", "android/arm", "android/arm64", "darwin/amd64",
		"darwin/arm64", "dragonfly/amd64", "freebsd/386", "freebsd/amd64", "freebsd/arm", "freebsd/arm64",
		"illumos/amd64", "ios/amd64", "ios/arm64", "js/wasm", "linux/386", "linux/amd64", "linux/arm",
		"linux/arm64", "linux/loong64", "linux/mips", "linux/mips64", "linux/mips64le", "linux/mipsle",
		"linux/ppc64", "linux/ppc64le", "linux/riscv64", "linux/s390x", "netbsd/386", "netbsd/amd64", "netbsd/arm",
		"netbsd/arm64", "openbsd/386", "openbsd/amd64", "openbsd/arm", "openbsd/arm64", "openbsd/ppc64",
		"openbsd/riscv64", "plan9/386", "plan9/amd64", "plan9/arm", "solaris/amd64", "wasip1/wasm", "windows/386",
		"windows/amd64", "windows/arm", "windows/arm64",
	}
}

// KnownVariants finds variants that nothing is written about for their
// architecture. The patch of a finding is the variant that consumers take for
// granted.
func KnownVariants(ix Index) []Finding {
	var findings []Finding
	for _, e := range ix.entries {
		if !judgesPlatform(e) || e.Platform.Variant == "" || !plainName(e.Platform.Variant) {
			continue
		}
		message := UnknownVariant(*e.Platform)
		if message == "" {
			continue
		}
		_, usual := variantsOf(NormalizePlatform(*e.Platform).Architecture)
		if usual != "v7" {
			usual = "" // the same, and shorter
		}
		findings = append(findings, Finding{
			Rule: VariantUnknown, Entry: e.clone(), Patch: PlatformPatch{Variant: &usual}, Message: message,
		})
	}
	return findings
}

// UnknownVariant says that nothing is written about the variant for the
// architecture, "" where something is, or where there is no variant.
func UnknownVariant(p v1.Platform) string {
	normal := NormalizePlatform(p)
	pattern, examples := knownVariants(normal.Architecture)
	truth := "has no variants"
	switch {
	case p.Variant == "":
		return ""
	case pattern == "":
	case regexp.MustCompile("^(" + pattern + ")$").MatchString(normal.Variant):
		return ""
	default:
		truth = "has variants such as " + examples
	}
	return fmt.Sprintf("the variant %.64q is not known for %.64s, which %s", p.Variant, p.Architecture, truth)
}

// knownVariants returns a pattern of the variants of an architecture and
// examples, "" where it has none
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#platform-variants).
// v5 of arm is not in that table; Go builds for it and containerd knows it.
func knownVariants(arch string) (pattern, examples string) {
	switch arch {
	case "arm":
		return "v[5-8]", "v6 and v7"
	case "arm64":
		return `v8(\.[0-9])?|v9(\.[0-9])?`, "v8 and v9"
	case "amd64":
		return "v[1-4]", "v2 and v3"
	case "ppc64le", "ppc64":
		return "power(8|9|10)", "power8 and power9"
	case "riscv64":
		return "rva[0-9]{2}[us]64", "rva20u64 and rva22u64"
	}
	return "", ""
}

// VariantPresent finds images for arm that do not say for which variant. The
// patch of a finding is the one that consumers take for granted.
func VariantPresent(ix Index) []Finding {
	var findings []Finding
	usual := "v7"
	for _, e := range ix.entries {
		if judgesPlatform(e) && e.Platform.Architecture == "arm" && e.Platform.Variant == "" {
			findings = append(findings, Finding{
				Rule: VariantMissing, Entry: e.clone(), Patch: PlatformPatch{Variant: &usual},
				Message: FormatPlatform(*e.Platform) + " is without a variant, which consumers take for v7",
			})
		}
	}
	return findings
}

// TruePlatforms finds entries whose platform is not the one that the config of
// their image gives, as far as manifests have configs. Values of a finding has
// the platform of the config, its patch what the entry has to say instead. What the config leaves open, an entry may say:
// that is a note.
func TruePlatforms(manifests []Manifest) Rule {
	configs := map[v1.Hash]v1.Platform{}
	for _, m := range manifests {
		if m.Config != nil {
			configs[m.Digest] = configPlatform(m.Config)
		}
	}
	return func(ix Index) []Finding {
		var findings []Finding
		for _, e := range ix.entries {
			config, ok := configs[e.Digest]
			if !ok || e.Platform == nil || e.IsAttestation() {
				continue
			}
			if f, found := compareWithConfig(e, config); found {
				findings = append(findings, f)
			}
		}
		return findings
	}
}

// configPlatform is ConfigPlatform that is never nil.
func configPlatform(config *v1.ConfigFile) v1.Platform {
	if p := ConfigPlatform(config); p != nil {
		return *p
	}
	return v1.Platform{}
}

func compareWithConfig(e Entry, config v1.Platform) (f Finding, found bool) {
	f = Finding{Rule: PlatformMismatch, Entry: e.clone(), Values: []string{FormatPlatform(config)}}
	entry := NormalizePlatform(*e.Platform)
	switch {
	case contradictsConfig(entry, config):
		f.Patch = AsConfig(entry, config)
		f.Message = fmt.Sprintf("the list says %s, the image's own config says %s", describePlatform(entry), describePlatform(config))
	case config.OS == "" && entry.OS != "" || config.Architecture == "" && entry.Architecture != "":
		f.Limit = AtMostNote
		f.Message = fmt.Sprintf("the list says %s, of which the image's own config does not say all", FormatPlatform(entry))
	default:
		return Finding{}, false
	}
	return f, true
}

// AsConfig returns what makes an entry say what its config says, of the fields
// that the config has.
func AsConfig(entry, config v1.Platform) PlatformPatch {
	var patch PlatformPatch
	for _, field := range []struct {
		set           **string
		entry, config string
	}{
		{&patch.OS, entry.OS, config.OS},
		{&patch.Architecture, entry.Architecture, config.Architecture},
		{&patch.OSVersion, entry.OSVersion, config.OSVersion},
	} {
		if field.config != "" && field.config != field.entry {
			*field.set = &field.config
		}
	}
	if entry.Variant != config.Variant && (config.Variant != "" || patch.Architecture != nil) {
		patch.Variant = &config.Variant
	}
	return patch
}

// contradictsConfig compares what both give; a variant that is not given is the
// one that consumers assume, unless the config leaves it open.
func contradictsConfig(entry, config v1.Platform) bool {
	for _, field := range []struct{ entry, config string }{
		{entry.OS, config.OS}, {entry.Architecture, config.Architecture}, {entry.OSVersion, config.OSVersion},
	} {
		if field.entry != "" && field.config != "" && field.entry != field.config {
			return true
		}
	}
	return entry.Architecture != "" && config.Variant != "" && nameKey(entry) != nameKey(v1.Platform{
		OS: entry.OS, Architecture: entry.Architecture, Variant: config.Variant,
	})
}

// Expressible finds what a list in Docker's format has and the format has no
// members for. Edits never make such a list; one that was read may be one.
func Expressible(ix Index) []Finding {
	d := &draft{Index: ix}
	findings := d.inexpressibleMembers()
	for _, e := range ix.entries {
		findings = append(findings, d.inexpressible(e)...)
	}
	for i := range findings {
		findings[i].Severity = Note // here the table decides
	}
	return findings
}
