package commands

import (
	"strings"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// referrer tells of a manifest that refers to an image.
func (r *reporter) referrer(s index.Step) {
	if s.Skipped {
		r.streams.Detail("Found %s %s%s in %s already", referrerName(s), s.Digest, ofEntry(s.Entry), placeOf(s))
		return
	}
	r.streams.Info("Copied %s %s%s to %s", referrerName(s), s.Digest, ofEntry(s.Entry), placeOf(s))
}

// referrers tells of the list of what refers to a digest.
func (r *reporter) referrers(s index.Step) {
	if s.Skipped {
		r.streams.Detail("What refers to %s is listed in %s already", s.Digest, s.To.Name())
		return
	}
	r.streams.Info("Listed what refers to %s at %s", s.Digest, placeOf(s))
}

// referrerName says what a referrer is, as far as its tag or type tells, and
// its type.
func referrerName(s index.Step) string {
	text := strings.ToLower(s.Tag + " " + s.ArtifactType)
	what := "referrer"
	for _, kind := range [][2]string{
		{".sig ", "signature"},
		{".att ", "attestation"},
		{".sbom ", "SBOM"},
		{"spdx", "SBOM"},
		{"cyclonedx", "SBOM"},
		{"sbom", "SBOM"},
		{"syft", "SBOM"},
		{"in-toto", "attestation"},
		{"attestation", "attestation"},
		{"sigstore", "signature"},
		{"cosign", "signature"},
		{"signature", "signature"},
	} {
		if strings.Contains(text, kind[0]) {
			what = kind[1]
			break
		}
	}
	if s.Tag != "" || s.ArtifactType == "" {
		return what
	}
	return what + " (" + s.ArtifactType + ")"
}

// ofEntry names the image that a referrer is about; the list itself has no
// entry.
func ofEntry(e *index.Entry) string {
	if e == nil {
		return " of the list"
	}
	return " of image " + orNone(e.PlatformString())
}

// placeOf is the repository that a step writes to, with the tag if there is one.
func placeOf(s index.Step) string {
	if s.Tag == "" {
		return s.To.Name()
	}
	return s.To.Name() + ":" + s.Tag
}
