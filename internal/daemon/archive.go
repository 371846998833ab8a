package daemon

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// What is read of an archive is bounded: members, names and links in a row. An
// image of 127 layers, the most that Docker makes, has some 500 members.
const (
	maxMembers = 100_000
	maxName    = 1024
	maxLinks   = 8
)

// archive is a saved image whose members are known.
type archive struct {
	file    *os.File
	members map[string]member
}

// member is where the content of a member is, or which other one it is.
type member struct {
	offset, size int64
	link         string
}

// openArchive finds the members of a file, in one pass over their headers.
func openArchive(ctx context.Context, f *os.File) (*archive, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	a := &archive{file: f, members: map[string]member{}}
	last := ""
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, io.EOF) && len(a.members) == 0:
			return nil, errors.New("what the daemon saved has no members")
		case errors.Is(err, io.EOF):
			return a, nil
		case err != nil:
			return nil, fmt.Errorf("what the daemon saved is cut or damaged after the member %q: %w%s", last, err, lastWords(f, info.Size()))
		case len(a.members) == maxMembers:
			return nil, fmt.Errorf("what the daemon saved has more than %d members", maxMembers)
		}
		if err := a.add(header, info.Size()); err != nil {
			return nil, fmt.Errorf("member %q of what the daemon saved %w", shorten(header.Name), err)
		}
		last = shorten(header.Name)
	}
}

// lastWords is what a daemon says that fails while it sends: it writes its error
// behind what it has sent.
func lastWords(f *os.File, size int64) string {
	const most = 4 << 10
	tail := make([]byte, min(size, most))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return ""
	}
	_, text, ok := strings.Cut(string(tail), `{"errorDetail":`)
	if !ok {
		return ""
	}
	return fmt.Sprintf("; the daemon says: %q", text)
}

// add puts a member into the table.
func (a *archive) add(header *tar.Header, end int64) error {
	name, err := inside(header.Name)
	if err != nil {
		return err
	}
	var m member
	switch header.Typeflag {
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return nil
	case tar.TypeReg:
		m, err = a.locate(header, end)
	case tar.TypeSymlink:
		m.link, err = linked(path.Dir(name), header.Linkname)
	case tar.TypeLink:
		m.link, err = linked("", header.Linkname)
	default:
		return fmt.Errorf("is of the type %q: neither a file, a directory nor a link", header.Typeflag)
	}
	if err != nil {
		return err
	}
	if _, twice := a.members[name]; twice {
		return errors.New("is there twice")
	}
	a.members[name] = m
	return nil
}

// locate tells where the content of a plain file is.
func (a *archive) locate(header *tar.Header, end int64) (member, error) {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return member{}, errors.New("is a sparse file")
		}
	}
	at, err := a.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return member{}, err
	}
	if header.Size > end-at {
		return member{}, fmt.Errorf("has %d bytes, but the archive ends after %d of them", header.Size, end-at)
	}
	return member{offset: at, size: header.Size}, nil
}

// inside returns the clean name of a member.
func inside(name string) (string, error) {
	switch {
	case len(name) > maxName:
		return "", fmt.Errorf("has a name of %d bytes", len(name))
	case strings.HasPrefix(name, "/"), slices.Contains(strings.Split(name, "/"), ".."):
		return "", errors.New("leads out of the archive")
	}
	return path.Clean(name), nil
}

// linked returns the name that a link in a folder of the archive leads to.
func linked(folder, to string) (string, error) {
	name := path.Join(folder, to)
	if strings.HasPrefix(to, "/") || name == ".." || strings.HasPrefix(name, "../") || len(name) > maxName {
		return "", errors.New("is a link that leads out of the archive")
	}
	return name, nil
}

// find returns where the content of a name is; ok is false where there is none.
func (a *archive) find(name string) (m member, ok bool, err error) {
	name = path.Clean(name)
	for range maxLinks {
		if m, ok = a.members[name]; !ok || m.link == "" {
			return m, ok, nil
		}
		name = m.link
	}
	return m, false, fmt.Errorf("%q is a link to a link, more than %d times", shorten(name), maxLinks)
}

// read returns the content of a member of at most index.MaxManifest bytes.
func (a *archive) read(name string) ([]byte, error) {
	m, ok, err := a.find(name)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("%q is missing in what the daemon saved", shorten(name))
	case m.size > index.MaxManifest:
		return nil, fmt.Errorf("%q has %d bytes, more than %d", shorten(name), m.size, index.MaxManifest)
	}
	raw := make([]byte, m.size)
	if _, err := a.file.ReadAt(raw, m.offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return raw, nil
}

func (a *archive) has(name string) bool {
	_, ok := a.members[name]
	return ok
}

func shorten(name string) string {
	const most = 200
	if len(name) > most {
		return name[:most] + "..."
	}
	return name
}
