package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Archives reads OCI layouts in tar files. The zero value is ready for use, and
// safe for concurrent use.
type Archives struct{}

// Resolve returns the images and lists of the archive at a path, in the order of
// its index.json; where that says of which list its images are
// ([index.ListAnnotation]), that list. The layers of the images are read from the
// file when their blobs are opened; if the file has changed by then, that is an
// ErrConflict.
//
// Errors are of the kind ErrNotFound where there is no such file, and
// ErrInvalid where it is not what it should be; those of single images have an
// *index.Rejection that names the rule.
func (Archives) Resolve(ctx context.Context, path string) ([]index.Manifest, error) {
	return resolveArchive(ctx, path, "")
}

func resolveArchive(ctx context.Context, path, name string) (manifests []index.Manifest, err error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	a, err := openArchive(ctx, f, path)
	if err == nil {
		manifests, err = resolve(ctx, a, index.Origin{Kind: index.SourceArchive, Ref: path}, name)
	}
	return manifests, blame(ctx, path, err)
}

// blame says that the file is at fault, unless somebody gave up on it.
func blame(ctx context.Context, path string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("read %s: %w", path, context.Cause(ctx))
	}
	kind := index.ErrInvalid
	if errors.Is(err, errNoName) {
		kind = index.ErrNotFound
	}
	return &index.Fault{Kind: kind, Thing: path, Cause: err}
}

// openFile opens a regular file. Nothing else is opened, since opening a pipe
// would wait for its other end.
func openFile(path string) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, index.Faultf(index.ErrNotFound, path, "there is no such file")
	case err != nil:
		return nil, &index.Fault{Kind: index.ErrInvalid, Thing: path, Cause: bare(err)}
	case info.IsDir():
		return nil, index.Faultf(index.ErrInvalid, path, "it is a directory, not an OCI archive; if it is an OCI layout, it is the source oci:DIR")
	case !info.Mode().IsRegular():
		return nil, index.Faultf(index.ErrInvalid, path, "it is not a regular file")
	}
	f, err := os.Open(path) //nolint:gosec // reading the file that was named is what this package is for
	if err != nil {
		return nil, &index.Fault{Kind: index.ErrInvalid, Thing: path, Cause: bare(err)}
	}
	return f, nil
}

// bare takes the path off an error, for those who name it themselves.
func bare(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// archive is a tar file whose members are known.
type archive struct {
	path    string
	file    *os.File    // open while Resolve runs
	info    fs.FileInfo // what the file was when it was opened
	zipped  bool
	members map[string]member
}

// member is where the content of a member is, in the uncompressed archive.
type member struct {
	offset, size int64
	kept         []byte // the content itself, of small members of compressed archives
	sum          []byte // its sha256, in compressed archives
}

func openArchive(ctx context.Context, f *os.File, path string) (*archive, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, bare(err)
	}
	a := &archive{path: path, file: f, info: info}
	front := make([]byte, 4)
	n, err := f.ReadAt(front, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, bare(err)
	}
	switch {
	case n == 0:
		return nil, errors.New("it is not an OCI archive: it is empty")
	case bytes.HasPrefix(front, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878, 3.1.1
		return nil, errors.New("it is compressed with zstd; want a tar archive, as it is or compressed with gzip")
	}
	a.zipped = bytes.HasPrefix(front, []byte{0x1f, 0x8b}) // RFC 1952, 2.3.1
	a.members, err = a.scan(ctx)
	return a, err
}

func (a *archive) form() string { return "an OCI archive" }

// size tells how big a member is.
func (a *archive) size(name string) (int64, error) {
	m, ok := a.members[name]
	if !ok {
		return 0, fs.ErrNotExist
	}
	return m.size, nil
}

// read returns the content of a member that has at most index.MaxManifest
// bytes.
func (a *archive) read(name string) (_ []byte, err error) {
	m, ok := a.members[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s is missing", name)
	case m.size > index.MaxManifest:
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, m.size, index.MaxManifest)
	case m.kept != nil:
		return m.kept, nil
	}
	r, err := a.content(a.file, m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	raw := make([]byte, m.size) // which scan saw to be there
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, fmt.Errorf("%s: %w", name, bare(err))
	}
	return raw, nil
}

// content returns a reader of a member's content. r need not be closed.
func (a *archive) content(f io.ReaderAt, m member) (r io.Reader, err error) {
	if !a.zipped {
		return io.NewSectionReader(f, m.offset, m.size), nil
	}
	all, err := unzip(io.NewSectionReader(f, 0, a.info.Size()))
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, all, m.offset); err != nil {
		return nil, err
	}
	return io.LimitReader(all, m.size), nil
}

// blob returns a member as a blob that opens the file anew each time, so that
// it can be read long after Resolve.
func (a *archive) blob(name string, digest v1.Hash) index.Blob {
	m := a.members[name]
	return index.Blob{Digest: digest, Size: m.size, From: a.path, Open: func() (io.ReadCloser, error) {
		f, err := openFile(a.path)
		if err != nil {
			return nil, err
		}
		if err := a.unchanged(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		r, err := a.content(f, m)
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			return nil, errors.Join(&index.Fault{Kind: index.ErrInvalid, Thing: a.path, Cause: err}, f.Close())
		}
		return blobReader{r, f}, nil
	}}
}

// unchanged compares an open file with what Resolve read.
func (a *archive) unchanged(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return &index.Fault{Kind: index.ErrInvalid, Thing: a.path, Cause: bare(err)}
	}
	if info.Size() != a.info.Size() || !info.ModTime().Equal(a.info.ModTime()) {
		return index.Faultf(index.ErrConflict, a.path, "it has changed since it was read first")
	}
	return nil
}

// blobReader reads one member and closes the file.
type blobReader struct {
	io.Reader
	io.Closer
}
