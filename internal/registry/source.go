package registry

import (
	"context"
	"errors"
	"hash"
	"io"
	"slices"
	"sync"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// markEvery is the distance of the points from which the digest of a blob can be
// gone on with, in bytes: what is read twice at most when an upload is resumed,
// for 200 bytes of memory each.
const markEvery = 8 << 20

// source is where the bytes of a blob come from, over as many tries as it takes
// to send them. They are verified as a whole, whatever of them is sent again.
type source struct {
	step   index.Step
	fault  *sourceError
	ranges bool // it can be opened anywhere
	open   func(ctx context.Context, from int64) (io.ReadCloser, error)

	mu    sync.Mutex
	idle  *verified // was read up to somewhere, and is in nobody's hands
	marks []mark
	all   bool // it was read to its end
	ended bool
}

// mark is the state of the digest after some bytes.
type mark struct {
	at   int64
	hash hash.Cloner
}

// source returns where a step's blob is: at hand, or in a repository.
func (c *Client) source(s index.Step) *source {
	src := &source{step: s, fault: &sourceError{thing: blobName("content ", s)}}
	switch {
	case s.Blob.Open != nil:
		src.open = func(context.Context, int64) (io.ReadCloser, error) { return s.Blob.Open() }
	case s.From.RepositoryStr() != "":
		src.fault = &sourceError{thing: blobName(s.From.Name()+"@", s), remote: true}
		src.ranges = true
		tries := c.retry.tries()
		src.open = func(ctx context.Context, from int64) (io.ReadCloser, error) {
			return c.openRemote(ctx, s, from, tries)
		}
	}
	return src
}

// from returns the blob's bytes from an offset on. What is before it is read
// only as far as the digest needs it.
func (s *source) from(ctx context.Context, offset int64) (*verified, error) {
	if v := s.take(offset); v != nil {
		return v, nil
	}
	if s.open == nil {
		return nil, index.Faultf(index.ErrNotFound, s.fault.thing, "it is in no known place")
	}
	at, h, err := s.before(offset)
	if err != nil {
		return nil, err
	}
	rc, err := s.open(ctx, at)
	if err != nil {
		return nil, s.fault.because(err)
	}
	v := &verified{rc: &sourceBody{ReadCloser: rc, source: s.fault}, want: s.step.Digest, size: s.step.Size, hash: h, got: at, note: s.note}
	if _, err := io.CopyN(io.Discard, v, offset-at); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// before returns the last point before an offset from which the digest can be
// gone on with.
func (s *source) before(offset int64) (int64, hash.Hash, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range slices.Backward(s.marks) {
		if m.at <= offset {
			h, err := m.hash.Clone()
			return m.at, h, err
		}
	}
	h, err := hasher(s.step.Digest)
	return 0, h, err
}

// note is told how far the blob was read.
func (s *source) note(at int64, h hash.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at == s.step.Size {
		s.all = true
		return
	}
	last := int64(0)
	if n := len(s.marks); n > 0 {
		last = s.marks[n-1].at
	}
	cloner, ok := h.(hash.Cloner)
	if !ok || !s.ranges || at < last+markEvery {
		return
	}
	if clone, err := cloner.Clone(); err == nil { // a hash that cannot be cloned is one mark less
		s.marks = append(s.marks, mark{at: at, hash: clone})
	}
}

// exhausted reports whether all bytes of the blob were handed out once.
func (s *source) exhausted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all || s.step.Size == 0
}

// take returns the reader that is at an offset, nil for none.
func (s *source) take(offset int64) *verified {
	s.mu.Lock()
	v := s.idle
	s.idle = nil
	s.mu.Unlock()
	if v != nil && v.got != offset {
		v.drop()
		return nil
	}
	return v
}

// put keeps a reader for what comes next.
func (s *source) put(v *verified) {
	s.mu.Lock()
	keep := !s.ended && s.idle == nil
	if keep {
		s.idle = v
	}
	s.mu.Unlock()
	if !keep {
		v.drop()
	}
}

// close lets go of what was kept.
func (s *source) close() {
	s.mu.Lock()
	v := s.idle
	s.idle, s.ended = nil, true
	s.mu.Unlock()
	if v != nil {
		v.drop()
	}
}

// blame names the repository that gives what it should not. What is wrong with a
// file is about the blob that it was to be.
func (s *source) blame(err error) error {
	if s.fault.remote && errors.Is(err, errContent) {
		return s.fault.because(err)
	}
	return err
}

// part returns length bytes of the blob from an offset on, the body of a request.
// They are opened before the request is sent: a registry that takes a blob may
// let nobody read until it has it all, and then waits for itself where the blob
// comes from another of its repositories, as that of go-containerregistry does.
func (s *source) part(ctx context.Context, offset, length int64) (*part, error) {
	v, err := s.from(ctx, offset)
	if err != nil {
		return nil, s.blame(err)
	}
	return &part{put: s.put, blame: s.blame, remote: s.fault.remote, length: length, v: v, left: length}, nil
}

// part is a reader of some of a source's bytes. Read and Close may meet, as they
// do when a request ends early.
type part struct {
	put    func(*verified)
	blame  func(error) error
	remote bool // it may wait long, and can be closed meanwhile
	length int64

	mu   sync.Mutex
	v    *verified // nil once it is closed
	left int64
	busy bool
}

// Read implements io.Reader.
func (p *part) Read(b []byte) (int, error) {
	v, left, err := p.begin()
	if err != nil {
		return 0, err
	}
	n, err := v.Read(b[:min(int64(len(b)), left)])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
	if p.v == nil { // it was closed meanwhile
		v.drop()
	}
	if p.left -= int64(n); p.left == 0 && err == nil {
		err = io.EOF
	}
	return n, p.blame(err)
}

func (p *part) begin() (*verified, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.v == nil:
		return nil, 0, io.ErrClosedPipe
	case p.left == 0:
		return nil, 0, io.EOF
	}
	p.busy = true
	return p.v, p.left, nil
}

// Close implements io.Closer.
func (p *part) Close() error {
	p.release()
	return nil
}

// release gives back a reader that was read as far as it should be, or not at
// all, and ends another. One that is being read is ended by who reads it: what is
// in files need not know of a Close meanwhile.
func (p *part) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.v
	p.v = nil
	switch {
	case v == nil, p.busy && !p.remote:
	case !p.busy && (p.left == 0 || p.left == p.length):
		p.put(v)
	default:
		v.drop()
	}
}

// sourceBody names where a blob comes from when reading it fails.
type sourceBody struct {
	io.ReadCloser
	source *sourceError
}

// Read implements io.Reader.
func (b *sourceBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.source.because(err)
	}
	return n, err
}

// sourceError is a failure of where a blob comes from, not of where it goes.
type sourceError struct {
	thing  string
	remote bool // it is a repository
	err    error
}

func (e *sourceError) because(err error) error {
	return &sourceError{thing: e.thing, remote: e.remote, err: err}
}

// Error implements error.
func (e *sourceError) Error() string { return e.thing + ": " + e.err.Error() }

// Unwrap returns the cause.
func (e *sourceError) Unwrap() error { return e.err }
