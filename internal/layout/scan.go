package layout

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

const (
	// maxMembers bounds the table. A layout of 10 000 images has some 30 000.
	maxMembers = 100_000
	// maxName is more than "blobs/", an algorithm and a digest need.
	maxName = 255
	// maxKept bounds what is kept of compressed archives, where reading a
	// member means to uncompress all that is before it.
	maxKept = 32 << 20
	// maxGrowth bounds what a compressed archive may become, from leastGrowth on:
	// deflate makes 1000 bytes of one, but of zeros only, and layers are
	// compressed already.
	maxGrowth   = 100
	leastGrowth = 256 << 20
	// blockSize is the least that a tar archive can have (POSIX, pax, "ustar
	// Interchange Format").
	blockSize = 512
)

// scan finds the members of the archive that a layout consists of, in one pass.
// Archives that could mean different things to different readers are refused,
// as are members that are no plain files or directories, whatever their names.
func (a *archive) scan(ctx context.Context) (map[string]member, error) {
	from, err := a.source(ctx.Err)
	if err != nil {
		return nil, err
	}
	s := scanner{archive: a, stop: ctx.Err, from: from, tar: tar.NewReader(from), members: map[string]member{}}
	for count := 0; ; count++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		header, err := s.tar.Next()
		if errors.Is(err, io.EOF) && count > 0 {
			return s.members, nil
		}
		if err != nil {
			return nil, s.broken(err, count)
		}
		if count == maxMembers {
			return nil, fmt.Errorf("it has more than %d members", maxMembers)
		}
		if err := s.add(header); err != nil {
			return nil, err
		}
	}
}

type scanner struct {
	archive *archive
	stop    func() error // is asked during long reads
	from    source
	tar     *tar.Reader
	members map[string]member
	last    string // the name of the member that was begun last
	kept    int64
}

// broken explains why the next header cannot be read.
func (s *scanner) broken(err error, count int) error {
	where := "at its beginning"
	if s.last != "" {
		where = fmt.Sprintf("after the member %q", s.last)
	}
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is not an OCI archive: it has no members")
	case count == 0 && (errors.Is(err, tar.ErrHeader) || s.archive.info.Size() < blockSize && !s.archive.zipped):
		return errors.New("it is not an OCI archive: it is not a tar archive")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it is cut: it ends %s, at byte %d of the file", where, s.archive.info.Size())
	case errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("it is damaged %s: no tar header there", where)
	}
	return fmt.Errorf("it cannot be read %s: %w", where, bare(err))
}

// add puts a member into the table if a layout has such a member.
func (s *scanner) add(header *tar.Header) error {
	s.last = shorten(header.Name)
	name, err := memberName(header)
	if err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg || !belongs(name) {
		return nil
	}
	m, err := s.locate(header)
	if err != nil {
		return err
	}
	if before, ok := s.members[name]; ok {
		return s.compare(name, before, m)
	}
	s.members[name] = m
	return nil
}

// locate tells where the member's content is, once it is known to be there.
func (s *scanner) locate(header *tar.Header) (member, error) {
	at := s.from.position()
	if s.archive.zipped {
		return s.digest(header.Size, at)
	}
	if size := s.archive.info.Size(); header.Size > size-at {
		return member{}, fmt.Errorf("it is cut: it ends in the member %q, at byte %d of the file", s.last, size)
	}
	return member{offset: at, size: header.Size}, nil
}

// digest reads the member, which is going to be uncompressed anyhow, so that
// its content can be compared later, and keeps it if it may be a manifest.
func (s *scanner) digest(size, at int64) (member, error) {
	m := member{offset: at, size: size}
	sum := sha256.New()
	content := io.TeeReader(s.tar, sum)
	front := bufio.NewReader(content)
	first, err := front.Peek(1)
	var kept bytes.Buffer
	into := io.Discard
	if err == nil && first[0] == '{' && size <= index.MaxManifest && s.kept+size <= maxKept {
		into = &kept
		s.kept += size
	}
	if _, err := io.Copy(into, front); err != nil {
		return member{}, s.broken(err, 1)
	}
	m.sum, m.kept = sum.Sum(nil), kept.Bytes()
	return m, nil
}

// compare refuses a second member of one name, unless its content is the same:
// readers differ in which of the two they take.
func (s *scanner) compare(name string, a, b member) error {
	if a.size == b.size {
		first, err := s.sum(a)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		second, err := s.sum(b)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if bytes.Equal(first, second) {
			return nil
		}
	}
	return fmt.Errorf("it has two members %q that differ", name)
}

func (s *scanner) sum(m member) ([]byte, error) {
	if m.sum != nil {
		return m.sum, nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, &counter{r: io.NewSectionReader(s.archive.file, m.offset, m.size), stop: s.stop}); err != nil {
		return nil, bare(err)
	}
	return sum.Sum(nil), nil
}

// memberName returns the name of a member without what stands before it: pack
// writes "/index.json", "tar -C dir ." writes "./index.json".
func memberName(header *tar.Header) (string, error) {
	if err := plain(header); err != nil {
		return "", fmt.Errorf("member %q %w", shorten(header.Name), err)
	}
	if slices.Contains(strings.Split(header.Name, "/"), "..") {
		return "", fmt.Errorf("member %q leads out of the archive", shorten(header.Name))
	}
	return strings.TrimPrefix(path.Clean("/"+header.Name), "/"), nil
}

// plain refuses what is neither a file nor a directory, nor a remark of the
// program that wrote the archive.
func plain(header *tar.Header) error {
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeXGlobalHeader:
		for key := range header.PAXRecords {
			if strings.HasPrefix(key, "GNU.sparse.") {
				return errors.New("is a sparse file")
			}
		}
		return nil
	case tar.TypeLink, tar.TypeSymlink:
		return errors.New("is a link")
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return errors.New("is a device or a pipe")
	case tar.TypeGNUSparse:
		return errors.New("is a sparse file")
	}
	return fmt.Errorf("is of an unknown type %q", header.Typeflag)
}

// belongs reports whether a layout has a member of this name. Others, such as
// the manifest.json that "docker save" adds, are nobody's business.
func belongs(name string) bool {
	return name == markerFile || name == indexFile ||
		strings.HasPrefix(name, "blobs/") && len(name) <= maxName
}

func shorten(name string) string {
	if len(name) > maxName {
		return name[:maxName] + "..."
	}
	return name
}

// source is the uncompressed archive.
type source interface {
	io.Reader
	position() int64 // how much was read, or skipped
}

// source returns the archive from its beginning. Only one that is not
// compressed can seek, by which the tar reader skips what it does not read.
func (a *archive) source(stop func() error) (source, error) {
	file := io.NewSectionReader(a.file, 0, a.info.Size())
	if !a.zipped {
		return seeker{file}, nil
	}
	r, err := unzip(file)
	all := &counter{r: r}
	most := max(maxGrowth*a.info.Size(), leastGrowth)
	all.stop = func() error {
		if all.n > most {
			return fmt.Errorf("its %d bytes become more than %d", a.info.Size(), most)
		}
		return stop()
	}
	return all, err
}

func unzip(r io.Reader) (io.Reader, error) {
	zipped, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("it is not a gzip file: %w", err)
	}
	return zipped, nil
}

type seeker struct{ *io.SectionReader }

func (s seeker) position() int64 {
	at, _ := s.Seek(0, io.SeekCurrent) //nolint:errcheck // where a SectionReader is never fails
	return at
}

// counter counts what is read, until it is stopped.
type counter struct {
	r    io.Reader
	stop func() error
	n    int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	if err := c.stop(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) position() int64 { return c.n }
