package index

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Convert changes the list's own media type; those of the entries stay. What
// the new format cannot express is an error that names it all, never dropped.
func Convert(f Format) Edit {
	return func(d *draft) error {
		if d.format == f {
			return nil
		}
		d.format = f
		d.diff.Index = true
		findings := d.inexpressibleMembers()
		for at, e := range d.entries {
			if f == V2S2 && e.artifactTypeIsConfig() {
				e.ArtifactType = ""
				d.change(at, e)
			}
			findings = append(findings, d.inexpressible(e)...)
		}
		return reject(findings)
	}
}

// inexpressibleMembers finds what a Docker manifest list has no members for on
// the list itself.
func (d *draft) inexpressibleMembers() []Finding {
	if d.format != V2S2 {
		return nil
	}
	var findings []Finding
	if len(d.annotations) > 0 {
		findings = append(findings, inexpressible(Entry{}, "the list", "annotations")...)
	}
	if d.artifactType != "" {
		findings = append(findings, inexpressible(Entry{}, "the list", "an artifactType")...)
	}
	if d.subject != nil {
		findings = append(findings, inexpressible(Entry{}, "the list", "a subject")...)
	}
	return findings
}

// inexpressible finds what a Docker manifest list has no members for
// (https://distribution.github.io/distribution/spec/manifest-v2-2/#manifest-list).
func (d *draft) inexpressible(e Entry) []Finding {
	if d.format != V2S2 {
		return nil
	}
	var findings []Finding
	thing := fmt.Sprintf("entry %s", e.Digest)
	if len(e.Annotations) > 0 {
		findings = append(findings, inexpressible(e, thing, "annotations")...)
	}
	if e.ArtifactType != "" && !e.artifactTypeIsConfig() {
		findings = append(findings, inexpressible(e, thing, "an artifactType")...)
	}
	if len(e.Data) > 0 {
		findings = append(findings, inexpressible(e, thing, "embedded data")...)
	}
	return findings
}

// artifactTypeIsConfig reports whether the entry's artifactType is but the media
// type of an image's config, as go-containerregistry writes it into lists of
// either format: that says nothing.
func (e Entry) artifactTypeIsConfig() bool { return types.MediaType(e.ArtifactType).IsConfig() }

func inexpressible(e Entry, thing, what string) []Finding {
	return []Finding{{
		Rule: AnnotationsInV2S2, Severity: Error, Entry: e.clone(),
		Message: fmt.Sprintf("%s has %s, which a list in the format v2s2 cannot hold", thing, what),
	}}
}

// reject returns a Rejection of the findings, nil where there are none.
func reject(findings []Finding) error {
	if len(findings) == 0 {
		return nil
	}
	return &Rejection{findings}
}
