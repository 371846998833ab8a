package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// disk is every call that this package makes below one directory. Names have
// slashes and are relative to it; no call leaves it, whatever links there are.
// Tests replace it by disks that fail, stop or forget.
type disk interface {
	diskReader
	diskWriter
	// OpenLock opens a file to lock, and makes it where there is none.
	OpenLock(name string) (lockFile, error)
	Close() error
}

type diskReader interface {
	// Lstat describes a name and follows no link.
	Lstat(name string) (fs.FileInfo, error)
	// Open opens a regular file to read; anything else is errNotRegular.
	Open(name string) (readFile, error)
	// List returns the names in a directory, sorted.
	List(name string) ([]string, error)
}

type diskWriter interface {
	// Mkdir makes a directory that its owner alone may enter.
	Mkdir(name string) error
	// Create makes a file that its owner alone may read; fs.ErrExist where the
	// name is taken.
	Create(name string) (writeFile, error)
	// Rename moves a file over another, or a directory to a name that is free.
	Rename(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// SyncDir waits until the names in a directory would survive a power cut,
	// as far as the file system can do that.
	SyncDir(name string) error
}

type readFile interface {
	io.ReadCloser
	Stat() (fs.FileInfo, error)
}

type writeFile interface {
	io.WriteCloser
	Sync() error
}

// lockFile is a file that one holder at a time locks; closing it unlocks it.
type lockFile interface {
	// TryLock reports whether the lock was free and is now held.
	TryLock() (bool, error)
	// Note replaces what the file says.
	Note(text []byte) error
	// Noted returns what the file says, a few KiB at most.
	Noted() ([]byte, error)
	Stat() (fs.FileInfo, error)
	Close() error
}

var (
	errNotRegular = errors.New("not a regular file")
	errTooLarge   = errors.New("too large")
)

// readAll reads a file of at most limit bytes.
func readAll(dk disk, name string, limit int64) (raw []byte, err error) {
	f, err := dk.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %w: %d bytes, more than %d", name, errTooLarge, info.Size(), limit)
	}
	raw = make([]byte, info.Size())
	if _, err := io.ReadFull(f, raw); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return raw, nil
}

// writeAll puts raw under a name by way of the temporary name tmp, which must be
// the caller's alone: whoever sees the name sees all of raw, now and after a
// power cut. To make the name itself last, sync its directory.
func writeAll(dk disk, tmp, name string, raw []byte) error {
	err := fill(dk, tmp, raw)
	if err == nil {
		err = dk.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, removeIf(dk, tmp))
	}
	return nil
}

// fill makes a file and waits until its bytes would survive a power cut.
func fill(dk disk, name string, raw []byte) error {
	f, err := createOver(dk, name)
	if err != nil {
		return err
	}
	if _, err := f.Write(raw); err != nil {
		return errors.Join(err, f.Close())
	}
	// What fsync did not confirm is taken as not written: some kernels say so
	// only once (https://wiki.postgresql.org/wiki/Fsync_Errors).
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// createOver makes a file where a writer that was killed may have left one.
func createOver(dk disk, name string) (writeFile, error) {
	f, err := dk.Create(name)
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	if err := removeAll(dk, name); err != nil {
		return nil, err
	}
	return dk.Create(name)
}

// mkdir makes a directory where there is none.
func mkdir(dk disk, name string) error {
	err := dk.Mkdir(name)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkDir(dk, name)
}

// checkDir refuses what is neither a directory nor missing: a link, even to
// another place in the store, could make two lists one.
func checkDir(dk disk, name string) error {
	info, err := dk.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.IsDir() {
		return &fs.PathError{Op: "open", Path: name, Err: errNotDirectory}
	}
	return err
}

var errNotDirectory = errors.New("not a directory")

// removeIf removes a file where there is one.
func removeIf(dk disk, name string) error {
	if err := dk.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeAll removes a file, or a directory with all that is in it. It follows no
// link, and nobody minds if another process does the same.
func removeAll(dk disk, name string) error {
	info, err := dk.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		if err := removeBelow(dk, name); err != nil {
			return err
		}
	}
	return removeIf(dk, name)
}

func removeBelow(dk disk, dir string) error {
	names, err := dk.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range names {
		if err := removeAll(dk, path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
