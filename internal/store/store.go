package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Options says where the lists are.
type Options struct {
	// Root is the directory of the store, $PACK_HOME/manifests. It is made when
	// the first list is.
	Root string
	// RuntimeDir is $XDG_RUNTIME_DIR, where upstream pack may have left lists;
	// "" for none. Nothing is ever put there.
	RuntimeDir string
	// LockTimeout is how long a change waits for another change of the same
	// list, DefaultLockTimeout if it is 0.
	LockTimeout time.Duration
	// Command is what others are told that is at work while they wait.
	Command string
}

// Dir is a store in a directory. It holds nothing open between calls and may be
// used by many goroutines, and the directory by many processes, at once.
type Dir struct {
	opts Options
	open func(dir string) (disk, error)
	jobs int // files copied at once
	last atomic.Pointer[state]
}

// New returns the store that o describes. It touches nothing.
func New(o Options) *Dir { return &Dir{opts: o, open: openDisk, jobs: 4} }

// Get returns the list of a name; its entries have their origins. It fails with
// index.ErrNotFound where there is none, neither of ours nor of upstream's, and
// with index.ErrCorrupt where there is one that is damaged.
func (d *Dir) Get(ctx context.Context, n index.Name) (ix index.Index, err error) {
	if err := context.Cause(ctx); err != nil {
		return index.Index{}, err
	}
	dk, err := d.openToRead()
	if errors.Is(err, errNoStore) {
		dk, err = nil, nil
	}
	if err != nil {
		return index.Index{}, reading(n, err)
	}
	if dk != nil {
		defer func() { err = errors.Join(err, dk.Close()) }()
	}
	ix, found, err := d.find(dk, n)
	if err != nil {
		return index.Index{}, reading(n, err)
	}
	if !found {
		return index.Index{}, notFound(n)
	}
	return ix, nil
}

// find looks for a list of ours, then for one of upstream's; dk is nil where
// there is no store.
func (d *Dir) find(dk disk, n index.Name) (ix index.Index, found bool, err error) {
	if dk != nil {
		st, err := d.load(d.shelf(dk, n))
		if !errors.Is(err, errNoList) {
			return st.list, err == nil, err
		}
	}
	return d.findUpstream(dk, n)
}

// load reads a list. One that is as it was when it was read last is read and
// hashed, but not parsed again: so is each that is looked at before it is changed.
func (d *Dir) load(s shelf) (state, error) {
	if last := d.last.Load(); last != nil && s.still(last.head) {
		return *last, nil
	}
	st, err := s.load()
	if err == nil {
		d.last.Store(&st)
	}
	return st, err
}

// Blob returns content that is kept with a list of ours: a manifest, config or
// layer of an entry. It fails with index.ErrNotFound where list or content are
// not there. What Open returns is checked while it is read: at its end the read
// fails with index.ErrCorrupt if it is not what the digest promises.
func (d *Dir) Blob(ctx context.Context, n index.Name, h v1.Hash) (blob index.Blob, err error) {
	if err := context.Cause(ctx); err != nil {
		return index.Blob{}, err
	}
	dk, err := d.openToRead()
	if errors.Is(err, errNoStore) {
		return index.Blob{}, notFound(n)
	}
	if err != nil {
		return index.Blob{}, reading(n, err)
	}
	defer func() { err = errors.Join(err, dk.Close()) }()
	s := d.shelf(dk, n)
	name, err := s.blobPath(h)
	if err != nil {
		return index.Blob{}, reading(n, err)
	}
	if there, err := s.exists(); err != nil || !there {
		return index.Blob{}, reading(n, err)
	}
	if err := s.checkDirs(); err != nil {
		return index.Blob{}, reading(n, err)
	}
	info, err := dk.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return index.Blob{}, index.Faultf(index.ErrNotFound, blobThing(h), "not kept with %s", thing(n))
	}
	if err != nil {
		return index.Blob{}, reading(n, err)
	}
	if !info.Mode().IsRegular() {
		return index.Blob{}, s.corrupt("%s is %w", h, errNotRegular)
	}
	blob = index.Blob{Digest: h, Size: info.Size()}
	blob.Open = d.opener(name, blob)
	return blob, nil
}

// List returns the names of all lists, sorted: ours, damaged or not, and those
// of upstream.
func (d *Dir) List(ctx context.Context) (names []index.Name, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	dk, err := d.openToRead()
	if errors.Is(err, errNoStore) {
		return d.sorted(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("read the lists: %w", err)
	}
	defer func() { err = errors.Join(err, dk.Close()) }()
	return d.sorted(dk)
}

func (d *Dir) sorted(dk disk) ([]index.Name, error) {
	var names []index.Name
	if dk != nil {
		ours, err := d.listShelves(dk)
		if err != nil {
			return nil, fmt.Errorf("read the lists: %w", err)
		}
		names = ours
	}
	theirs, err := d.listUpstream(dk)
	if err != nil {
		return nil, fmt.Errorf("read upstream's lists: %w", err)
	}
	names = append(names, theirs...)
	slices.SortFunc(names, func(a, b index.Name) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(names), nil
}

// listShelves returns the names of our lists.
func (d *Dir) listShelves(dk disk) ([]index.Name, error) {
	keys, err := dk.List(listsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []index.Name
	for _, key := range keys {
		n, ok := shelfName(dk, key)
		if !ok {
			continue
		}
		// Of a list that cannot be looked at we know that it is there.
		if there, err := d.shelf(dk, n).exists(); there || err != nil {
			names = append(names, n)
		}
	}
	return names, nil
}

// shelfName returns the name of the list that a directory is for. Where the key
// does not tell, a file beside the list does, or the list itself.
func shelfName(dk disk, key string) (index.Name, bool) {
	if !isHashed(key) {
		return nameOf(key)
	}
	dir := path.Join(listsDir, key)
	if raw, err := readAll(dk, path.Join(dir, nameFile), 4<<10); err == nil {
		if n, err := index.ParseName(strings.TrimSpace(string(raw))); err == nil && keyOf(n) == key {
			return n, true
		}
	}
	raw, err := readAll(dk, path.Join(dir, headFile), index.MaxManifest)
	if err != nil {
		return index.Name{}, false
	}
	n, err := index.ParseName(headName(raw))
	return n, err == nil && keyOf(n) == key
}

// exists reports whether there is a list, damaged or not. A directory without
// an index.json is one that was never finished.
func (s shelf) exists() (bool, error) {
	info, err := s.dk.Lstat(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !info.IsDir() {
		return err == nil, err
	}
	_, err = s.dk.Lstat(path.Join(s.dir, headFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func thing(n index.Name) string { return fmt.Sprintf("list %q", n.Familiar()) }

func notFound(n index.Name) error {
	return index.Faultf(index.ErrNotFound, thing(n), "it is not in local storage")
}

// reading says what was being read, unless the error does.
func reading(n index.Name, err error) error {
	if err == nil {
		return notFound(n)
	}
	return about("read", n, err)
}

func about(verb string, n index.Name, err error) error {
	if fault, ok := errors.AsType[*index.Fault](err); ok && fault.Thing != "" {
		return err
	}
	return fmt.Errorf("%s %s: %w", verb, thing(n), err)
}
