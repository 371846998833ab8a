package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// shelf is the directory of one list.
type shelf struct {
	dk   disk
	name index.Name
	dir  string
}

func newShelf(dk disk, n index.Name) shelf { return shelf{dk, n, path.Join(listsDir, keyOf(n))} }

// state is a list as it was read.
type state struct {
	head  head
	list  index.Index // with origins
	known kept
}

// errNoList says that there is no list of ours of that name.
var errNoList = errors.New("no list")

// loadTries bounds how often a reader begins again. Each time a writer has
// committed and swept between two reads of it, which takes some milliseconds.
const loadTries = 64

// load reads the list without a lock: the head first, then what it names, which
// a writer may have swept meanwhile. Then the head is another one.
func (s shelf) load() (state, error) {
	var before []byte
	var fault error
	for range loadTries {
		raw, err := s.readHead()
		if err != nil {
			return state{}, err
		}
		if before != nil && string(raw) == string(before) {
			return state{}, fault
		}
		st, err := s.loadFrom(raw)
		if err == nil || !errors.Is(err, index.ErrCorrupt) {
			return st, err
		}
		before, fault = raw, err
	}
	return state{}, fault
}

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
	return index.Faultf(index.ErrCorrupt, thing(s.name), "damaged on disk: "+format, args...)
}

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
	about, ok, err := s.loadSide(h, ix)
	if err != nil || !ok {
		return st, err
	}
	st.known = about.known(ix)
	st.list = ix.WithOrigins(func(i int, _ index.Entry) index.Origin { return about.Entries[i].Origin })
	return st, nil
}

func (s shelf) loadList(d v1.Descriptor) (index.Index, error) {
	if d.Size > index.MaxManifest {
		return index.Index{}, s.corrupt("a list of %d bytes", d.Size)
	}
	raw, err := s.readBlob(d.Digest, d.Size)
	if err != nil {
		return index.Index{}, err
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

// loadSide returns ok false where there is no side blob that could be used. It
// is an error of the list only if a writer may have swept it under us: load
// finds that out.
func (s shelf) loadSide(h head, ix index.Index) (about side, ok bool, err error) {
	raw, err := s.readBlob(h.side, maxSide)
	if errors.Is(err, index.ErrCorrupt) {
		again, headErr := s.readHead()
		if headErr != nil {
			return side{}, false, headErr
		}
		if string(again) != string(h.raw) {
			return side{}, false, err
		}
		return side{}, false, nil
	}
	if err != nil {
		return side{}, false, err
	}
	about, err = parseSide(raw, h.list.Digest, ix)
	return about, err == nil, nil
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
