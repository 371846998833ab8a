package store

import (
	"errors"
	"io/fs"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// errBlind says that a manifest which is at hand could not be read, so that
// nobody can say what it needs.
var errBlind = errors.New("unreadable manifest")

// findKept finds out which blobs the entries of a list need, of those that are
// at hand. What is known of an entry already is believed; the manifests of the
// others are read. It returns nil where a manifest is damaged: then everything
// is kept until that is repaired.
func (u updater) findKept(known kept, entries []index.Entry, staged *stage) (kept, error) {
	fresh := map[v1.Hash]bool{}
	for _, b := range u.content {
		fresh[b.Digest] = true
	}
	table, err := u.tabulate(entries, staged, func(h v1.Hash) ([]v1.Hash, bool) {
		blobs, ok := known[h]
		return blobs, ok && !fresh[h]
	})
	if err == nil && known != nil && !table.reaches(u.content) {
		// Something came that belongs to an entry which was there before.
		table, err = u.tabulate(entries, staged, func(v1.Hash) ([]v1.Hash, bool) { return nil, false })
	}
	if errors.Is(err, errBlind) {
		err = nil // and table is nil
	}
	return table, err
}

func (u updater) tabulate(entries []index.Entry, staged *stage, known func(v1.Hash) ([]v1.Hash, bool)) (kept, error) {
	table := kept{}
	for _, e := range entries {
		if _, done := table[e.Digest]; done {
			continue
		}
		blobs, ok := known(e.Digest)
		if !ok {
			w := walk{shelf: u.shelf, staged: staged, seen: map[v1.Hash]bool{}}
			if err := w.entry(e.Descriptor); err != nil {
				return nil, err
			}
			blobs = w.found
		}
		table[e.Digest] = blobs
	}
	return table, nil
}

func (k kept) reaches(blobs []index.Blob) bool {
	if len(blobs) == 0 {
		return true
	}
	all := k.all()
	for _, b := range blobs {
		if !all[b.Digest] {
			return false
		}
	}
	return true
}

func (k kept) all() map[v1.Hash]bool {
	all := make(map[v1.Hash]bool, 2*len(k))
	for _, blobs := range k {
		for _, h := range blobs {
			all[h] = true
		}
	}
	return all
}

// algorithms returns those of all digests, sorted.
func (k kept) algorithms() []string {
	found := map[string]bool{}
	for _, blobs := range k {
		for _, h := range blobs {
			found[h.Algorithm] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// walk collects the blobs that are at hand for an entry.
type walk struct {
	shelf
	staged *stage
	seen   map[v1.Hash]bool
	found  []v1.Hash
}

// add notes a blob, and reports whether it is at hand and new.
func (w *walk) add(d v1.Descriptor) (bool, error) {
	if w.seen[d.Digest] {
		return false, nil
	}
	w.seen[d.Digest] = true
	there, err := w.atHand(d)
	if there && err == nil {
		w.found = append(w.found, d.Digest)
	}
	return there, err
}

func (w *walk) atHand(d v1.Descriptor) (bool, error) {
	if size, ok := w.staged.size(d.Digest); ok {
		return size == d.Size, nil
	}
	return w.has(d.Digest, d.Size)
}

// entry notes a manifest and what it needs. It ends, since a document cannot
// have its own digest in it, and none is read twice.
func (w *walk) entry(d v1.Descriptor) error {
	there, err := w.add(d)
	if err != nil || !there {
		return err
	}
	if !d.MediaType.IsIndex() && !d.MediaType.IsImage() {
		return nil
	}
	raw, err := w.read(d)
	if err != nil {
		return errors.Join(errBlind, err)
	}
	if d.MediaType.IsIndex() {
		return w.nested(raw)
	}
	return w.image(raw, d)
}

func (w *walk) nested(raw []byte) error {
	ix, err := index.Parse(raw)
	if err != nil {
		return nil //nolint:nilerr // kept as it came, with nothing that belongs to it
	}
	for _, e := range ix.Entries() {
		if err := w.entry(e.Descriptor); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) image(raw []byte, d v1.Descriptor) error {
	image, err := index.ParseImage(raw, d.MediaType)
	if err != nil {
		return nil //nolint:nilerr // as in nested
	}
	for _, part := range append(image.Layers, image.Config) {
		if _, err := w.add(part); err != nil {
			return err
		}
	}
	return nil
}

// read returns the bytes of a manifest that is at hand. Those of the stage were
// checked when they were put there.
func (w *walk) read(d v1.Descriptor) ([]byte, error) {
	if _, ok := w.staged.size(d.Digest); ok {
		raw, err := readAll(w.dk, w.staged.pathOf(d.Digest), index.MaxManifest)
		if !errors.Is(err, fs.ErrNotExist) {
			return raw, err
		}
	}
	return w.readBlob(d.Digest, index.MaxManifest)
}
