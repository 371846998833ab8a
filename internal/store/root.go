package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The names at the top of a store that are ours; everything else there is
// upstream's or nobody's.
const (
	markerFile = "store.json"
	locksDir   = "locks"
	tempDir    = "tmp"
	listsDir   = "v1"
	markerLock = "store" // no key, since it has no '~'
)

// version is what this package reads and writes. A later one that only adds
// raises schema; one whose lists this package would misread raises minReader,
// and one whose lists it would damage minWriter.
const version = 1

const markerFormat = "pack-manifest-store"

type marker struct {
	Format    string `json:"format"`
	Schema    int    `json:"schema"`
	MinReader int    `json:"minReader"`
	MinWriter int    `json:"minWriter"`
}

// errNoStore says that the directory of the store does not exist.
var errNoStore = errors.New("no store")

// openToRead opens the store, errNoStore where there is none.
func (d *Dir) openToRead() (disk, error) {
	if err := checkRoot(d.opts.Root); err != nil {
		return nil, err
	}
	dk, err := d.open(d.opts.Root)
	if err != nil {
		return nil, err
	}
	m, err := d.readMarker(dk)
	if err == nil {
		err = d.allows("read", m.MinReader)
	}
	if err == nil {
		err = d.checkTop(dk)
	}
	if err != nil {
		return nil, errors.Join(err, dk.Close())
	}
	return dk, nil
}

// openToWrite opens the store and makes what is missing of it.
func (d *Dir) openToWrite(ctx context.Context) (disk, error) {
	if d.opts.Root == "" {
		return nil, errors.New("no directory for lists was given")
	}
	if err := makeDirs(d.opts.Root); err != nil {
		return nil, err
	}
	dk, err := d.openToRead()
	if err != nil {
		return nil, err
	}
	if err := d.prepare(ctx, dk); err != nil {
		return nil, errors.Join(err, dk.Close())
	}
	return dk, nil
}

// prepare makes the directories of a store and, when they would survive a power
// cut, the marker: where it is, they are.
func (d *Dir) prepare(ctx context.Context, dk disk) error {
	m, err := d.readMarker(dk)
	if err == nil {
		err = d.allows("write", m.MinWriter)
	}
	if err == nil {
		err = makeTop(dk)
	}
	if err != nil || m != (marker{}) {
		return err
	}
	unlock, err := d.lock(ctx, dk, markerLock, "the store")
	if err != nil {
		return err
	}
	return errors.Join(d.mark(dk), unlock())
}

// makeTop makes the directories at the top where they are missing: in a new
// store, or because somebody tidied up.
func makeTop(dk disk) error {
	made := false
	for _, dir := range []string{locksDir, tempDir, listsDir} {
		_, err := dk.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			err, made = mkdir(dk, dir), true
		}
		if err != nil {
			return err
		}
	}
	if !made {
		return nil
	}
	return dk.SyncDir(".")
}

// mark writes the marker. Of several processes that do so one after the other
// all write the same.
func (d *Dir) mark(dk disk) error {
	raw, err := json.Marshal(marker{Format: markerFormat, Schema: version, MinReader: version, MinWriter: version})
	if err != nil {
		return err
	}
	// Another one may have made the directories and not come to this.
	if err := dk.SyncDir("."); err != nil {
		return err
	}
	if err := writeAll(dk, markerFile+".tmp", markerFile, append(raw, '\n')); err != nil {
		return err
	}
	return dk.SyncDir(".")
}

// readMarker returns the zero marker where there is none.
func (d *Dir) readMarker(dk disk) (marker, error) {
	raw, err := readAll(dk, markerFile, 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return marker{}, nil
	}
	if err != nil {
		return marker{}, err
	}
	var m marker
	if err := json.Unmarshal(raw, &m); err != nil {
		return marker{}, fmt.Errorf("%s says nothing readable about the store: %w", d.markerPath(), err)
	}
	if m.Format != markerFormat || m.Schema < 1 || m.MinReader < 1 || m.MinWriter < 1 {
		return marker{}, fmt.Errorf("%s is no marker of a store of lists", d.markerPath())
	}
	return m, nil
}

func (d *Dir) markerPath() string { return filepath.Join(d.opts.Root, markerFile) }

// allows refuses a store that needs a later version of this package.
func (d *Dir) allows(verb string, least int) error {
	if least <= version {
		return nil
	}
	return fmt.Errorf("the lists in %s were written by a newer version of this program, which says that version %d is needed to %s them and this is version %d",
		d.opts.Root, least, verb, version)
}

// checkTop refuses links and files where our directories belong.
func (d *Dir) checkTop(dk disk) error {
	for _, dir := range []string{locksDir, tempDir, listsDir} {
		if err := checkDir(dk, dir); err != nil {
			return fmt.Errorf("in %s: %w", d.opts.Root, err)
		}
	}
	return nil
}

// checkRoot refuses a store that is not its user's alone: who can write there
// can choose what we publish. A link is refused too, since what it points to can
// be changed by whoever owns the place it points into; that some directory above
// is a link is for the user to decide.
func checkRoot(root string) error {
	info, err := os.Lstat(root)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoStore
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s is a symbolic link: name the directory that it points to instead", root)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory: move it away", root)
	}
	if err := checkOwner(root, info); err != nil {
		return err
	}
	parent := filepath.Dir(root)
	info, err = os.Stat(parent)
	if err != nil {
		return err
	}
	return checkParent(parent, info)
}
