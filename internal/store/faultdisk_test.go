package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/buildpacks-community/pack-manifest/internal/store"
)

// errKilled is what every call of a process returns that was killed.
var errKilled = errors.New("killed")

// faults decides which calls on a disk go wrong.
type faults struct {
	mu    *sync.Mutex
	calls []string // all calls that count, in order
	// counts says which calls count.
	counts func(c call) bool
	// at is the number, from 1, of the call that goes wrong, 0 for none.
	at int
	// err is what the call returns. errKilled stands for every call after too.
	err error
	// lasting says that the calls after it that need space fail as well.
	lasting bool
	// short says that a write gives up half-way.
	short bool
	// before is called before the call that would go wrong.
	before func()
	// inner opens what is below; nil for a real directory that waits for no
	// disk.
	inner func(dir string) (store.Disk, error)
}

type call struct {
	op, name string
	mutates  bool
}

func (c call) String() string { return c.op + " " + c.name }

func mutating(c call) bool { return c.mutates }
func reading(c call) bool  { return !c.mutates }

// meets counts a call and returns the error that it is to fail with.
func (f *faults) meets(c call) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if errors.Is(f.err, errKilled) && f.at > 0 && len(f.calls) >= f.at {
		return errKilled
	}
	if !f.counts(c) {
		return nil
	}
	f.calls = append(f.calls, c.String())
	hit := len(f.calls) == f.at || f.lasting && f.at > 0 && len(f.calls) > f.at && c.op != "remove" && c.op != "rename"
	if !hit {
		return nil
	}
	if f.before != nil {
		f.before()
	}
	if errors.Is(f.err, errKilled) {
		return errKilled
	}
	return &fs.PathError{Op: c.op, Path: c.name, Err: f.err}
}

// faultyDisk is a real directory whose calls go wrong as faults says.
type faultyDisk struct {
	store.Disk
	dir string
	f   *faults
}

func (f *faults) open(dir string) (store.Disk, error) {
	inner := f.inner
	if inner == nil {
		inner = openHasty
	}
	dk, err := inner(dir)
	if err != nil {
		return nil, err
	}
	return faultyDisk{dk, dir, f}, nil
}

// hastyDisk is a real directory that never waits for the disk: no test here cuts
// the power.
type hastyDisk struct{ store.Disk }

type hastyFile struct{ store.WriteFile }

func openHasty(dir string) (store.Disk, error) {
	dk, err := store.OpenDisk(dir)
	return hastyDisk{dk}, err
}

func (hastyDisk) SyncDir(string) error { return nil }

func (d hastyDisk) Create(name string) (store.WriteFile, error) {
	f, err := d.Disk.Create(name)
	return hastyFile{f}, err
}

func (hastyFile) Sync() error { return nil }

// hasty returns a healthy store that waits for no disk.
func hasty(o store.Options) *store.Dir { return store.NewOn(o, openHasty) }

func (d faultyDisk) meets(op, name string, mutates bool) error {
	return d.f.meets(call{op, filepath.Join(d.dir, name), mutates})
}

func (d faultyDisk) Lstat(name string) (fs.FileInfo, error) {
	if err := d.meets("lstat", name, false); err != nil {
		return nil, err
	}
	return d.Disk.Lstat(name)
}

func (d faultyDisk) Open(name string) (store.ReadFile, error) {
	if err := d.meets("open", name, false); err != nil {
		return nil, err
	}
	file, err := d.Disk.Open(name)
	if err != nil {
		return nil, err
	}
	return faultyRead{file, d, name}, nil
}

func (d faultyDisk) List(name string) ([]string, error) {
	if err := d.meets("list", name, false); err != nil {
		return nil, err
	}
	return d.Disk.List(name)
}

func (d faultyDisk) Mkdir(name string) error {
	if err := d.meets("mkdir", name, true); err != nil {
		return err
	}
	return d.Disk.Mkdir(name)
}

func (d faultyDisk) Create(name string) (store.WriteFile, error) {
	if err := d.meets("create", name, true); err != nil {
		return nil, err
	}
	file, err := d.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	return faultyWrite{file, d, name}, nil
}

func (d faultyDisk) Rename(from, to string) error {
	if err := d.meets("rename", from+" "+to, true); err != nil {
		return err
	}
	return d.Disk.Rename(from, to)
}

func (d faultyDisk) Remove(name string) error {
	if err := d.meets("remove", name, true); err != nil {
		return err
	}
	return d.Disk.Remove(name)
}

func (d faultyDisk) SyncDir(name string) error {
	if err := d.meets("syncdir", name, true); err != nil {
		return err
	}
	return d.Disk.SyncDir(name)
}

func (d faultyDisk) OpenLock(name string) (store.LockFile, error) {
	if err := d.meets("openlock", name, true); err != nil {
		return nil, err
	}
	file, err := d.Disk.OpenLock(name)
	if err != nil {
		return nil, err
	}
	return faultyLock{file, d, name}, nil
}

type faultyRead struct {
	store.ReadFile
	d    faultyDisk
	name string
}

func (r faultyRead) Read(p []byte) (int, error) {
	if err := r.d.meets("read", r.name, false); err != nil {
		return 0, err
	}
	return r.ReadFile.Read(p)
}

func (r faultyRead) Stat() (fs.FileInfo, error) {
	if err := r.d.meets("stat", r.name, false); err != nil {
		return nil, err
	}
	return r.ReadFile.Stat()
}

type faultyWrite struct {
	store.WriteFile
	d    faultyDisk
	name string
}

func (w faultyWrite) Write(p []byte) (int, error) {
	if err := w.d.meets("write", w.name, true); err != nil {
		if !w.d.f.short {
			return 0, err
		}
		n, writeErr := w.WriteFile.Write(p[:len(p)/2])
		return n, errors.Join(err, writeErr)
	}
	return w.WriteFile.Write(p)
}

func (w faultyWrite) Sync() error {
	if err := w.d.meets("sync", w.name, true); err != nil {
		return err
	}
	return w.WriteFile.Sync()
}

// Close always closes, as the kernel does; it may fail to say that all is well.
func (w faultyWrite) Close() error {
	return errors.Join(w.d.meets("close", w.name, true), w.WriteFile.Close())
}

type faultyLock struct {
	store.LockFile
	d    faultyDisk
	name string
}

func (l faultyLock) TryLock() (bool, error) {
	if err := l.d.meets("lock", l.name, false); err != nil {
		return false, err
	}
	return l.LockFile.TryLock()
}

func (l faultyLock) Note(text []byte) error {
	if err := l.d.meets("note", l.name, true); err != nil {
		return err
	}
	return l.LockFile.Note(text)
}

func (l faultyLock) Stat() (fs.FileInfo, error) {
	if err := l.d.meets("stat", l.name, false); err != nil {
		return nil, err
	}
	return l.LockFile.Stat()
}

func (f *faults) String() string {
	if f.at == 0 || f.at > len(f.calls) {
		return fmt.Sprintf("%d calls, none wrong", len(f.calls))
	}
	return fmt.Sprintf("call %d of %d: %s", f.at, len(f.calls), f.calls[f.at-1])
}
