package store_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// L4, H10: on a disk that is really full the old list stays, the error says so,
// and a list can be deleted to make room.
func TestL4FullDisk(t *testing.T) {
	t.Parallel()
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k,mode=700"); err != nil {
		t.Skipf("mounting a small disk needs rights that this process lacks: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	root := filepath.Join(disk, "manifests")
	d := store.New(store.Options{Root: root})
	n := mustName(t, subject)
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	entries, seen := "a", 0
	for i := range 200 {
		img := newImage(fmt.Sprint("s", i))
		err := d.Update(t.Context(), n, content(img), add(img))
		if err == nil {
			entries += fmt.Sprint(" s", i)
			continue
		}
		seen++
		wantKind(t, err, syscall.ENOSPC, root)
		wantSeeds(t, d, n, entries)
		if s := strays(t, root); len(s) > 0 {
			t.Fatalf("left over: %q", s)
		}
		if seen == 5 {
			break
		}
	}
	if seen < 5 {
		t.Fatal("the disk was never full")
	}
	fill(t, filepath.Join(disk, "ballast"))
	wantSeeds(t, d, n, entries)
	if err := d.Delete(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	update(t, d, n, content(a), create(a))
	wantSeeds(t, d, n, "a")
	if _, err := d.Get(t.Context(), mustName(t, "acme/other")); !errors.Is(err, index.ErrNotFound) {
		t.Error(err)
	}
}

// fill takes the last byte of the disk.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err != nil {
		return
	}
	_, err = io.Copy(f, io.LimitReader(zeros{}, 1<<20))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
