package index

import (
	"bytes"
	"io"
	"maps"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The annotations by which BuildKit links an attestation to its image
// (https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md).
const (
	attestationType   = "vnd.docker.reference.type"
	attestationDigest = "vnd.docker.reference.digest"
	attestationValue  = "attestation-manifest"
)

// ListAnnotation is an annotation of the index.json of a layout that has the
// images of a list one by one, for programs that take the first: the digest of
// the list itself, which is among the blobs.
const ListAnnotation = "io.github.buildpacks-community.pack-manifest.list"

// SourceKind says what an entry was made from.
type SourceKind string

// The kinds of source.
const (
	SourceUnknown  SourceKind = ""
	SourceRegistry SourceKind = "image"
	SourceArchive  SourceKind = "cnb"
	SourceLayout   SourceKind = "oci-layout"
	SourceDaemon   SourceKind = "docker-daemon"
)

// Origin tells where the bytes of an entry came from. It is never written into
// a list.
type Origin struct {
	Kind SourceKind `json:"kind,omitempty"`
	// Ref is the source as typed, without credentials.
	Ref string `json:"ref,omitempty"`
	// Repository is where a registry holds the bytes ("host/repository" in
	// full); empty for other kinds.
	Repository string `json:"repository,omitempty"`
	// Pin is what Ref meant when it was resolved: the digest of the manifest or
	// index in a registry, of the entry's own manifest elsewhere.
	Pin v1.Hash `json:"pin,omitzero"`
	// Converted is the digest that the entry's manifest has there, if it was
	// written anew in another format since; its zero value: it was not.
	Converted v1.Hash `json:"converted,omitzero"`
	// Several says that Ref means other images, too. It is not kept.
	Several bool `json:"-"`
}

// Before returns the digest that m has where it comes from, if that is another
// one: it was converted, in this run or before.
func (m Manifest) Before() (digest v1.Hash, converted bool) {
	before := m.Origin.Converted
	if before.Hex == "" {
		before = m.Converted
	}
	return before, before.Hex != "" && before != m.Digest
}

// Entry is one line of a list.
type Entry struct {
	v1.Descriptor // exactly what will be written
	Origin        Origin

	extra         []member // members of the descriptor that we do not know
	platformExtra []member // the same of its platform
}

// IsAttestation reports whether the entry is a BuildKit attestation manifest:
// it is carried with its image and no consumer ever runs it.
func (e Entry) IsAttestation() bool { return e.Annotations[attestationType] == attestationValue }

// HasPlatform reports whether the entry says anything of what it is for. Some
// tools write a platform with empty names where they know none.
func (e Entry) HasPlatform() bool {
	return e.Platform != nil && (e.Platform.OS != "" || e.Platform.Architecture != "")
}

// Attests returns the digest of the entry that this one is an attestation of.
func (e Entry) Attests() (v1.Hash, bool) {
	if !e.IsAttestation() {
		return v1.Hash{}, false
	}
	h, err := v1.NewHash(e.Annotations[attestationDigest])
	return h, err == nil
}

// PlatformString returns the entry's platform as users type it, "" where it has
// none.
func (e Entry) PlatformString() string {
	if e.Platform == nil {
		return ""
	}
	return FormatPlatform(*e.Platform)
}

// clone returns an entry that shares no memory with e that anyone writes to.
func (e Entry) clone() Entry {
	e.Data = bytes.Clone(e.Data)
	e.URLs = slices.Clone(e.URLs)
	e.Annotations = maps.Clone(e.Annotations)
	if e.Platform != nil {
		p := *e.Platform
		p.OSFeatures, p.Features = slices.Clone(p.OSFeatures), slices.Clone(p.Features)
		e.Platform = &p
	}
	return e
}

// Blob is content that can be read, again if need be, from where it is: a file,
// an archive, memory. What Open returns must be closed and is not yet verified
// against Digest and Size.
type Blob struct {
	Digest v1.Hash
	Size   int64
	Open   func() (io.ReadCloser, error)
	// From is the file that it is read from, for errors; "" where there is none.
	From string
}

// BytesBlob returns a blob of bytes in memory.
func BytesBlob(digest v1.Hash, raw []byte) Blob {
	return Blob{Digest: digest, Size: int64(len(raw)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(raw)), nil
	}}
}

// Manifest is what resolving a source learns of one image: its entry, the bytes
// of its manifest and of its config. Layers are named in Raw; only where they
// are at hand without a registry does Layers say how to read them.
type Manifest struct {
	Entry
	Raw       []byte         // the manifest's bytes; their digest is Entry.Digest
	RawConfig []byte         // the config's bytes; nil where there is none to read
	Config    *v1.ConfigFile // RawConfig decoded; nil where it is no image config
	Layers    []Blob         // the layers that a file or the daemon holds
	// Converted is the digest that the manifest had where it came from, if it
	// was written anew in the other format; its zero value: it was not.
	Converted v1.Hash
	// Children are the manifests that a nested index refers to.
	Children []Manifest
	// Referrers are what refers to it in the file that it comes from; what a
	// registry has of them is looked for when it is published.
	Referrers []Attached
	// From is the list of a file that it was taken from, without its children,
	// where something refers to that list; else nil.
	From *Manifest
}

// Attached is a manifest that refers to another: its subject, or what cosign's
// tag names.
type Attached struct {
	Manifest
	Tag string // cosign's; "" where the manifest names its subject
}

// Flatten replaces each list by what it refers to, and so on down, in order.
func Flatten(manifests []Manifest) []Manifest {
	var flat []Manifest
	for _, m := range manifests {
		if m.MediaType.IsIndex() {
			flat = append(flat, Flatten(m.Children)...)
			continue
		}
		flat = append(flat, m)
	}
	return flat
}

// Blobs returns all the content of m that is at hand: manifest, config, layers.
func (m Manifest) Blobs() []Blob {
	blobs := []Blob{BytesBlob(m.Digest, m.Raw)}
	if image, err := ParseImage(m.Raw, m.MediaType); err == nil && m.RawConfig != nil {
		blobs = append(blobs, BytesBlob(image.Config.Digest, m.RawConfig))
	}
	blobs = append(blobs, m.Layers...)
	for _, c := range m.Children {
		blobs = append(blobs, c.Blobs()...)
	}
	return blobs
}

// Repo returns the repository that the origin names; ok is false where the
// bytes are in no registry.
func (o Origin) Repo() (repo name.Repository, ok bool) {
	if o.Repository == "" {
		return name.Repository{}, false
	}
	repo, err := name.NewRepository(o.Repository)
	return repo, err == nil
}
