//go:build unix

package layout_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
)

// Where the system cannot rename to what must not be there, it is as safe.
func TestClaim(t *testing.T) {
	t.Parallel()
	makers := occupants()
	for _, kind := range []string{"file", "folder"} {
		dir := t.TempDir()
		temp, dest := filepath.Join(dir, "temp"), filepath.Join(dir, "dest")
		if err := makers[kind](temp); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(temp)
		if err != nil {
			t.Fatal(err)
		}
		if err := layout.Claim(temp, dest); err != nil {
			t.Fatal(err)
		}
		after, err := os.Lstat(dest)
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("%s is %v, %v", dest, after, err)
		}
		onlyThere(t, dest)
		for name, occupy := range makers {
			dest := filepath.Join(t.TempDir(), name)
			if err := occupy(dest); err != nil {
				t.Fatal(err)
			}
			temp := filepath.Join(t.TempDir(), "temp")
			if err := makers[kind](temp); err != nil {
				t.Fatal(err)
			}
			if err := layout.Claim(temp, dest); !errors.Is(err, fs.ErrExist) {
				t.Errorf("a %s over a %s: error %v", kind, name, err)
			}
			untouched(t, dest, name)
			onlyThere(t, temp)
		}
	}
	if err := layout.Claim(filepath.Join(t.TempDir(), "absent"), filepath.Join(t.TempDir(), "dest")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
