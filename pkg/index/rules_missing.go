package index

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// PlatformPresent finds images whose entry lacks the operating system or the
// architecture: "all manifests MUST have OS and architecture defined"
// (https://github.com/buildpacks/pack/issues/1678). The patch of a finding is
// what the image's config says, if that is known and complete: its platform is
// the value of the finding then. Else it is a guess: the most common platform
// that no other entry is for.
func PlatformPresent(manifests []Manifest) Rule {
	configs := map[v1.Hash]v1.Platform{}
	for _, m := range manifests {
		configs[m.Digest] = configPlatform(m.Config)
	}
	return func(ix Index) []Finding {
		var findings []Finding
		taken := map[string]bool{}
		for _, e := range ix.entries {
			taken[platformOf(e)] = true
			if config, ok := configs[e.Digest]; ok {
				taken[platformKey(config)] = true
			}
		}
		for _, e := range ix.entries {
			if missing := missingFields(e); missing != "" {
				findings = append(findings, platformMissing(e, missing, configs[e.Digest], taken))
			}
		}
		return findings
	}
}

func platformMissing(e Entry, missing string, config v1.Platform, taken map[string]bool) Finding {
	f := Finding{Rule: PlatformMissing, Entry: e.clone(), Message: "the image has no " + missing}
	if config.OS == "" || config.Architecture == "" {
		f.Patch = likelyFields(e, taken)
		return f
	}
	f.Patch = AsConfig(platformOrNone(e), config)
	f.Message += " in the list; its config says " + FormatPlatform(config)
	f.Values = []string{FormatPlatform(config)}
	return f
}

// likelyFields guesses what an entry lacks, and takes note of its guess.
func likelyFields(e Entry, taken map[string]bool) PlatformPatch {
	had := platformOrNone(e)
	for _, arch := range []string{"amd64", "arm64"} {
		var patch PlatformPatch
		if had.OS == "" {
			os := "linux"
			patch.OS = &os
		}
		if had.Architecture == "" {
			patch.Architecture = &arch
		}
		if key := platformKey(patch.Patch(had)); !taken[key] {
			taken[key] = true
			return patch
		}
	}
	return PlatformPatch{}
}

func platformOrNone(e Entry) v1.Platform {
	if e.Platform == nil {
		return v1.Platform{}
	}
	return *e.Platform
}

func missingFields(e Entry) string {
	if e.IsAttestation() || e.MediaType.IsIndex() {
		return ""
	}
	p := platformOrNone(e)
	switch {
	case p.OS == "" && p.Architecture == "":
		return "operating system and no architecture"
	case p.OS == "":
		return "operating system"
	case p.Architecture == "":
		return "architecture"
	}
	return ""
}
