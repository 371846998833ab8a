package store

import (
	"bytes"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// tempFile is the one temporary name in a list's directory; who holds the list's
// lock may use it.
const tempFile = ".tmp"

// change is what an Update writes, worked out in full.
type change struct {
	shelf
	before    state
	list      []byte // the bytes of the new list
	digest    v1.Hash
	mediaType types.MediaType
	entries   []index.Entry
	same      bool // bytes and origins are as before
	staged    *stage
	known     kept
	moves     []v1.Hash // from the stage into the list's directory
}

func (c change) nothing() bool { return c.same && len(c.moves) == 0 }

// stillThere fails with errGone where content was neither copied nor is in the
// list's directory any more.
func (c change) stillThere(b index.Blob) error {
	if _, ok := c.staged.size(b.Digest); ok {
		return nil
	}
	there, err := c.has(b.Digest, b.Size)
	if err == nil && !there {
		return errGone
	}
	return err
}

// findMoves returns the staged blobs that the list needs and does not have.
// Where nobody knows what it needs, it gets them all.
func (c change) findMoves() ([]v1.Hash, error) {
	if c.staged == nil {
		return nil, nil
	}
	needed := c.known.all()
	var moves []v1.Hash
	for h, size := range c.staged.has {
		if c.known != nil && !needed[h] {
			continue
		}
		there, err := c.has(h, size)
		if err != nil {
			return nil, err
		}
		if !there {
			moves = append(moves, h)
		}
	}
	slices.SortFunc(moves, func(a, b v1.Hash) int { return strings.Compare(a.String(), b.String()) })
	return moves, nil
}

func (c change) isNew() bool { return c.before.head.raw == nil }

// carryOut writes the change. Up to the rename of index.json nothing of it is
// seen, and what was written is removed again if something fails.
func (c change) carryOut() error {
	side, err := encodeSide(c.entries, c.digest, c.known)
	if err != nil {
		return err
	}
	sideDigest := index.DigestOf(side)
	if err := c.write(side, sideDigest); err != nil {
		c.undo()
		return err
	}
	if err := c.commit(sideDigest); err != nil {
		c.undo()
		return err
	}
	// Until this is certain a power cut may bring the old index.json back, and
	// what it names must be there.
	if err := c.dk.SyncDir(c.dir); err != nil {
		return err
	}
	c.sweep(c.known, c.digest, sideDigest)
	if c.isNew() {
		sweepUnfinished(c.dk)
	}
	return nil
}

// write puts everything that the new index.json names where it belongs, so that
// it survives a power cut.
func (c change) write(side []byte, sideDigest v1.Hash) error {
	if c.isNew() {
		if err := c.makeLayout(); err != nil {
			return err
		}
	}
	dirs, err := c.makeBlobDirs()
	if err != nil {
		return err
	}
	for _, h := range c.moves {
		if err := c.moveIn(h); err != nil {
			return err
		}
	}
	if c.isNew() || c.before.head.list.Digest != c.digest {
		if err := c.writeBlob(c.digest, c.list); err != nil {
			return err
		}
	}
	if err := c.writeBlob(sideDigest, side); err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := c.dk.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// makeLayout makes the directory of a list, short of its index.json. A writer
// that was killed may have made some of it.
func (c change) makeLayout() error {
	for _, dir := range []string{c.dir, path.Join(c.dir, blobsDir)} {
		if err := mkdir(c.dk, dir); err != nil {
			return err
		}
	}
	files := map[string]string{layoutFile: layoutText}
	if isHashed(path.Base(c.dir)) {
		files[nameFile] = c.name.String() + "\n"
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		err := writeAll(c.dk, path.Join(c.dir, tempFile), path.Join(c.dir, name), []byte(files[name]))
		if err != nil {
			return err
		}
	}
	return nil
}

// makeBlobDirs makes the directories that blobs go to and returns those to
// sync, the inner before the outer.
func (c change) makeBlobDirs() ([]string, error) {
	blobs := path.Join(c.dir, blobsDir)
	algorithms := append(c.known.algorithms(), c.digest.Algorithm)
	for _, h := range c.moves {
		algorithms = append(algorithms, h.Algorithm)
	}
	slices.Sort(algorithms)
	var dirs []string
	for _, a := range slices.Compact(algorithms) {
		dirs = append(dirs, path.Join(blobs, a))
		if err := mkdir(c.dk, path.Join(blobs, a)); err != nil {
			return nil, err
		}
	}
	if len(dirs) > 1 || c.isNew() {
		dirs = append(dirs, blobs)
	}
	if c.isNew() {
		dirs = append(dirs, c.dir, listsDir)
	}
	return dirs, nil
}

func (c change) moveIn(h v1.Hash) error {
	to, err := c.blobPath(h)
	if err != nil {
		return err
	}
	return c.dk.Rename(c.staged.pathOf(h), to)
}

func (c change) writeBlob(h v1.Hash, raw []byte) error {
	to, err := c.blobPath(h)
	if err != nil {
		return err
	}
	return writeAll(c.dk, path.Join(c.dir, tempFile), to, raw)
}

// commit makes the new list the current one.
func (c change) commit(sideDigest v1.Hash) error {
	list := v1.Descriptor{MediaType: c.mediaType, Digest: c.digest, Size: int64(len(c.list))}
	raw, err := encodeHead(c.before.head.raw, c.name, list, sideDigest)
	if err != nil {
		return err
	}
	return writeAll(c.dk, path.Join(c.dir, tempFile), path.Join(c.dir, headFile), raw)
}

// undo removes what a change that failed has written, if the list is seen to be
// as it was. What it cannot remove a later change will.
func (c change) undo() {
	raw, err := c.readHead()
	switch {
	case errors.Is(err, errNoList) && c.isNew():
		if err := removeAll(c.dk, c.dir); err != nil {
			return
		}
	case err == nil && !c.isNew() && bytes.Equal(raw, c.before.head.raw):
		c.sweep(c.before.known, c.before.head.list.Digest, c.before.head.side)
	}
}
