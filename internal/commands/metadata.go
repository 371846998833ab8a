package commands

import (
	"strings"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
)

// buildInfo is the key of what an image was made of; its platform follows, or
// its digest where it has none
// (https://github.com/moby/buildkit/blob/v0.11/docs/buildinfo.md).
const buildInfo = "containerimage.buildinfo/"

// sourceView is where an image came from.
type sourceView struct {
	Type string `json:"type"`
	Ref  string `json:"ref"`
	Pin  string `json:"pin,omitempty"` // what Ref meant
}

// infoView is what BuildKit calls build info.
type infoView struct {
	Sources []sourceView `json:"sources"`
}

type descriptorView struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// manifestView is an entry of the list.
type manifestView struct {
	Digest    string      `json:"digest"`
	Size      int64       `json:"size"`
	MediaType string      `json:"mediaType"`
	Platform  any         `json:"platform,omitempty"` // as in the list
	Source    *sourceView `json:"source,omitempty"`
	Converted bool        `json:"converted"` // its manifest was written anew in the list's format
	Copied    bool        `json:"copied"`    // a destination did not have it
	// Referrers were brought along, or found in the destination.
	Referrers []referrerView `json:"referrers,omitempty"`
}

// referrerView is a signature, an SBOM or the like.
type referrerView struct {
	Digest       string `json:"digest"`
	ArtifactType string `json:"artifactType,omitempty"`
	Tag          string `json:"tag,omitempty"` // cosign's
}

// packageView is what all images of the list are.
type packageView struct {
	Kind    string `json:"kind"`
	ID      string `json:"id,omitempty"`
	Version string `json:"version,omitempty"`
	Address string `json:"address"`
}

// metadata returns the result as JSON, with the keys of buildx
// (https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file) and
// our own, sorted. The same result gives the same bytes.
func metadata(result client.ListResult, findings []findingView) ([]byte, error) {
	raw, err := result.Index.RawManifest()
	if err != nil {
		return nil, err
	}
	media, err := result.Index.MediaType()
	if err != nil {
		return nil, err
	}
	digest := result.Index.Digest().String()
	members := map[string]any{
		"image.name":                strings.Join(result.Tags, ","),
		"containerimage.digest":     digest,
		"containerimage.descriptor": descriptorView{string(media), digest, int64(len(raw))},
		"manifests":                 manifestViews(result.Images),
		"findings":                  findings,
	}
	if p := result.Package; p.Kind != "" {
		members["cnb"] = packageView{p.Kind, p.ID, p.Version, result.Reference()}
	}
	addBuildInfo(members, result.Images)
	return asJSON(members)
}

func manifestViews(images []client.Image) []manifestView {
	views := []manifestView{}
	for _, image := range images {
		v := manifestView{
			Digest: image.Digest.String(), Size: image.Size, MediaType: string(image.MediaType),
			Source: sourceOf(image), Converted: image.Converted.Hex != "", Copied: image.Copied,
		}
		for _, r := range image.Referrers {
			v.Referrers = append(v.Referrers, referrerView{r.Digest.String(), r.ArtifactType, r.Tag})
		}
		if image.Platform != nil {
			v.Platform = image.Platform
		}
		views = append(views, v)
	}
	return views
}

// sourceOf returns nil where it is not known what an image was made of.
func sourceOf(image client.Image) *sourceView {
	origin := image.Origin
	if origin.Ref == "" {
		return nil
	}
	s := &sourceView{Type: string(origin.Kind), Ref: origin.Ref}
	if origin.Pin.Hex != "" {
		s.Pin = origin.Pin.String()
	}
	return s
}

// addBuildInfo adds the sources of each image. Attestations come with their
// image.
func addBuildInfo(members map[string]any, images []client.Image) {
	for _, image := range images {
		source := sourceOf(image)
		if source == nil || image.IsAttestation() {
			continue
		}
		key := image.PlatformString()
		if key == "" {
			key = image.Digest.String()
		}
		info := infoView{}
		if there, ok := members[buildInfo+key].(infoView); ok {
			info = there
		}
		info.Sources = append(info.Sources, *source)
		members[buildInfo+key] = info
	}
}
