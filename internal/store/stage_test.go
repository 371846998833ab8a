package store_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// opening returns b with something done whenever it is opened.
func opening(b index.Blob, do func() error) index.Blob {
	open := b.Open
	b.Open = func() (io.ReadCloser, error) {
		if err := do(); err != nil {
			return nil, err
		}
		return open()
	}
	return b
}

// Content comes from slow places: nobody waits for it, nobody takes it for left
// over, and what is left over of the dead goes.
func TestStagesOfTheLivingStay(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n, other := mustName(t, subject), mustName(t, "acme/other:1")
	a, b := newImage("a"), newImage("b")
	update(t, d, n, nil, create())

	started, goOn := make(chan bool), make(chan bool)
	slow := opening(blobOf(a.layer), func() error {
		started <- true
		<-goOn
		return nil
	})
	done := make(chan error)
	go func() { done <- d.Update(t.Context(), n, append(content(a)[:2], slow), add(a)) }()
	<-started

	for _, dead := range []string{"in-dead", "out-dead/blobs"} {
		if err := os.MkdirAll(filepath.Join(root, "tmp", dead), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(root, "tmp", dead, "sha256-0"), []byte("left over"))
	}
	update(t, d, other, content(b), create(b))
	update(t, d, n, content(b), add(b)) // the slow one holds no lock
	left, err := filepath.Glob(filepath.Join(root, "tmp", "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("in tmp there are %q (%v), want the stage of the living", left, err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantSeeds(t, d, n, "b a")
	wantContent(t, d, n, a, b)
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

// bornDisk is a disk on which, while a sweeper opens the lock of a stage,
// another one removes it, and the stage's maker makes it again.
type bornDisk struct {
	store.Disk
	stage string
	made  func()
}

// OpenLock is part of store.Disk.
func (d bornDisk) OpenLock(name string) (store.LockFile, error) {
	f, err := d.Disk.OpenLock(name)
	if path.Dir(name) == d.stage {
		d.made()
	}
	return f, err
}

// A sweeper held the lock of a file that was no longer there, and emptied a
// stage that somebody was at work in: of many that added at once, one failed.
func TestStageIsNotSweptByALockThatIsGone(t *testing.T) {
	t.Parallel()
	_, root := newDir(t)
	lock := filepath.Join(root, "tmp", "in-born", "lock")
	born := func() {
		if err := os.Remove(lock); err != nil {
			t.Error(err)
		}
		writeFile(t, lock, nil)
		writeFile(t, filepath.Join(filepath.Dir(lock), "sha256-0"), []byte("content"))
	}
	d := store.NewOn(store.Options{Root: root}, func(dir string) (store.Disk, error) {
		dk, err := store.OpenDisk(dir)
		return bornDisk{dk, "tmp/in-born", born}, err
	})
	n, a := mustName(t, subject), newImage("a")
	update(t, d, n, nil, create())
	if err := os.MkdirAll(filepath.Dir(lock), 0o700); err != nil {
		t.Fatal(err)
	}
	update(t, d, n, content(a), add(a))
	if got := readFile(t, filepath.Join(filepath.Dir(lock), "sha256-0")); string(got) != "content" {
		t.Errorf("the stage has %q", got)
	}
}

func TestContentThatIsThereIsNotReadAgain(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t)
	n := mustName(t, subject)
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	var blobs []index.Blob
	for _, b := range content(a) {
		blobs = append(blobs, opening(b, func() error { return errors.New("opened") }))
	}
	update(t, d, n, blobs, add(a))
	wantContent(t, d, n, a)
}

// Content was there when the update began and is not when the lock is held.
func TestContentThatGoesMeanwhileIsReadAfterAll(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	a, b := newImage("a"), newImage("b")
	update(t, d, n, content(a), create(a))
	opened := 0
	last := opening(blobOf(b.layer), func() error {
		opened++
		if opened > 1 {
			return nil
		}
		return d.Update(t.Context(), n, nil, remove(a))
	})
	edits := 0
	update(t, d, n, append(append(content(a), content(b)[:2]...), last), func(old *index.Index) (index.Index, error) {
		edits++
		return add(a, b)(old)
	})
	if opened != 2 || edits != 2 {
		t.Errorf("opened %d times, edited %d times, want 2 and 2", opened, edits)
	}
	wantSeeds(t, d, n, "a b")
	wantContent(t, d, n, a, b)
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

func TestCopyingCanBeCancelled(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	a := newImage("a")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	blobs := append(content(a)[:2], opening(blobOf(a.layer), func() error {
		cancel(why)
		return nil
	}))
	err := d.Update(ctx, n, blobs, create(a))
	if !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	_, err = d.Get(t.Context(), n)
	wantKind(t, err, index.ErrNotFound)
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
	for _, err := range []error{d.Update(ctx, n, nil, create()), d.Delete(ctx, n)} {
		if err == nil {
			t.Error("done after all")
		}
	}
	_, err = d.Get(ctx, n)
	wantKind(t, err, why)
	_, err = d.List(ctx)
	wantKind(t, err, why)
	_, err = d.Blob(ctx, n, a.entry.Digest)
	wantKind(t, err, why)
}

func TestContentThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	a := newImage("a")
	mine := errors.New("no such file")
	blobs := append(content(a)[:2], opening(blobOf(a.layer), func() error { return mine }))
	wantKind(t, d.Update(t.Context(), n, blobs, create(a)), mine, `list "acme/bp:1"`, index.DigestOf(a.layer).String())
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

// CVE-2024-3727: a digest that is none becomes no path.
func TestDigestsThatAreNone(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t)
	n := mustName(t, subject)
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	bad := a.entry.Digest
	bad.Hex = "../../../index.json"
	_, err := d.Blob(t.Context(), n, bad)
	wantKind(t, err, index.ErrInvalid)
	wantKind(t, d.Update(t.Context(), n, []index.Blob{index.BytesBlob(bad, nil)}, add(a)), index.ErrInvalid)
	wantKind(t, d.Update(t.Context(), index.Name{}, nil, create()), index.ErrUsage)
	wantKind(t, d.Delete(t.Context(), index.Name{}), index.ErrUsage)
	negative := blobOf(a.layer)
	negative.Size = -1
	wantKind(t, d.Update(t.Context(), n, []index.Blob{negative}, add(a)), index.ErrInvalid)
}

// What an unfinished create left is removed by the next one, whatever its name.
func TestUnfinishedListsAreSwept(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	a := newImage("a")
	n, other := mustName(t, subject), mustName(t, "acme/other:1")
	update(t, d, n, content(a), create(a))
	if err := os.Remove(filepath.Join(root, subjectDir, "index.json")); err != nil {
		t.Fatal(err)
	}
	_, err := d.Get(t.Context(), n)
	wantKind(t, err, index.ErrNotFound)
	_, err = d.Blob(t.Context(), n, a.entry.Digest)
	wantKind(t, err, index.ErrNotFound)
	wantKind(t, d.Delete(t.Context(), n), index.ErrNotFound)
	update(t, d, other, content(a), create(a))
	if _, err := os.Lstat(filepath.Join(root, subjectDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there (%v)", err)
	}
}

// Somebody tidied up.
func TestTopDirectoriesAreMadeAgain(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	a := newImage("a")
	n := mustName(t, subject)
	update(t, d, n, content(a), create(a))
	for _, dir := range []string{"tmp", "locks", "v1"} {
		if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := d.List(t.Context()); err != nil || len(names) > 0 {
		t.Errorf("lists %v (%v)", names, err)
	}
	update(t, d, n, content(a), create(a))
	wantContent(t, d, n, a)
}

func TestNoRoot(t *testing.T) {
	t.Parallel()
	d := store.New(store.Options{})
	err := d.Update(t.Context(), mustName(t, subject), nil, create())
	wantText(t, err, "no directory")
}
