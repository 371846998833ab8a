package store

import (
	"context"
	"errors"
	"slices"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Delete removes the list of a name, damaged or not, and upstream's lists of
// that name. It fails with index.ErrNotFound where there is none, and waits for
// changes of the list as Update does. Once it returns nil the list stays
// deleted; the space of content that could not be removed is given back by a
// later change.
func (d *Dir) Delete(ctx context.Context, n index.Name) error {
	if n.IsZero() {
		return index.Faultf(index.ErrUsage, "list", "it has no name")
	}
	// A store that does not exist is not made just to find nothing in it.
	if there, err := d.isThere(n); err != nil || !there {
		return deleting(n, err)
	}
	dk, err := d.openToWrite(ctx)
	if err != nil {
		return deleting(n, err)
	}
	if err := errors.Join(d.delete(ctx, dk, n), dk.Close()); err != nil {
		return deleting(n, err)
	}
	return nil
}

func deleting(n index.Name, err error) error {
	if err == nil {
		return notFound(n)
	}
	return about("delete", n, err)
}

func (d *Dir) isThere(n index.Name) (there bool, err error) {
	dk, err := d.openToRead()
	if errors.Is(err, errNoStore) {
		_, there, err = d.findUpstream(nil, n)
		return there, err
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, dk.Close()) }()
	if there, err := d.shelf(dk, n).exists(); there || err != nil {
		return there, err
	}
	_, there, err = d.findUpstream(dk, n)
	return there, err
}

func (d *Dir) delete(ctx context.Context, dk disk, n index.Name) error {
	sweepTemp(dk)
	unlock, err := d.lock(ctx, dk, keyOf(n), thing(n))
	if err != nil {
		return err
	}
	return errors.Join(d.deleteLocked(dk, n), unlock())
}

// deleteLocked removes the list that is seen last: until then nothing that it
// hides comes to light.
func (d *Dir) deleteLocked(dk disk, n index.Name) error {
	ours, err := d.shelf(dk, n).exists()
	if err != nil {
		return err
	}
	hidden, err := d.deleteUpstream(dk, n)
	if err != nil {
		return err
	}
	if ours {
		return d.shelf(dk, n).remove()
	}
	if !hidden {
		return notFound(n) // somebody else was faster
	}
	return nil
}

// deleteUpstream removes upstream's lists of a name, in turn the one that is
// found last, and reports whether there were any.
func (d *Dir) deleteUpstream(dk disk, n index.Name) (found bool, err error) {
	u, err := d.openUpstream(dk)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, u.close()) }()
	lists, err := u.find(n)
	if err != nil {
		return false, err
	}
	for _, list := range slices.Backward(lists) {
		if err := list.remove(); err != nil {
			return false, err
		}
	}
	return len(lists) > 0, nil
}

// remove takes the list out of sight in one step; what is then in the way of
// nobody is removed after.
func (s shelf) remove() error {
	away, err := uniqueName(tempDir, deletedPrefix)
	if err != nil {
		return err
	}
	if err := s.dk.Rename(s.dir, away); err != nil {
		return err
	}
	if err := s.dk.SyncDir(listsDir); err != nil {
		return err
	}
	if err := removeAll(s.dk, away); err != nil {
		return nil //nolint:nilerr // the list is deleted; the next change removes the rest
	}
	return nil
}
