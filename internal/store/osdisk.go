package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// osDisk is a real directory. os.Root keeps every call inside it.
type osDisk struct{ root *os.Root }

func openDisk(dir string) (disk, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return osDisk{root}, nil
}

// Lstat is part of disk.
func (d osDisk) Lstat(name string) (fs.FileInfo, error) {
	info, err := d.root.Lstat(name)
	return info, d.inFull(err)
}

// Open is part of disk. Links are refused before, and pipes and devices, which
// could stop us for ever, are opened without waiting and refused after.
func (d osDisk) Open(name string) (readFile, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, d.inFull(err)
	}
	if !info.Mode().IsRegular() {
		return nil, d.inFull(&fs.PathError{Op: "open", Path: name, Err: errNotRegular})
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|openNoWait, 0)
	if err != nil {
		return nil, d.inFull(err)
	}
	if err := mustBeRegular(f, name); err != nil {
		return nil, d.inFull(err)
	}
	return f, nil
}

// mustBeRegular closes f and fails unless it is a regular file.
func mustBeRegular(f *os.File, name string) error {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errNotRegular}
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// List is part of disk.
func (d osDisk) List(name string) (names []string, err error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, d.inFull(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	names, err = f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// Mkdir is part of disk.
func (d osDisk) Mkdir(name string) error {
	if err := d.root.Mkdir(name, dirMode); err != nil {
		return d.inFull(err)
	}
	return d.inFull(d.root.Chmod(name, dirMode)) // whatever the umask took away
}

// Create is part of disk.
func (d osDisk) Create(name string) (writeFile, error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, d.inFull(err)
	}
	if err := f.Chmod(fileMode); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Rename is part of disk.
func (d osDisk) Rename(from, to string) error { return d.inFull(d.root.Rename(from, to)) }

// Remove is part of disk.
func (d osDisk) Remove(name string) error { return d.inFull(d.root.Remove(name)) }

// SyncDir is part of disk.
func (d osDisk) SyncDir(name string) (err error) {
	if !canSyncDir {
		return nil
	}
	f, err := d.root.Open(name)
	if err != nil {
		return d.inFull(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return syncDirectory(f)
}

// OpenLock is part of disk.
func (d osDisk) OpenLock(name string) (lockFile, error) {
	info, err := d.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, d.inFull(&fs.PathError{Op: "open", Path: name, Err: errNotRegular})
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|openNoWait, fileMode)
	if err != nil {
		return nil, d.inFull(err)
	}
	if err := mustBeRegular(f, name); err != nil {
		return nil, d.inFull(err)
	}
	if info == nil { // we may have made it
		if err := f.Chmod(fileMode); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return &osLock{File: f}, nil
}

// Close is part of disk.
func (d osDisk) Close() error { return d.root.Close() }

// inFull puts the directory in front of the names in an error.
func (d osDisk) inFull(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok && !filepath.IsAbs(at.Path) {
		at.Path = filepath.Join(d.root.Name(), at.Path)
	}
	if at, ok := errors.AsType[*os.LinkError](err); ok && !filepath.IsAbs(at.Old) {
		at.Old, at.New = filepath.Join(d.root.Name(), at.Old), filepath.Join(d.root.Name(), at.New)
	}
	return err
}

// osLock is a lock file; the operating system unlocks it when its process ends,
// however that ends.
type osLock struct {
	*os.File
	held bool
}

// TryLock is part of lockFile.
func (l *osLock) TryLock() (locked bool, err error) {
	l.held, err = tryLock(l.File)
	return l.held, err
}

// Close is part of lockFile. It unlocks before it closes: a process that is just
// being started from this one has a copy of the file and would keep the lock
// until it runs its program.
func (l *osLock) Close() error {
	if !l.held {
		return l.File.Close()
	}
	return errors.Join(unlock(l.File), l.File.Close())
}

// Note is part of lockFile.
func (l *osLock) Note(text []byte) error {
	if err := l.Truncate(0); err != nil {
		return err
	}
	_, err := l.WriteAt(text, 0)
	return err
}

// Noted is part of lockFile.
func (l *osLock) Noted() ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(l.File, 0, 4<<10))
}

// makeDirs makes a directory and what is missing above it, each so that it
// survives a power cut.
func makeDirs(dir string) error {
	_, err := os.Lstat(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDirs(parent); err != nil {
			return err
		}
	}
	dk, err := openDisk(parent)
	if err != nil {
		return err
	}
	return errors.Join(makeIn(dk, filepath.Base(dir)), dk.Close())
}

func makeIn(dk disk, name string) error {
	if err := dk.Mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return dk.SyncDir(".")
}
