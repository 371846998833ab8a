package store

import (
	"errors"
	"io/fs"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// sweep removes the blobs that a list does not need: list and side blob of
// earlier states, content of entries that are gone, and what a writer that was
// killed left. It costs one listing, whatever it removes. Where nobody knows
// what is needed nothing is removed, and what fails is left to the next change.
// Readers may be at work with what goes: they find out and begin again.
func (s shelf) sweep(known kept, more ...v1.Hash) {
	if known == nil {
		return
	}
	needed := known.all()
	for _, h := range more {
		needed[h] = true
	}
	for _, algorithm := range []string{"sha256", "sha512"} {
		if err := s.sweepDir(algorithm, needed); err != nil {
			return
		}
	}
}

func (s shelf) sweepDir(algorithm string, needed map[v1.Hash]bool) error {
	dir := path.Join(s.dir, blobsDir, algorithm)
	names, err := s.dk.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if needed[v1.Hash{Algorithm: algorithm, Hex: name}] {
			continue
		}
		if err := removeAll(s.dk, path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// sweepUnfinished removes the directories of lists that a writer which was
// killed began and nobody finished.
func sweepUnfinished(dk disk) {
	keys, err := dk.List(listsDir)
	if err != nil {
		return
	}
	for _, key := range keys {
		if !unfinished(dk, key) {
			continue
		}
		if err := sweepList(dk, key); err != nil {
			return
		}
	}
}

func unfinished(dk disk, key string) bool {
	info, err := dk.Lstat(path.Join(listsDir, key))
	if err != nil || !info.IsDir() {
		return false
	}
	_, err = dk.Lstat(path.Join(listsDir, key, headFile))
	return errors.Is(err, fs.ErrNotExist)
}

// sweepList removes an unfinished list unless somebody is at work on it.
func sweepList(dk disk, key string) error {
	lock, err := dk.OpenLock(path.Join(locksDir, key+".lock"))
	if err != nil {
		return err
	}
	locked, err := lock.TryLock()
	if err == nil && locked && unfinished(dk, key) {
		err = removeAll(dk, path.Join(listsDir, key))
	}
	return errors.Join(err, lock.Close())
}
