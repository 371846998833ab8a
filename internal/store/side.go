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
	List string `json:"list"`
	// Blind says that what the entries need could not be found out.
	Blind   bool       `json:"blind,omitempty"`
	Entries []sideLine `json:"entries"`
}

// sideLine is about the entry of the same position. Digests are text here: there
// are thousands, and their own decoding is what would cost most.
type sideLine struct {
	Kind       index.SourceKind `json:"kind,omitempty"`
	Ref        string           `json:"ref,omitempty"`
	Repository string           `json:"repository,omitempty"`
	Pin        string           `json:"pin,omitempty"`
	Converted  string           `json:"converted,omitempty"`
	// Kept has the blobs in the list's directory that are there for the entry:
	// its manifest, config, layers, those of nested lists.
	Kept []string `json:"kept,omitempty"`
}

// kept tells for a digest of an entry which blobs are there for it. A nil map
// says that nobody knows.
type kept map[v1.Hash][]v1.Hash

func encodeSide(entries []index.Entry, list v1.Hash, known kept) ([]byte, error) {
	s := side{List: list.String(), Blind: known == nil, Entries: make([]sideLine, len(entries))}
	for i, e := range entries {
		s.Entries[i] = lineOf(e, known[e.Digest])
	}
	// A path may be no UTF-8 and comes back with U+FFFD: it is only shown to people.
	return json.Marshal(s)
}

func lineOf(e index.Entry, blobs []v1.Hash) sideLine {
	line := sideLine{Kind: e.Origin.Kind, Ref: e.Origin.Ref, Repository: e.Origin.Repository}
	if e.Origin.Pin != (v1.Hash{}) {
		line.Pin = textOf(e.Origin.Pin)
	}
	if e.Origin.Converted != (v1.Hash{}) {
		line.Converted = textOf(e.Origin.Converted)
	}
	for _, h := range blobs {
		line.Kept = append(line.Kept, textOf(h))
	}
	return line
}

// textOf is h.String() for thousands of digests, without fmt.
func textOf(h v1.Hash) string { return h.Algorithm + ":" + h.Hex }

// decodeSide returns the origins of the entries, by position, and what is known
// of their content.
func decodeSide(raw []byte, list v1.Hash, ix index.Index) ([]index.Origin, kept, error) {
	var s side
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, nil, err
	}
	if s.List != list.String() || len(s.Entries) != ix.Len() {
		return nil, nil, fmt.Errorf("it is about %s", s.List)
	}
	origins, known := make([]index.Origin, ix.Len()), make(kept, ix.Len())
	for i, e := range ix.All() {
		var err error
		if origins[i], err = s.Entries[i].origin(); err != nil {
			return nil, nil, err
		}
		if known[e.Digest], err = s.Entries[i].blobs(); err != nil {
			return nil, nil, err
		}
	}
	if s.Blind {
		known = nil
	}
	return origins, known, nil
}

func (l sideLine) origin() (index.Origin, error) {
	o := index.Origin{Kind: l.Kind, Ref: l.Ref, Repository: l.Repository}
	var err error
	if l.Pin != "" {
		if o.Pin, err = v1.NewHash(l.Pin); err != nil {
			return o, err
		}
	}
	if l.Converted != "" {
		o.Converted, err = v1.NewHash(l.Converted)
	}
	return o, err
}

func (l sideLine) blobs() ([]v1.Hash, error) {
	blobs := make([]v1.Hash, len(l.Kept))
	for i, text := range l.Kept {
		var err error
		if blobs[i], err = v1.NewHash(text); err != nil {
			return nil, err
		}
	}
	return blobs, nil
}
