package layout_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"os"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// A file that becomes much more than it is, is given up before it does, wherever
// in it that is.
func TestFilesThatGrow(t *testing.T) {
	t.Parallel()
	const zeros = 300 << 20
	for name, size := range map[string]int{"index.json": zeros, "x": zeros} {
		path := file(t)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		w := tar.NewWriter(z)
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(size)}); err != nil {
			t.Fatal(err)
		}
		for block := make([]byte, 1<<20); size > 0; size -= len(block) {
			if _, err := w.Write(block); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), z.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		fails(t, path, index.ErrInvalid, "bytes become more than 268435456")
	}
}
