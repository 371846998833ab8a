package layout_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// occupants are what may come to a destination while it is written.
func occupants() map[string]func(path string) error {
	return map[string]func(string) error{
		"file":   func(path string) error { return os.WriteFile(path, []byte("mine"), 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"link":   func(path string) error { return os.Symlink("nowhere", path) },
	}
}

// What came while the content was read stays, an empty folder too.
func TestNothingIsOverwrittenThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	for scheme, write := range writers() {
		for name, occupy := range occupants() {
			ix, blobs := saved(t, linux(t))
			dest := filepath.Join(t.TempDir(), "saved")
			var once sync.Once
			for i, b := range blobs {
				blobs[i].Open = func() (io.ReadCloser, error) {
					var err error
					once.Do(func() { err = occupy(dest) })
					if err != nil {
						return nil, err
					}
					return b.Open()
				}
			}
			if err := write(t.Context(), dest, ix, blobs); !errors.Is(err, index.ErrExists) || !strings.Contains(err.Error(), dest) {
				t.Errorf("%s over a %s: error %v", scheme, name, err)
			}
			untouched(t, dest, name)
			onlyThere(t, dest)
		}
	}
}

// untouched checks that an occupant is what it was.
func untouched(t *testing.T, path, name string) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	switch name {
	case "file":
		if raw, err := os.ReadFile(path); err != nil || string(raw) != "mine" {
			t.Errorf("the file has %d bytes, %v", len(raw), err)
		}
	case "folder":
		if in, err := os.ReadDir(path); err != nil || len(in) > 0 {
			t.Errorf("the folder has %v, %v", in, err)
		}
	case "link":
		if info.Mode().Type() != os.ModeSymlink {
			t.Errorf("the link is %s", info.Mode())
		}
	}
}

func TestFolderIsNamedWithASlashAtTheEnd(t *testing.T) {
	t.Parallel()
	ix, blobs := saved(t, linux(t))
	dest := filepath.Join(t.TempDir(), "saved")
	if err := (layout.Writers{}).WriteDirectory(t.Context(), dest+string(filepath.Separator), ix, blobs); err != nil {
		t.Fatal(err)
	}
	onlyThere(t, dest)
}

// numberedBlobs are small blobs, sorted by digest.
func numberedBlobs(n int) []index.Blob {
	var blobs []index.Blob
	for i := range n {
		text := fmt.Sprint("blob ", i)
		blobs = append(blobs, index.BytesBlob(index.DigestOf([]byte(text)), []byte(text)))
	}
	slices.SortFunc(blobs, func(a, b index.Blob) int { return strings.Compare(a.Digest.Hex, b.Digest.Hex) })
	return blobs
}

// A folder's blobs are read side by side: each waits here until as many others
// are open as may be.
func TestBlobsOfFoldersAreReadSideBySide(t *testing.T) {
	t.Parallel()
	const jobs = 3
	ix, _ := saved(t, linux(t))
	blobs := numberedBlobs(2 * jobs)
	var open sync.WaitGroup
	open.Add(jobs)
	for i, b := range blobs {
		if i < jobs {
			blobs[i].Open = func() (io.ReadCloser, error) {
				open.Done()
				open.Wait()
				return b.Open()
			}
		}
	}
	dest := filepath.Join(t.TempDir(), "saved")
	if err := (layout.Writers{Jobs: jobs}).WriteDirectory(t.Context(), dest, ix, blobs); err != nil {
		t.Fatal(err)
	}
	there, err := os.ReadDir(filepath.Join(dest, "blobs", "sha256"))
	if err != nil || len(there) != len(blobs) {
		t.Errorf("%d blobs, %v", len(there), err)
	}
}

// An archive's blobs are read one after the other, in its order, and none after
// one that fails.
func TestBlobsOfArchivesAreReadInOrder(t *testing.T) {
	t.Parallel()
	ix, _ := saved(t, linux(t))
	blobs := numberedBlobs(6)
	var opened, want []string
	for i, b := range blobs {
		if i < 4 {
			want = append(want, b.Digest.Hex)
		}
		blobs[i].Open = func() (io.ReadCloser, error) {
			opened = append(opened, b.Digest.Hex)
			if i == 3 {
				return nil, errOpen
			}
			return b.Open()
		}
	}
	slices.Reverse(blobs)
	dest := filepath.Join(t.TempDir(), "saved.tar")
	if err := (layout.Writers{Jobs: 8}).WriteArchive(t.Context(), dest, ix, blobs); !errors.Is(err, errOpen) {
		t.Errorf("error %v", err)
	}
	if !slices.Equal(opened, want) {
		t.Errorf("opened\n%s\nwant\n%s", strings.Join(opened, "\n"), strings.Join(want, "\n"))
	}
}
