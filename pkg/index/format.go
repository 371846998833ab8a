package index

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Format is the family of media types that a list and its children use. The
// zero value is [V2S2].
type Format uint8

const (
	// V2S2 is Docker's: manifest lists of image manifests, version 2 schema 2.
	V2S2 Format = iota
	// OCI is the OCI image specification's: image indexes of image manifests.
	OCI
)

// ParseFormat reads the name of a format as users type it: "v2s2" or its other
// name "docker", or "oci".
func ParseFormat(s string) (Format, error) {
	switch s {
	case "v2s2", "docker":
		return V2S2, nil
	case "oci":
		return OCI, nil
	}
	return V2S2, Faultf(ErrUsage, fmt.Sprintf("format %q", s), `want "v2s2" or "oci"`)
}

// String returns the name that ParseFormat reads.
func (f Format) String() string {
	if f == OCI {
		return "oci"
	}
	return "v2s2"
}

// IndexType is the media type of a list in this format.
func (f Format) IndexType() types.MediaType {
	if f == OCI {
		return types.OCIImageIndex
	}
	return types.DockerManifestList
}

// ImageType is the media type of an image manifest in this format.
func (f Format) ImageType() types.MediaType {
	if f == OCI {
		return types.OCIManifestSchema1
	}
	return types.DockerManifestSchema2
}

// FormatOf returns the format that a list's or image manifest's media type
// belongs to; ok is false for every other media type.
func FormatOf(t types.MediaType) (f Format, ok bool) {
	switch t {
	case types.OCIImageIndex, types.OCIManifestSchema1:
		return OCI, true
	case types.DockerManifestList, types.DockerManifestSchema2:
		return V2S2, true
	default:
		return V2S2, false
	}
}
