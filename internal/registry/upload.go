package registry

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// errLocation is an upload that cannot go on.
var errLocation = errors.New("the registry does not say where to upload to")

// mount makes a blob of another repository known in this one. Where the
// registry will not, the blob is uploaded
// (https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository).
func (c *Client) mount(ctx context.Context, session *session, s index.Step) error {
	query := url.Values{"mount": {s.Digest.String()}, "from": {s.From.RepositoryStr()}}
	resp, err := c.post(ctx, session, query)
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusCreated:
		return resp.Body.Close()
	case http.StatusAccepted:
		location, err := nextLocation(resp)
		if err != nil {
			return err
		}
		return c.upload(ctx, session, s, location)
	}
	err = c.unexpected(resp)
	var answer *answerError
	if errors.As(err, &answer) && answer.status < http.StatusInternalServerError && answer.kind() != index.ErrDenied { //nolint:errorlint // kind returns one of the values
		return c.upload(ctx, session, s, nil)
	}
	return err
}

// post begins an upload, or asks for a mount.
func (c *Client) post(ctx context.Context, session *session, query url.Values) (*http.Response, error) {
	u := session.url("blobs", "uploads/")
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	return session.client.Do(req)
}

// nextLocation returns where an answer sends the rest of an upload, and closes
// the answer.
func nextLocation(resp *http.Response) (*url.URL, error) {
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, errLocation
	}
	next, err := resp.Request.URL.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("%w: Location of the upload", errLocation)
	}
	if resp.Request.URL.Scheme == "https" && next.Scheme != "https" {
		return nil, errDowngrade
	}
	return next, nil
}

// uploadIfMissing sends a blob that the repository does not have yet.
func (c *Client) uploadIfMissing(ctx context.Context, session *session, s index.Step) (there bool, err error) {
	if there, err = c.hasBlob(ctx, session, s.Digest); there || err != nil {
		return there, err
	}
	return false, c.upload(ctx, session, s, nil)
}

func (c *Client) hasBlob(ctx context.Context, session *session, digest v1.Hash) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, session.url("blobs", digest.String()).String(), http.NoBody)
	if err != nil {
		return false, err
	}
	resp, err := session.client.Do(req)
	if err != nil {
		return false, err
	}
	if err := resp.Body.Close(); err != nil {
		return false, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return false, nil
	}
	return false, &answerError{status: resp.StatusCode, after: unsaid}
}

// upload sends a blob from where it is, once more from the start if the
// connection breaks off. at is where the registry said to send it to, nil where
// it was not asked yet.
func (c *Client) upload(ctx context.Context, session *session, s index.Step, at *url.URL) error {
	if s.From.RepositoryStr() != "" {
		held, release, err := c.slots.hold(ctx)
		if err != nil {
			return err
		}
		defer release()
		ctx = held
	}
	return c.retry.do(ctx, func(ctx context.Context) error {
		location := at
		at = nil
		if location == nil {
			resp, err := c.post(ctx, session, nil)
			if err != nil {
				return err
			}
			if resp.StatusCode != http.StatusAccepted {
				return c.unexpected(resp)
			}
			if location, err = nextLocation(resp); err != nil {
				return err
			}
		}
		return c.send(ctx, session, s, location)
	})
}

// send is the second half of an upload: the whole blob in one request.
func (c *Client) send(ctx context.Context, session *session, s index.Step, to *url.URL) error {
	to.RawQuery = addQuery(to.RawQuery, "digest="+url.QueryEscape(s.Digest.String()))
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, to.String(), http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	if s.Size > 0 {
		req.ContentLength = s.Size
		req.GetBody = func() (io.ReadCloser, error) {
			return &lazy{open: func() (io.ReadCloser, error) { return c.open(ctx, s) }}, nil
		}
		if req.Body, err = req.GetBody(); err != nil {
			return err
		}
	}
	// The credentials are for the registry, not for where it sends uploads to.
	client := c.plain
	if sameOrigin(to, session.url("blobs", "")) {
		client = session.client
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	sure, err := c.stored(resp, s.Digest)
	if err != nil || sure {
		return err
	}
	there, err := c.hasBlob(ctx, session, s.Digest)
	if err == nil && !there {
		return fmt.Errorf("%w %s, and does not have it", errStored, s.Digest)
	}
	return err
}

// addQuery adds to a query that must stay as it is: it may be signed.
func addQuery(query, more string) string {
	if query == "" {
		return more
	}
	return query + "&" + more
}

// open returns the verified bytes of a blob, from a repository or from where
// they are at hand.
func (c *Client) open(ctx context.Context, s index.Step) (io.ReadCloser, error) {
	h, err := hasher(s.Digest)
	if err != nil {
		return nil, err
	}
	source := &sourceError{thing: blobName("content ", s)}
	open := s.Blob.Open
	if open == nil && s.From.RepositoryStr() != "" {
		source = &sourceError{thing: blobName(s.From.Name()+"@", s), remote: true}
		open = func() (io.ReadCloser, error) { return c.openRemote(ctx, s) }
	}
	if open == nil {
		return nil, index.Faultf(index.ErrNotFound, source.thing, "it is in no known place")
	}
	rc, err := open()
	if err != nil {
		return nil, source.because(err)
	}
	return counted(ctx, &verified{rc: &sourceBody{ReadCloser: rc, source: source}, want: s.Digest, size: s.Size, hash: h}, 0), nil
}

func (c *Client) openRemote(ctx context.Context, s index.Step) (io.ReadCloser, error) {
	session, err := c.connect(ctx, s.From)
	if err != nil {
		return nil, err
	}
	resp, err := c.get(context.WithValue(ctx, keyStream, true), session, "blobs", s.Digest.String(), "")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
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

// lazy opens what it reads at the first read. Read and Close may meet, as they
// do when a request ends early.
type lazy struct {
	open func() (io.ReadCloser, error)

	mu     sync.Mutex
	rc     io.ReadCloser
	closed bool
}

// Read implements io.Reader.
func (l *lazy) Read(p []byte) (int, error) {
	rc, err := l.begin()
	if err != nil {
		return 0, err
	}
	return rc.Read(p)
}

func (l *lazy) begin() (io.ReadCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, io.ErrClosedPipe
	}
	if l.rc == nil {
		rc, err := l.open()
		if err != nil {
			return nil, err
		}
		l.rc = rc
	}
	return l.rc, nil
}

// Close implements io.Closer.
func (l *lazy) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.rc == nil {
		return nil
	}
	return l.rc.Close()
}

// verified reads bytes whose digest and size are known. The last of them are
// handed out only after all were checked, so that whoever waits for the full
// size never gets wrong content.
type verified struct {
	rc   io.ReadCloser
	want v1.Hash
	size int64
	hash hash.Hash
	got  int64
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
		if err := matches(v.hash, v.want); err != nil {
			return 0, err
		}
		if err := v.end(); !errors.Is(err, io.EOF) {
			return 0, err
		}
		return n, io.EOF
	case errors.Is(err, io.EOF):
		return n, fmt.Errorf("%w: %s ends after %d of %d bytes", errContent, v.want, v.got, v.size)
	}
	return n, err
}

// end finds out whether more comes than should.
func (v *verified) end() error {
	if v.got < v.size {
		return nil
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
