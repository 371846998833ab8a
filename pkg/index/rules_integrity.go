package index

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Digests finds manifests and configs whose bytes are not what the list, or
// the manifest, says they are, as far as they are given.
func Digests(manifests []Manifest) Rule {
	return overManifests(manifests, func(e Entry, m Manifest) []Finding {
		var findings []Finding
		if cause := unlike(m.Raw, e.Digest, e.Size); cause != "" {
			findings = append(findings, Finding{Rule: DigestMismatch, Entry: e, Message: "its manifest " + cause})
		}
		image, err := ParseImage(m.Raw, m.MediaType)
		if err != nil || m.RawConfig == nil {
			return findings
		}
		if cause := unlike(m.RawConfig, image.Config.Digest, image.Config.Size); cause != "" {
			findings = append(findings, Finding{Rule: DigestMismatch, Entry: e, Message: "its config " + cause})
		}
		return findings
	})
}

// unlike says how bytes differ from what they should be, "" where they do not,
// or where their algorithm is one that this package does not compute.
func unlike(raw []byte, want v1.Hash, size int64) string {
	if int64(len(raw)) != size {
		return fmt.Sprintf("has %d bytes, not %d", len(raw), size)
	}
	if got := DigestOf(raw); want.Algorithm == got.Algorithm && got != want {
		return fmt.Sprintf("has the digest %s, not %s", got, want)
	}
	return ""
}

// ReadableConfigs finds images whose config cannot be read or has not one diff
// ID for each layer, as far as configs are given.
func ReadableConfigs(manifests []Manifest) Rule {
	return overManifests(manifests, func(e Entry, m Manifest) []Finding {
		image, err := ParseImage(m.Raw, m.MediaType)
		if err != nil || m.RawConfig == nil || !image.Config.MediaType.IsConfig() {
			return nil
		}
		if cause := unreadable(m.RawConfig, len(image.Layers)); cause != "" {
			return []Finding{{Rule: ConfigUnreadable, Entry: e, Message: "its config " + cause}}
		}
		return nil
	})
}

func unreadable(raw []byte, layers int) string {
	var config v1.ConfigFile
	if err := json.Unmarshal(raw, &config); err != nil {
		return fmt.Sprintf("cannot be read: %v", err)
	}
	if n := len(config.RootFS.DiffIDs); n != layers {
		return fmt.Sprintf("has %d diff IDs for %d layers", n, layers)
	}
	return ""
}

// overManifests makes a rule of one that looks at an entry and its manifest.
// Attestations and entries without a manifest are left out.
func overManifests(manifests []Manifest, look func(Entry, Manifest) []Finding) Rule {
	byDigest := map[v1.Hash]Manifest{}
	for _, m := range manifests {
		if m.Raw != nil {
			byDigest[m.Digest] = m
		}
	}
	return func(ix Index) []Finding {
		var findings []Finding
		for _, e := range ix.entries {
			if m, ok := byDigest[e.Digest]; ok && !e.IsAttestation() {
				findings = append(findings, look(e.clone(), m)...)
			}
		}
		return findings
	}
}
