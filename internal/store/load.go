package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// shelf is the directory of one list.
type shelf struct {
	dk    disk
	name  index.Name
	dir   string // in dk
	where string // for people
}

func (d *Dir) shelf(dk disk, n index.Name) shelf {
	dir := path.Join(listsDir, keyOf(n))
	return shelf{dk, n, dir, filepath.Join(d.opts.Root, dir)}
}

// state is a list as it was read.
type state struct {
	head  head
	list  index.Index // with origins
	known kept
}

// errNoList says that there is no list of ours of that name.
var errNoList = errors.New("no list")

const (
	// loadTries bounds how often a reader begins again. Each time a writer has
	// committed and swept between two reads of it, which takes some milliseconds.
	loadTries = 64
	// sureTries is how often the same head must fail to be called damaged. Once
	// is not enough: it may be the same again after it was another.
	sureTries = 5
)

// load reads the list without a lock: the head first, then what it names, which
// a writer may have swept meanwhile. Then it begins again.
func (s shelf) load() (st state, err error) {
	var last []byte
	for same, tries := 1, 1; ; tries++ {
		raw, err := s.readHead()
		if err != nil {
			return state{}, err
		}
		if same++; !bytes.Equal(raw, last) {
			same = 1
		}
		sure := same >= sureTries || tries >= loadTries
		st, err := s.loadFrom(raw)
		if errors.Is(err, errNoSide) && sure {
			return st, nil // the list works without
		}
		if err == nil || sure || !errors.Is(err, errNoSide) && !errors.Is(err, index.ErrCorrupt) {
			return st, err
		}
		last = raw
	}
}

// errNoSide says that the side blob could not be used.
var errNoSide = errors.New("no side blob")

// readHead returns the bytes of index.json, errNoList where there is none.
func (s shelf) readHead() ([]byte, error) {
	if err := s.checkDirs(); err != nil {
		return nil, err
	}
	raw, err := readAll(s.dk, path.Join(s.dir, headFile), index.MaxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoList
	}
	return raw, s.damage(err)
}

// checkDirs refuses a list parts of which are elsewhere.
func (s shelf) checkDirs() error {
	for _, sub := range []string{".", blobsDir, blobsDir + "/sha256", blobsDir + "/sha512"} {
		if err := checkDir(s.dk, path.Join(s.dir, sub)); err != nil {
			return s.damage(err)
		}
	}
	return nil
}

// damage makes a corrupt list of what is wrong with the bytes, and leaves alone
// what is wrong with the disk.
func (s shelf) damage(err error) error {
	for _, kind := range []error{errNotRegular, errNotDirectory, errTooLarge} {
		if errors.Is(err, kind) {
			return s.corrupt("%w", err)
		}
	}
	return err
}

func (s shelf) corrupt(format string, args ...any) error {
	return index.Faultf(index.ErrCorrupt, thing(s.name), "damaged in %s: "+format, append([]any{s.where}, args...)...)
}

// loadFrom returns the list without its origins, and errNoSide, where there is
// no side blob that could be used.
func (s shelf) loadFrom(raw []byte) (state, error) {
	h, err := parseHead(raw, s.name)
	if err != nil {
		return state{}, s.corrupt("%s: %w", headFile, err)
	}
	ix, err := s.loadList(h.list)
	if err != nil {
		return state{}, err
	}
	st := state{head: h, list: ix}
	if h.side.Hex == "" {
		return st, nil
	}
	origins, known, err := s.loadSide(h, ix)
	if err != nil {
		return st, err
	}
	st.known = known
	st.list = ix.WithOrigins(func(i int, _ index.Entry) index.Origin { return origins[i] })
	return st, nil
}

// still reports whether a list has an index.json, and what that names, as it was.
func (s shelf) still(h head) bool {
	raw, err := s.readHead()
	if err != nil || !bytes.Equal(raw, h.raw) {
		return false
	}
	if _, err = s.readBlob(h.list.Digest, index.MaxManifest); err == nil && h.side.Hex != "" {
		_, err = s.readBlob(h.side, maxSide)
	}
	return err == nil
}

func (s shelf) loadList(d v1.Descriptor) (index.Index, error) {
	if d.Size > index.MaxManifest {
		return index.Index{}, s.corrupt("a list of %d bytes", d.Size)
	}
	raw, err := s.readBlob(d.Digest, d.Size)
	if err != nil {
		return index.Index{}, err
	}
	if int64(len(raw)) != d.Size {
		return index.Index{}, s.corrupt("list %s has %d bytes, want %d", d.Digest, len(raw), d.Size)
	}
	ix, err := index.Parse(raw)
	if err != nil {
		return index.Index{}, s.corrupt("list %s: %w", d.Digest, err)
	}
	if ix.Format().IndexType() != d.MediaType {
		return index.Index{}, s.corrupt("list %s is no %s", d.Digest, d.MediaType)
	}
	return ix, nil
}

func (s shelf) loadSide(h head, ix index.Index) ([]index.Origin, kept, error) {
	raw, err := s.readBlob(h.side, maxSide)
	if errors.Is(err, index.ErrCorrupt) {
		return nil, nil, errNoSide
	}
	if err != nil {
		return nil, nil, err
	}
	origins, known, err := decodeSide(raw, h.list.Digest, ix)
	if err != nil {
		return nil, nil, errNoSide
	}
	return origins, known, nil
}

// readBlob reads a small blob and checks it. A blob that is missing or differs
// is damage of the list.
func (s shelf) readBlob(h v1.Hash, limit int64) ([]byte, error) {
	name, err := s.blobPath(h)
	if err != nil {
		return nil, err
	}
	raw, err := readAll(s.dk, name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.corrupt("%s is missing", h)
	}
	if err != nil {
		return nil, s.damage(err)
	}
	if got, err := digestAs(h.Algorithm, raw); err != nil || got != h {
		return nil, s.corrupt("%s has the bytes of %s", h, got)
	}
	return raw, nil
}

// blobPath returns where a blob is. A digest becomes part of a path only after
// it was found to be one (CVE-2024-3727).
func (s shelf) blobPath(h v1.Hash) (string, error) {
	if _, err := v1.NewHash(h.String()); err != nil {
		return "", index.Faultf(index.ErrInvalid, fmt.Sprintf("digest %q", h.String()), "%w", err)
	}
	return path.Join(s.dir, blobsDir, h.Algorithm, h.Hex), nil
}

// has reports whether the blob is there in its full size.
func (s shelf) has(h v1.Hash, size int64) (bool, error) {
	name, err := s.blobPath(h)
	if err != nil {
		return false, err
	}
	info, err := s.dk.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Mode().IsRegular() && info.Size() == size, err
}
