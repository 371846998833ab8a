package index

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Index is an image index or manifest list. It is a value: no method changes
// it. The zero value is an empty list in the format [V2S2].
type Index struct {
	format       Format
	artifactType string
	annotations  map[string]string
	subject      *Entry
	entries      []Entry
	extra        []member
	raw          []byte // what was parsed or encoded; nil only in the zero value and in drafts
}

// New returns an empty list in the given format.
func New(f Format) Index { return Index{format: f} }

// Format returns the family that the list's own media type belongs to.
func (ix Index) Format() Format { return ix.format }

// MediaType returns the list's media type. With RawManifest it makes an Index
// what go-containerregistry calls a remote.Taggable.
func (ix Index) MediaType() (types.MediaType, error) { return ix.format.IndexType(), nil }

// ArtifactType returns the list's artifactType, "" for none.
func (ix Index) ArtifactType() string { return ix.artifactType }

// Annotations returns a copy of the list's own annotations.
func (ix Index) Annotations() map[string]string { return maps.Clone(ix.annotations) }

// Subject returns the descriptor that the list refers to; ok is false where it
// refers to none.
func (ix Index) Subject() (d v1.Descriptor, ok bool) {
	if ix.subject == nil {
		return v1.Descriptor{}, false
	}
	return ix.subject.clone().Descriptor, true
}

// Entries returns a copy of the lines of the list, in order.
func (ix Index) Entries() []Entry {
	entries := make([]Entry, len(ix.entries))
	for i, e := range ix.entries {
		entries[i] = e.clone()
	}
	return entries
}

// All returns the entries as Entries does, one after the other, with their
// positions.
func (ix Index) All() iter.Seq2[int, Entry] {
	return func(yield func(int, Entry) bool) {
		for i, e := range ix.entries {
			if !yield(i, e.clone()) {
				return
			}
		}
	}
}

// Len returns the number of entries.
func (ix Index) Len() int { return len(ix.entries) }

// RawManifest returns a copy of the bytes of the list: those that were parsed,
// if nothing was edited, else those that the package comment documents.
func (ix Index) RawManifest() ([]byte, error) {
	if ix.raw != nil {
		return slices.Clone(ix.raw), nil
	}
	return encode(ix)
}

// Digest returns the sha256 digest of the bytes of the list.
func (ix Index) Digest() v1.Hash {
	raw := ix.raw
	if raw == nil {
		// Only an index that nothing was added to has no bytes yet, and that
		// one can always be encoded.
		raw, _ = encode(ix) //nolint:errcheck // see above
	}
	return DigestOf(raw)
}

// WithOrigins returns the same list with the origin of each entry set to what
// of returns for its position and the entry. The bytes stay.
func (ix Index) WithOrigins(of func(i int, e Entry) Origin) Index {
	entries := slices.Clone(ix.entries)
	for i := range entries {
		entries[i].Origin = of(i, entries[i].clone())
	}
	ix.entries = entries
	return ix
}

// DigestOf returns the sha256 digest of raw.
func DigestOf(raw []byte) v1.Hash {
	sum := sha256.Sum256(raw)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}
