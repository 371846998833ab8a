package commands

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// errNoFile refuses to put a file in the place of something else.
var errNoFile = errors.New("it is there, and is no regular file")

// pendingFile is a file that will be written whole or not at all: a temporary
// file beside it, which takes its place.
type pendingFile struct {
	path string
	temp *os.File // nil once it was committed or discarded
}

// newPendingFile makes sure that path can be written. Nothing is there before
// commit; what was there stays until then. A link is followed.
func newPendingFile(path string) (*pendingFile, error) {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w", path, errNoFile)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("%s: %w", path, pathErr.Err) // the name of the temporary file says nothing to anybody
	}
	if err != nil {
		return nil, err
	}
	return &pendingFile{path, temp}, nil
}

// commit writes the file.
func (p *pendingFile) commit(raw []byte) error {
	_, err := p.temp.Write(raw)
	if err == nil {
		err = p.temp.Chmod(0o644) // later steps of a build may run as somebody else
	}
	if err = errors.Join(err, p.temp.Close()); err != nil {
		return errors.Join(err, p.remove())
	}
	if err := os.Rename(p.temp.Name(), p.path); err != nil {
		return errors.Join(err, p.remove())
	}
	p.temp = nil
	return nil
}

// discard leaves nothing behind, unless the file was written.
func (p *pendingFile) discard() error {
	if p.temp == nil {
		return nil
	}
	return errors.Join(p.temp.Close(), p.remove())
}

func (p *pendingFile) remove() error {
	name := p.temp.Name()
	p.temp = nil
	return os.Remove(name)
}
