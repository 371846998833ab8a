package layout

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

const (
	fileMode   = 0o644
	folderMode = 0o755
)

// Writers writes OCI layouts: index.json, the marker, and blobs. The zero value
// is ready for use, and safe for concurrent use.
//
// What it writes depends on the list and the blobs alone. Each blob is hashed
// while it is written. All is written beside the destination, into a hidden
// folder, brought to the disk, and renamed, so that the destination is there as a
// whole or not at all; a kill may leave that folder behind. Nothing is replaced,
// not even what came in the meantime: a destination that exists is an error of
// the kind ErrExists. A folder of the destination that does not exist is an
// ErrNotFound, a blob with other content than its digest says an ErrInvalid.
// Errors of opening and reading blobs are passed on.
type Writers struct {
	// Jobs is how many blobs of a directory are read and written at once, one
	// where it is zero. Those of an archive come one after the other, since that
	// is how they stand in it.
	Jobs int
}

// WriteDirectory writes a layout into a directory that it makes. ix becomes
// index.json.
func (w Writers) WriteDirectory(ctx context.Context, dest string, ix index.Index, blobs []index.Blob) error {
	return beside(dest, func(temp string) error {
		if err := os.Mkdir(temp, folderMode); err != nil {
			return err
		}
		root, err := os.OpenRoot(temp)
		if err != nil {
			return err
		}
		err = writeLayout(ctx, folder{root, max(w.Jobs, 1)}, ix, blobs)
		if err == nil {
			err = syncFolders(root)
		}
		return errors.Join(err, root.Close())
	})
}

// WriteArchive writes a layout into a tar file: relative names in order, the
// time 0, no owners. ix becomes index.json.
func (Writers) WriteArchive(ctx context.Context, dest string, ix index.Index, blobs []index.Blob) error {
	return beside(dest, func(temp string) error {
		f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode) //nolint:gosec // in a folder of our own; it is to be handed on
		if err != nil {
			return err
		}
		err = writeTar(f, func(to sink) error { return writeLayout(ctx, to, ix, blobs) })
		if err == nil {
			err = f.Sync()
		}
		return errors.Join(err, f.Close())
	})
}

// StreamArchive writes what WriteArchive writes, to whoever reads it on.
func (Writers) StreamArchive(ctx context.Context, w io.Writer, ix index.Index, blobs []index.Blob) error {
	return writeTar(w, func(to sink) error { return writeLayout(ctx, to, ix, blobs) })
}

// writeTar writes a tar file, which has no end where write fails.
func writeTar(w io.Writer, write func(sink) error) error {
	archive := tar.NewWriter(w)
	if err := write(tarball{archive}); err != nil {
		return err
	}
	return archive.Close()
}

// beside lets write make a file or folder beside dest, and renames it.
func beside(dest string, write func(temp string) error) (err error) {
	dest = filepath.Clean(dest)
	if err := absent(dest); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(dest), "."+filepath.Base(dest)+".*")
	if errors.Is(err, fs.ErrNotExist) {
		return index.Faultf(index.ErrNotFound, dest, "its folder does not exist")
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	temp := filepath.Join(dir, "layout")
	if err := write(temp); err != nil {
		return err
	}
	return place(temp, dest)
}

func absent(dest string) error {
	_, err := os.Lstat(dest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return &index.Fault{Kind: index.ErrExists, Thing: dest}
}

// sink takes the folders and files of a layout, in order.
type sink interface {
	folder(name string) error
	file(name string, size int64, write func(io.Writer) error) error
	// jobs is how many files it takes at once; with one they come in order.
	jobs() int
}

// writeLayout writes all of a layout, sorted by name.
func writeLayout(ctx context.Context, to sink, ix index.Index, blobs []index.Blob) error {
	list, err := ix.RawManifest()
	if err != nil {
		return err
	}
	if err := to.folder("blobs"); err != nil {
		return err
	}
	if err := writeBlobs(ctx, to, blobs); err != nil {
		return err
	}
	if err := writeBytes(to, indexFile, list); err != nil {
		return err
	}
	return writeBytes(to, markerFile, []byte(`{"imageLayoutVersion":"`+layoutVersion+`"}`))
}

// writeBlobs writes each blob once, those of one algorithm after the other.
func writeBlobs(ctx context.Context, to sink, blobs []index.Blob) error {
	sorted := slices.SortedStableFunc(slices.Values(blobs), byDigest)
	left := slices.CompactFunc(sorted, func(a, b index.Blob) bool { return a.Digest == b.Digest })
	for len(left) > 0 {
		algorithm := left[0].Digest.Algorithm
		n := slices.IndexFunc(left, func(b index.Blob) bool { return b.Digest.Algorithm != algorithm })
		if n < 0 {
			n = len(left)
		}
		if err := to.folder("blobs/" + algorithm); err != nil {
			return err
		}
		if err := writeAll(ctx, to, left[:n]); err != nil {
			return err
		}
		left = left[n:]
	}
	return nil
}

// writeAll writes blobs, as many at once as the sink takes.
func writeAll(ctx context.Context, to sink, blobs []index.Blob) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(to.jobs())
	for _, b := range blobs {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return to.file(blobFile(b.Digest), b.Size, func(w io.Writer) error { return copyBlob(ctx, w, b) })
		})
	}
	return group.Wait()
}

func writeBytes(to sink, name string, raw []byte) error {
	return to.file(name, int64(len(raw)), func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(raw))
		return err
	})
}

// copyBlob copies a blob and checks its size and digest.
func copyBlob(ctx context.Context, w io.Writer, b index.Blob) (err error) {
	sum, err := v1.Hasher(b.Digest.Algorithm)
	if err != nil {
		return &index.Fault{Kind: index.ErrInvalid, Thing: "blob " + b.Digest.String(), Cause: err}
	}
	r, err := b.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	from := &counter{r: r, stop: ctx.Err}
	if _, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(from, b.Size)); err != nil {
		return err
	}
	if _, err := io.ReadFull(from, make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	got := hex.EncodeToString(sum.Sum(nil))
	switch {
	case from.n < b.Size:
		return index.Faultf(index.ErrInvalid, "blob "+b.Digest.String(), "it ends after %d of %d bytes", from.n, b.Size)
	case from.n > b.Size:
		return index.Faultf(index.ErrInvalid, "blob "+b.Digest.String(), "it goes on after %d bytes", b.Size)
	case got != b.Digest.Hex:
		return index.Faultf(index.ErrInvalid, "blob "+b.Digest.String(), "its content has the digest %s:%s", b.Digest.Algorithm, got)
	}
	return nil
}

// folder writes files.
type folder struct {
	root *os.Root
	most int
}

func (f folder) jobs() int { return f.most }

func (f folder) folder(name string) error { return f.root.Mkdir(name, folderMode) }

func (f folder) file(name string, _ int64, write func(io.Writer) error) error {
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// tarball writes members. None of their headers needs more than the ustar
// format has, but for blobs of 8 GiB and more.
type tarball struct{ w *tar.Writer }

func (t tarball) jobs() int { return 1 }

func (t tarball) folder(name string) error {
	return t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: folderMode, ModTime: time.Unix(0, 0)})
}

func (t tarball) file(name string, size int64, write func(io.Writer) error) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: fileMode, ModTime: time.Unix(0, 0)}
	if err := t.w.WriteHeader(header); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return write(t.w)
}
