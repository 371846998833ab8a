//go:build unix

package layout_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// L9: opening a pipe would wait for somebody who writes to it.
func TestPipe(t *testing.T) {
	t.Parallel()
	path := file(t)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, path, index.ErrInvalid, "not a regular file")
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "oci-layout"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, "oci:"+dir, index.ErrInvalid, "oci-layout: it is not a regular file")
}
