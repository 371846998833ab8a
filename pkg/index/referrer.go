package index

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Referrer is a manifest that says something of an image or a list: a
// signature, an SBOM, an attestation. It names its subject, or has one of the
// tags by which cosign finds what belongs to a digest.
type Referrer struct {
	Digest       v1.Hash
	ArtifactType string // what it is; "" where it does not say
	Tag          string // cosign's tag; "" for one that names its subject
}

// Lost is a list, or an image, that something refers to which does not come
// along.
type Lost struct {
	List      string // REPOSITORY@DIGEST, or with a file in place of the repository
	Referrers int    // how many refer to it
}

// ReferrersTag is the tag of the list of what refers to a digest, in registries
// that keep no such list themselves
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema).
func ReferrersTag(digest v1.Hash) string {
	const mostAlgorithm, mostHex = 32, 64
	return digest.Algorithm[:min(len(digest.Algorithm), mostAlgorithm)] + "-" + digest.Hex[:min(len(digest.Hex), mostHex)]
}

// CosignTags are the tags by which cosign finds the signatures, attestations
// and SBOMs of a digest; none for a digest that is too long for a tag
// (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md#tag-based-discovery).
func CosignTags(digest v1.Hash) []string {
	const longest = 128
	var tags []string
	for _, kind := range []string{".sig", ".att", ".sbom"} {
		tag := strings.ReplaceAll(digest.String(), ":", "-") + kind
		if len(tag) <= longest {
			tags = append(tags, tag)
		}
	}
	return tags
}

// ReferrerTag reads a tag of either kind: the digest that it is about, and
// whether what it names is cosign's, or else a list of referrers.
func ReferrerTag(tag string) (of v1.Hash, cosign, ok bool) {
	text, kind, cosign := strings.Cut(tag, ".")
	algorithm, hex, _ := strings.Cut(text, "-")
	of, err := v1.NewHash(algorithm + ":" + hex)
	known := ReferrersTag(of) == tag
	if cosign {
		known = slices.Contains(CosignTags(of), text+"."+kind)
	}
	if err != nil || !known {
		return v1.Hash{}, false, false
	}
	return of, cosign, true
}

// DescribeReferrer returns the line that a manifest has in a list of referrers,
// made of its bytes, and the digest of its subject, whose zero value says that
// it names none. Errors are of the kind ErrInvalid.
func DescribeReferrer(raw []byte, mediaType types.MediaType) (line Entry, subject v1.Hash, err error) {
	line.MediaType, line.Digest, line.Size = mediaType, DigestOf(raw), int64(len(raw))
	if mediaType.IsIndex() {
		ix, err := Parse(raw)
		if err != nil {
			return Entry{}, v1.Hash{}, err
		}
		line.ArtifactType, line.Annotations = ix.ArtifactType(), ix.Annotations()
		of, _ := ix.Subject()
		return line, of.Digest, nil
	}
	image, err := ParseImage(raw, mediaType)
	if err != nil {
		return Entry{}, v1.Hash{}, err
	}
	line.ArtifactType, line.Annotations = image.ArtifactType, image.Annotations
	if line.ArtifactType == "" {
		line.ArtifactType = string(image.Config.MediaType)
	}
	if image.Subject != nil {
		subject = image.Subject.Digest
	}
	return line, subject, nil
}
