package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// errLocation is an upload that cannot go on.
var errLocation = errors.New("the registry does not say where to upload to")

// mount makes a blob of another repository known in this one, and returns the
// step as it was done. Where the registry will not, or may not for these
// credentials, the blob is read there and uploaded here: then it is told which of
// both is denied, if one is
// (https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository).
func (c *Client) mount(ctx context.Context, session *session, s index.Step) (index.Step, error) {
	if session.unmounted(s.From) {
		return c.unmountable(ctx, session, s, place{})
	}
	query := url.Values{"mount": {s.Digest.String()}, "from": {s.From.RepositoryStr()}}
	resp, err := c.post(ctx, session, query)
	if err == nil {
		switch resp.StatusCode {
		case http.StatusCreated:
			return s, resp.Body.Close()
		case http.StatusAccepted:
			at, err := placeOf(resp)
			if err != nil {
				return s, err
			}
			return c.unmountable(ctx, session, s, at)
		}
		err = c.unexpected(resp)
	}
	var answer *answerError
	switch {
	case isDenied(err):
		session.dontMount(s.From)
		return c.unmountable(ctx, session, s, place{})
	case errors.As(err, &answer) && answer.status < http.StatusInternalServerError:
		return c.unmountable(ctx, session, s, place{})
	}
	return s, err
}

// unmountable is mount where none is granted. A registry that mounts nothing has
// the blob nevertheless when the same is published once more.
func (c *Client) unmountable(ctx context.Context, session *session, s index.Step, at place) (index.Step, error) {
	var err error
	if s.Skipped, err = c.hasBlob(ctx, session, s.Digest); s.Skipped || err != nil {
		return s, err
	}
	s.Kind = index.StepUpload
	return s, c.upload(ctx, session, s, at)
}

// isDenied reports whether an answer, or a token that was not given, says that
// the credentials do not allow what was asked for.
func isDenied(err error) bool {
	if answer, ok := errors.AsType[*answerError](err); ok {
		return answer.kind() == index.ErrDenied //nolint:errorlint // kind returns one of the values
	}
	var token *transport.Error
	return errors.As(err, &token) && (token.StatusCode == http.StatusUnauthorized || token.StatusCode == http.StatusForbidden)
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

// place is where an upload is to be sent; zero where that was not asked yet.
type place struct {
	at    *url.URL
	least int64 // the smallest part that the registry takes, in bytes; 0 if it does not say
}

// placeOf reads the answer to a POST that began an upload, and closes it. That
// it names a least length is how a registry asks for parts
// (distribution-spec, "Pushing a blob in chunks").
func placeOf(resp *http.Response) (place, error) {
	least, err := strconv.ParseInt(resp.Header.Get("Oci-Chunk-Min-Length"), 10, 64)
	if err != nil || least < 0 {
		least = 0
	}
	at, err := nextLocation(resp)
	return place{at: at, least: least}, err
}

// uploadIfMissing sends a blob that the repository does not have yet.
func (c *Client) uploadIfMissing(ctx context.Context, session *session, s index.Step) (there bool, err error) {
	if there, err = c.hasBlob(ctx, session, s.Digest); there || err != nil {
		return there, err
	}
	return false, c.upload(ctx, session, s, place{})
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

// upload sends a blob from where it is.
func (c *Client) upload(ctx context.Context, session *session, s index.Step, to place) error {
	if s.From.RepositoryStr() != "" {
		held, release, err := c.slots.hold(ctx, 2)
		if err != nil {
			return err
		}
		defer release()
		ctx = held
	}
	t := &transfer{client: c, session: session, step: s, place: to, source: c.source(s), tries: c.retry.tries()}
	defer t.source.close()
	return t.run(ctx)
}
