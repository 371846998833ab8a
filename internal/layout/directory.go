package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func resolveDirectory(ctx context.Context, path, name string) (manifests []index.Manifest, err error) {
	root, err := openDirectory(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	manifests, err = resolve(ctx, &directory{path, root}, index.Origin{Kind: index.SourceLayout, Ref: path}, name)
	return manifests, blame(ctx, path, err)
}

// openDirectory opens a directory, which nothing that is opened in it leaves.
func openDirectory(path string) (*os.Root, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, index.Faultf(index.ErrNotFound, path, "there is no such directory")
	case err == nil && !info.IsDir():
		return nil, index.Faultf(index.ErrInvalid, path, "it is not a directory; an OCI layout in a tar archive is oci-archive:FILE")
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, &index.Fault{Kind: index.ErrInvalid, Thing: path, Cause: bare(err)}
	}
	return root, nil
}

// directory is a layout in files.
type directory struct {
	path string
	root *os.Root // open while Resolve runs
}

func (d *directory) form() string { return "an OCI layout" }

// size tells how big a file is.
func (d *directory) size(name string) (int64, error) {
	info, err := stat(d.root, name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// stat looks at a regular file. Links are followed, but not out of the
// directory.
func stat(root *os.Root, name string) (fs.FileInfo, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, bare(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	return info, nil
}

// read returns the content of a file that has at most index.MaxManifest bytes.
func (d *directory) read(name string) (_ []byte, err error) {
	size, err := d.size(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is missing", name)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case size > index.MaxManifest:
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, size, index.MaxManifest)
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, bare(err))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	raw, err := io.ReadAll(io.LimitReader(f, size))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, bare(err))
	}
	return raw, nil
}

// blob returns a file as a blob that opens it anew each time, so that it can be
// read long after Resolve.
func (d *directory) blob(name string, digest v1.Hash) index.Blob {
	path := d.path
	before, err := stat(d.root, name)
	if err != nil {
		return index.Blob{Digest: digest, Open: func() (io.ReadCloser, error) { return nil, err }}
	}
	return index.Blob{Digest: digest, Size: before.Size(), From: path, Open: func() (io.ReadCloser, error) {
		root, err := openDirectory(path)
		if err != nil {
			return nil, err
		}
		f, err := openSame(root, name, before)
		if err != nil {
			kind := index.ErrInvalid
			if errors.Is(err, errChanged) {
				kind = index.ErrConflict
			}
			err = fmt.Errorf("%s: %w", name, err)
			return nil, errors.Join(&index.Fault{Kind: kind, Thing: path, Cause: err}, root.Close())
		}
		return blobReader{f, closers{f, root}}, nil
	}}
}

var errChanged = errors.New("it has changed since it was read first")

// openSame opens a file if it still is what it was.
func openSame(root *os.Root, name string, before fs.FileInfo) (*os.File, error) {
	after, err := stat(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errChanged
	}
	if err != nil {
		return nil, err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return nil, errChanged
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, bare(err)
	}
	return f, nil
}

// closers are closed together.
type closers []io.Closer

// Close closes all of them.
func (c closers) Close() error {
	var faults []error
	for _, one := range c {
		faults = append(faults, one.Close())
	}
	return errors.Join(faults...)
}
