package store

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// maxSide is the greatest size of a side blob that is read. A list of 4 MiB has
// room for some 20 000 entries.
const maxSide = 64 << 20

// side is what we know of a list and must not write into it. It is a blob beside
// the list's own, named by the head: both change in one step, and a side blob
// that does not match its digest is not used. Without it a list has no origins,
// and the next change reads the manifests again.
type side struct {
	// List is what it is about; any other list makes it stale.
	List v1.Hash `json:"list"`
	// Blind says that what the entries need could not be found out.
	Blind   bool       `json:"blind,omitempty"`
	Entries []sideLine `json:"entries"`
}

// sideLine is about the entry of the same position.
type sideLine struct {
	Origin index.Origin `json:"origin,omitzero"`
	// Kept has the blobs in the list's directory that are there for the entry:
	// its manifest, config, layers, those of nested lists.
	Kept []v1.Hash `json:"kept,omitempty"`
}

// kept tells for a digest of an entry which blobs are there for it. A nil map
// says that nobody knows.
type kept map[v1.Hash][]v1.Hash

func parseSide(raw []byte, list v1.Hash, ix index.Index) (side, error) {
	var s side
	if err := json.Unmarshal(raw, &s); err != nil {
		return side{}, err
	}
	if s.List != list || len(s.Entries) != ix.Len() {
		return side{}, fmt.Errorf("it is about %s", s.List)
	}
	return s, nil
}

// newSide describes ix; a nil known makes it blind.
func newSide(ix index.Index, list v1.Hash, known kept) side {
	s := side{List: list, Blind: known == nil, Entries: make([]sideLine, 0, ix.Len())}
	for _, e := range ix.Entries() {
		s.Entries = append(s.Entries, sideLine{e.Origin, known[e.Digest]})
	}
	return s
}

// known returns what the side blob says about the entries of ix.
func (s side) known(ix index.Index) kept {
	if s.Blind {
		return nil
	}
	known := make(kept, len(s.Entries))
	for i, e := range ix.Entries() {
		known[e.Digest] = s.Entries[i].Kept
	}
	return known
}
