//go:build unix

package layout_test

import (
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
}
