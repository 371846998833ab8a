package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// The names in tempDir. What is there and belongs to no live process is rubbish.
const (
	stagePrefix   = "in-"
	deletedPrefix = "out-"
	stageLock     = "lock"
)

// errGone says that another writer was faster.
var errGone = errors.New("gone")

// stage is a directory of content on its way into a list. Content can be large
// and come from slow places, so it is copied here before the list is locked.
// The stage has a lock of its own, which its process holds as long as it lives,
// so that nobody takes a stage for left over.
type stage struct {
	dk   disk
	dir  string
	lock lockFile
	mu   sync.Mutex
	has  map[v1.Hash]int64 // what is in it, and how large
}

func newStage(dk disk) (*stage, error) {
	if err := mkdir(dk, tempDir); err != nil {
		return nil, err
	}
	const tries = 100
	for range tries {
		s, err := tryStage(dk)
		if !errors.Is(err, errGone) && !errors.Is(err, fs.ErrNotExist) {
			return s, err
		}
	}
	return nil, fmt.Errorf("make a directory in %s: removed again and again", tempDir)
}

// tryStage fails with errGone or fs.ErrNotExist where a sweeper came between the
// steps; once the lock is held and seen in its place, none will.
func tryStage(dk disk) (*stage, error) {
	dir, err := uniqueName(tempDir, stagePrefix)
	if err != nil {
		return nil, err
	}
	if err := dk.Mkdir(dir); err != nil {
		return nil, err
	}
	lock, err := dk.OpenLock(path.Join(dir, stageLock))
	if err != nil {
		return nil, errors.Join(err, removeIf(dk, dir))
	}
	if err := holdStage(dk, dir, lock); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &stage{dk: dk, dir: dir, lock: lock, has: map[v1.Hash]int64{}}, nil
}

func holdStage(dk disk, dir string, lock lockFile) error {
	locked, err := lock.TryLock()
	if err != nil {
		return err
	}
	if !locked {
		return errGone
	}
	mine, err := lock.Stat()
	if err != nil {
		return err
	}
	there, err := dk.Lstat(path.Join(dir, stageLock))
	if err != nil {
		return err
	}
	if !os.SameFile(mine, there) {
		return errGone
	}
	return nil
}

// uniqueName returns a name that nobody else has.
func uniqueName(dir, prefix string) (string, error) {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	return path.Join(dir, fmt.Sprintf("%s%x", prefix, id)), nil
}

// drop removes the stage with what is still in it. What it cannot remove a
// sweeper will.
func (s *stage) drop() {
	err := emptyStage(s.dk, s.dir)
	if err = errors.Join(err, s.lock.Close()); err != nil {
		return
	}
	if err := removeAll(s.dk, s.dir); err != nil {
		return
	}
}

// emptyStage removes everything but the lock, so that the rest of a stage that
// is being removed is never without one.
func emptyStage(dk disk, dir string) error {
	names, err := dk.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == stageLock {
			continue
		}
		if err := removeAll(dk, path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) pathOf(h v1.Hash) string {
	return path.Join(s.dir, h.Algorithm+"-"+h.Hex)
}

// size tells how large a staged blob is; ok is false where it is not staged.
func (s *stage) size(h v1.Hash) (size int64, ok bool) {
	if s == nil {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	size, ok = s.has[h]
	return size, ok
}

// addAll copies blobs into the stage, several at a time: a disk can wait for
// many files at once. The first error stops it.
func (s *stage) addAll(ctx context.Context, blobs []index.Blob, jobs int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan index.Blob)
	var group sync.WaitGroup
	for range min(jobs, len(blobs)) {
		group.Go(func() {
			for b := range todo {
				if err := s.add(ctx, b); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, b := range blobs {
		if ctx.Err() != nil {
			break
		}
		todo <- b
	}
	close(todo)
	group.Wait()
	return context.Cause(ctx)
}

// add copies one blob, checks it, and waits until it would survive a power cut.
func (s *stage) add(ctx context.Context, b index.Blob) (err error) {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	from, err := b.Open()
	if err != nil {
		return fmt.Errorf("read %s: %w", blobThing(b.Digest), err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := s.copy(ctx, b, from); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.has[b.Digest] = b.Size
	return nil
}

func (s *stage) copy(ctx context.Context, b index.Blob, from io.Reader) error {
	r, err := newChecked(cancellable{ctx.Err, from}, b, index.ErrInvalid)
	if err != nil {
		return err
	}
	to, err := s.dk.Create(s.pathOf(b.Digest))
	if err != nil {
		return err
	}
	// The copy must not use shortcuts around Read and Write.
	buf := make([]byte, min(b.Size+1, 256<<10))
	if _, err := io.CopyBuffer(struct{ io.Writer }{to}, r, buf); err != nil {
		return errors.Join(err, to.Close())
	}
	if err := to.Sync(); err != nil {
		return errors.Join(err, to.Close())
	}
	return to.Close()
}

// cancellable ends a copy when its context ends.
type cancellable struct {
	err  func() error
	from io.Reader
}

func (c cancellable) Read(p []byte) (int, error) {
	if err := c.err(); err != nil {
		return 0, err
	}
	return c.from.Read(p)
}

// sweepTemp removes what dead processes left in tempDir. What it cannot remove
// the next one will.
func sweepTemp(dk disk) {
	names, err := dk.List(tempDir)
	if err != nil {
		return
	}
	for _, name := range names {
		if err := sweepOne(dk, path.Join(tempDir, name)); err != nil {
			return
		}
	}
}

func sweepOne(dk disk, name string) error {
	if !strings.HasPrefix(path.Base(name), stagePrefix) {
		return removeAll(dk, name) // a deleted list
	}
	// This makes the lock where a stage has none yet. Its maker then finds it
	// taken or gone, and makes another stage.
	lock, err := dk.OpenLock(path.Join(name, stageLock))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// Another sweeper may have removed the file that we opened, and the maker
	// made it again: whose lock is not in its place has no say.
	err = holdStage(dk, name, lock)
	if errors.Is(err, errGone) || errors.Is(err, fs.ErrNotExist) {
		return lock.Close()
	}
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	if err := emptyStage(dk, name); err != nil {
		return errors.Join(err, lock.Close())
	}
	return errors.Join(removeAll(dk, name), lock.Close())
}
