package registry

import (
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// verified reads bytes whose digest and size are known. The last of them are
// handed out only after all were checked, so that whoever waits for the full
// size never gets wrong content.
type verified struct {
	rc   io.ReadCloser
	want v1.Hash
	size int64
	hash hash.Hash
	got  int64
	note func(at int64, h hash.Hash) // is told after each Read
}

// Read implements io.Reader.
func (v *verified) Read(p []byte) (int, error) {
	if v.got == v.size || len(p) == 0 {
		return 0, v.end()
	}
	n, err := v.rc.Read(p[:min(int64(len(p)), v.size-v.got)])
	_, _ = v.hash.Write(p[:n]) // a hash takes everything
	v.got += int64(n)
	switch {
	case v.got == v.size:
		if err := v.end(); !errors.Is(err, io.EOF) {
			return 0, err
		}
		v.note(v.got, v.hash)
		return n, io.EOF
	case errors.Is(err, io.EOF):
		return n, fmt.Errorf("%w: %s ends after %d of %d bytes", errContent, v.want, v.got, v.size)
	}
	v.note(v.got, v.hash)
	return n, err
}

// end finds out whether all was right, and whether more comes than should.
func (v *verified) end() error {
	if v.got < v.size {
		return nil
	}
	if err := matches(v.hash, v.want); err != nil {
		return err
	}
	n, err := io.ReadFull(v.rc, make([]byte, 1))
	switch {
	case n > 0:
		return fmt.Errorf("%w: %s goes on after %d bytes", errContent, v.want, v.size)
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return err
}

// Close implements io.Closer.
func (v *verified) Close() error { return v.rc.Close() }

// drop ends the reading early. That what was only read cannot be closed concerns
// nobody.
func (v *verified) drop() { _ = v.Close() } //nolint:errcheck // see above
