package buildpackage

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Bounds is how much of layers is read at most. The zero value of a field is
// its default.
type Bounds struct {
	Bytes   int64         // uncompressed, of a layer; 4 GiB by default
	Members int           // of a layer's archive; a million by default
	Total   int64         // uncompressed, of all layers together; 64 GiB by default
	Time    time.Duration // for all layers together; 30 minutes by default
	Jobs    int           // layers at once; one for each processor by default, 16 at most
}

// maxJobs is how many layers are read at once at most: each may ask for maxWindow
// of memory.
const maxJobs = 16

func (b Bounds) filled() Bounds {
	return Bounds{
		Bytes: cmp.Or(b.Bytes, 4<<30), Members: cmp.Or(b.Members, 1<<20), Total: cmp.Or(b.Total, 64<<30),
		Time: cmp.Or(b.Time, 30*time.Minute), Jobs: min(cmp.Or(b.Jobs, runtime.GOMAXPROCS(0)), maxJobs),
	}
}

// maxPrograms is how many programs of a layer are kept in memory.
const maxPrograms = 1 << 14

// maxWindow is the greatest window of zstd that is given memory: four times
// what the format asks decoders for.
const maxWindow = 32 << 20

// contents is what a layer has below the folders of buildpacks and extensions.
type contents struct {
	programs map[string]program // by path, without a slash at the front
	links    map[string]string  // symbolic and hard links by path: the path that is meant
	// unread says why there is more than this; "" where all was read.
	unread string
}

// program is a file that a machine runs.
type program struct {
	machine    machine
	executable bool // by its mode, or its name on Windows
}

// scanLayer reads a layer once, from the front to the end, so that r can compare
// its digest. Content that cannot be read is not an error; what r returns is.
// left is what may be read of all layers together.
func scanLayer(ctx context.Context, r io.Reader, bounds Bounds, left *atomic.Int64) (contents, error) {
	c := contents{programs: map[string]program{}, links: map[string]string{}}
	src := &source{ctx: ctx.Err, r: r}
	var stopped bool
	if c.unread, stopped = c.scan(src, bounds, left); !stopped && src.err == nil {
		_, _ = io.Copy(io.Discard, src) //nolint:errcheck // src has the error
	}
	if src.err != nil {
		return contents{}, src.err
	}
	return c, nil
}

// scan notes the programs of a layer. It returns why it did not see all of them,
// and whether that was for the bounds.
func (c contents) scan(src *source, bounds Bounds, left *atomic.Int64) (unread string, stopped bool) {
	content, err := decompress(bufio.NewReader(src))
	if err != nil {
		return unreadable(err), false
	}
	defer content.Close() //nolint:errcheck // it was only read
	limited := &allowance{r: content, left: bounds.Bytes, total: left}
	archive := tar.NewReader(limited)
	for range bounds.Members {
		header, err := archive.Next()
		if err == nil {
			err = c.add(header, archive)
		}
		switch {
		case err != nil && limited.stopped:
			return limited.why(bounds), true
		case errors.Is(err, io.EOF):
			return "", false
		case err != nil:
			return unreadable(err), false
		case len(c.programs)+len(c.links) >= maxPrograms:
			return fmt.Sprintf("it has more than %d programs", maxPrograms), true
		}
	}
	return fmt.Sprintf("it has more than %d files", bounds.Members), true
}

func unreadable(err error) string { return "it cannot be read: " + printable(err.Error()) }

// allowance is a reader that ends where a layer, or all layers together, are no
// longer to be read.
type allowance struct {
	r       io.Reader
	left    int64
	total   *atomic.Int64 // what is left for all layers
	stopped bool
}

// Read implements io.Reader.
func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 || a.total.Load() <= 0 {
		a.stopped = true
		return 0, io.EOF
	}
	n, err := a.r.Read(p[:min(int64(len(p)), a.left)])
	a.left -= int64(n)
	a.total.Add(-int64(n))
	return n, err
}

func (a *allowance) why(bounds Bounds) string {
	if a.left > 0 {
		return fmt.Sprintf("of all layers together no more than %d bytes are read", bounds.Total)
	}
	return fmt.Sprintf("it has more than %d bytes", bounds.Bytes)
}

// source remembers whether reading failed.
type source struct {
	ctx func() error
	r   io.Reader
	err error
}

// Read reads until the context ends.
func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// decompress tells compressions apart by their first bytes, since media types
// are often wrong about them.
func decompress(r *bufio.Reader) (io.ReadCloser, error) {
	magic, err := r.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		return gzip.NewReader(r)
	case bytes.HasPrefix(magic, []byte("\x28\xb5\x2f\xfd")):
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(r), nil
}

// add takes note of a member that is a program or a link of a buildpack.
func (c contents) add(header *tar.Header, content io.Reader) error {
	name := memberName(header.Name)
	if _, ok := inModule(name); !ok {
		return nil
	}
	switch header.Typeflag {
	case tar.TypeSymlink:
		target := header.Linkname
		if !path.IsAbs(target) {
			target = path.Join("/", path.Dir(name), target) //nolint:gosec // it is compared, never opened
		}
		c.links[name] = memberName(target)
	case tar.TypeLink:
		c.links[name] = memberName(header.Linkname)
	case tar.TypeReg:
		head := make([]byte, min(header.Size, headerSize))
		if _, err := io.ReadFull(content, head); err != nil {
			return err
		}
		if m := readMachine(head); m.format != "" {
			executable := header.Mode&0o111 != 0
			if m.format == pe {
				executable = strings.EqualFold(path.Ext(name), ".exe")
			}
			c.programs[name] = program{m, executable}
		}
	}
	return nil
}

// memberName is the path of a member, without a slash at the front and without
// what layers for Windows have there.
func memberName(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/")
	return strings.TrimPrefix(name, "Files/")
}

// inModule returns the path of a file within the buildpack or extension that
// has it, which is in the folder of its id and version
// (https://github.com/buildpacks/spec/blob/main/distribution.md#layer-blobs).
func inModule(name string) (rest string, ok bool) {
	parts := strings.SplitN(name, "/", 5)
	if len(parts) < 5 || parts[0] != "cnb" || parts[1] != "buildpacks" && parts[1] != "extensions" {
		return "", false
	}
	return parts[4], true
}
