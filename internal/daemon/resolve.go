package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/containerd/errdefs"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Resolve returns the image of a reference or image ID, with the platform of its
// config. A daemon with containerd's store may have several images under one
// name: then it returns those that it has all of, as they came from their
// registry. Any other daemon has the layers uncompressed; they are compressed
// here, always to the same bytes, and the manifest that goes with them is made
// here, too, in the format v2s2. Layers are read from a temporary file, until
// Close.
//
// Errors are of the kinds ErrNotFound where the daemon, or the context that
// names it, is not there or has no such image, ErrUnreachable and ErrDenied
// where it cannot be asked, ErrRefused where it answers with an error,
// ErrConflict where the image was changed meanwhile, ErrInvalid where what it
// saved is not an image, and ErrUsage for its address.
func (c *Client) Resolve(ctx context.Context, ref string) ([]index.Manifest, error) {
	conn, err := c.reach(ctx)
	if err != nil {
		return nil, err
	}
	thing := fmt.Sprintf("image %q", ref)
	found, err := conn.api.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return nil, index.Faultf(index.ErrNotFound, thing, "the %s does not have it", conn.thing())
	}
	if err != nil {
		return nil, conn.fault(ctx, thing, err)
	}
	path, err := c.save(ctx, conn, ref)
	if err != nil {
		return nil, err
	}
	s := saved{client: c, path: path, origin: index.Origin{Kind: index.SourceDaemon, Ref: ref}, id: found.ID}
	manifests, err := s.resolve(ctx)
	if err != nil {
		return nil, errors.Join(blame(ctx, thing, err), remove(path))
	}
	return manifests, nil
}

// blame says that the image is at fault, unless somebody gave up on it or it is
// said already.
func blame(ctx context.Context, thing string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", thing, context.Cause(ctx))
	}
	if fault, ok := errors.AsType[*index.Fault](err); ok {
		return &index.Fault{Kind: fault.Kind, Thing: thing, Cause: fault.Cause}
	}
	return &index.Fault{Kind: index.ErrInvalid, Thing: thing, Cause: err}
}

// save has the daemon write an image into a temporary file. On an error there
// is no file.
func (c *Client) save(ctx context.Context, conn *connection, ref string) (path string, err error) {
	f, err := c.temporary()
	if err != nil {
		return "", fmt.Errorf("image %q: %w", ref, err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, remove(f.Name()))
		}
	}()
	return f.Name(), c.download(ctx, conn, ref, f)
}

func (c *Client) download(ctx context.Context, conn *connection, ref string, f *os.File) (err error) {
	thing := fmt.Sprintf("image %q", ref)
	r, err := conn.api.ImageSave(ctx, []string{ref})
	if err != nil {
		return conn.fault(ctx, thing, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	from := &witness{r: io.LimitReader(r, c.opts.MaxSaved+1)}
	n, err := io.Copy(f, from)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", thing, context.Cause(ctx))
	case from.err != nil:
		return index.Faultf(index.ErrUnreachable, conn.thing(), "it stopped after %d bytes of the image %q: %w", n, ref, from.err)
	case err != nil:
		return fmt.Errorf("%s: %w", thing, err) // of the temporary file, which it names
	case n > c.opts.MaxSaved:
		return index.Faultf(index.ErrInvalid, thing, "it has more than %d bytes", c.opts.MaxSaved)
	}
	return nil
}

// witness remembers why reading failed, so that it is told from writing.
type witness struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (w *witness) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
