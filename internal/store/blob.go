package store

import (
	"errors"
	"io"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// opener returns a function that opens the store again to read one file of it,
// so that a Blob holds nothing open.
func (d *Dir) opener(name string, want index.Blob) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		dk, err := d.open(d.opts.Root)
		if err != nil {
			return nil, err
		}
		f, err := dk.Open(name)
		if err != nil {
			return nil, errors.Join(err, dk.Close())
		}
		r, err := newChecked(f, want, index.ErrCorrupt)
		if err != nil {
			return nil, errors.Join(err, f.Close(), dk.Close())
		}
		return &blobReader{r, f, dk}, nil
	}
}

type blobReader struct {
	io.Reader
	file, disk io.Closer
}

// Close closes the file and the store.
func (r *blobReader) Close() error { return errors.Join(r.file.Close(), r.disk.Close()) }
