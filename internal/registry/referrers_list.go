package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// maxPages is how many pages of one list of referrers are read.
const maxPages = 100

var (
	// errNextPage is a list of referrers that goes on where no request goes.
	errNextPage = errors.New("the list of referrers goes on elsewhere")
	// errNoList is a page for people, as some registries give for every path.
	errNoList = fmt.Errorf("%w: a list of referrers is something else", errContent)
)

// listedBy says who keeps the lists of referrers of a registry.
type listedBy int

const (
	unknownLister listedBy = iota // it did not say
	byRegistry                    // it answers GET /v2/NAME/referrers/DIGEST
	byTag                         // whoever pushes, at the tag of the referrers tag schema
)

// lister is what is known of one registry.
type lister struct {
	busy chan struct{} // holds a token while the fields below are in use
	by   listedBy
}

func (c *Client) lister(repo name.Repository) *lister {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.listers[repo.RegistryStr()]
	if !ok {
		l = &lister{busy: make(chan struct{}, 1)}
		c.listers[repo.RegistryStr()] = l
	}
	return l
}

// take waits until nobody else uses the fields; release lets the next one.
func (l *lister) take(ctx context.Context) (release func(), err error) {
	select {
	case l.busy <- struct{}{}:
		return func() { <-l.busy }, nil
	case <-ctx.Done():
		return nil, ended(ctx)
	}
}

// noteSubject learns from the answer to a PUT that the registry keeps the lists
// (distribution-spec, "Pushing Manifests with Subject").
func (c *Client) noteSubject(ctx context.Context, repo name.Repository, header http.Header) error {
	if header.Get("OCI-Subject") == "" {
		return nil
	}
	l := c.lister(repo)
	release, err := l.take(ctx)
	if err == nil {
		l.by = byRegistry
		release()
	}
	return err
}

// keeper returns who keeps the lists of a registry, which is asked for that of a
// digest where that is not known.
func (c *Client) keeper(ctx context.Context, s *session, digest v1.Hash) (listedBy, error) {
	l := c.lister(s.repo)
	release, err := l.take(ctx)
	if err != nil {
		return unknownLister, err
	}
	by := l.by
	release()
	if by != unknownLister {
		return by, nil
	}
	_, by, err = c.listed(ctx, s, digest)
	return by, err
}

// listed asks the registry what refers to a digest. A registry that keeps no
// lists is asked once: whoever asks first keeps the others waiting until that is
// known.
func (c *Client) listed(ctx context.Context, s *session, digest v1.Hash) ([]index.Entry, listedBy, error) {
	l := c.lister(s.repo)
	release, err := l.take(ctx)
	if err != nil {
		return nil, unknownLister, err
	}
	if by := l.by; by != unknownLister {
		release()
		if by == byTag {
			return nil, byTag, nil
		}
		return c.referrerPages(ctx, s, digest)
	}
	defer release()
	entries, by, err := c.referrerPages(ctx, s, digest)
	if err == nil {
		l.by = by
	}
	return entries, by, err
}

// referrerPages reads a list of referrers to its end.
func (c *Client) referrerPages(ctx context.Context, s *session, digest v1.Hash) ([]index.Entry, listedBy, error) {
	var entries []index.Entry
	at := s.url("referrers", digest.String())
	for page := range maxPages {
		resp, err := c.referrerPage(ctx, s, at)
		switch {
		case err != nil && page > 0:
			return nil, unknownLister, err // a list that has begun does not go on somewhere else
		case err != nil:
			return nil, listerOf(err), withoutLister(err)
		}
		next, more, err := nextPage(resp)
		if err != nil {
			return nil, unknownLister, errors.Join(err, resp.Body.Close())
		}
		ix, err := readIndex(resp)
		if err != nil {
			return nil, unknownLister, err
		}
		entries = append(entries, ix.Entries()...)
		if len(entries) > maxReferrers {
			return nil, unknownLister, fmt.Errorf("%w: more than %d referrers", errContent, maxReferrers)
		}
		if !more {
			return entries, byRegistry, nil
		}
		at = next
	}
	return nil, unknownLister, fmt.Errorf("%w: a list of referrers of more than %d pages", errContent, maxPages)
}

// referrerPage asks for a page of a list of referrers.
func (c *Client) referrerPage(ctx context.Context, s *session, at *url.URL) (*http.Response, error) {
	resp, err := c.getURL(ctx, s, at, string(types.OCIImageIndex))
	if err != nil {
		return nil, err
	}
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || media != string(types.OCIImageIndex) {
		return nil, errors.Join(errNoList, resp.Body.Close())
	}
	return resp, nil
}

// listerOf tells who keeps the lists of a registry that gave no list. One that
// knows nothing of the repository or of the subject may keep them all the same.
func listerOf(err error) listedBy {
	if errors.Is(err, errNoList) {
		return byTag
	}
	var answer *answerError
	if !errors.As(err, &answer) {
		return unknownLister
	}
	switch answer.status {
	case http.StatusNotFound:
		if answer.has(transport.NameUnknownErrorCode, transport.ManifestUnknownErrorCode) {
			return unknownLister
		}
		return byTag
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return byTag
	}
	return unknownLister
}

// withoutLister returns nil for an error that is an answer to whether the
// registry keeps lists.
func withoutLister(err error) error {
	var answer *answerError
	if listerOf(err) == byTag || errors.As(err, &answer) && answer.status == http.StatusNotFound {
		return nil
	}
	return err
}

// nextPage returns where a list goes on, if it does (RFC 8288).
func nextPage(resp *http.Response) (next *url.URL, more bool, err error) {
	links := strings.Join(resp.Header.Values("Link"), ",")
	for {
		_, rest, _ := strings.Cut(links, "<")
		target, rest, ok := strings.Cut(rest, ">")
		if !ok {
			return nil, false, nil
		}
		params, _, _ := strings.Cut(rest, ",")
		links = rest
		if !isNext(params) {
			continue
		}
		next, err = resp.Request.URL.Parse(target)
		if err != nil || !sameOrigin(next, resp.Request.URL) {
			return nil, false, errNextPage
		}
		return next, true, nil
	}
}

// isNext reports whether the parameters of a link say that it is the next page.
func isNext(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(strings.ToLower(p), "=")
		if strings.TrimSpace(key) == "rel" && strings.Trim(value, ` "`) == "next" {
			return true
		}
	}
	return false
}

// readIndex reads a list from an answer and closes it.
func readIndex(resp *http.Response) (index.Index, error) {
	raw, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return index.Index{}, err
	}
	ix, err := index.Parse(raw)
	if err != nil {
		return index.Index{}, fmt.Errorf("%w: list of referrers: %w", errContent, err)
	}
	return ix, nil
}

// taggedReferrers returns the list of what refers to a digest that is kept at a
// tag; it is empty where there is none.
func (c *Client) taggedReferrers(ctx context.Context, s *session, digest v1.Hash) (index.Index, error) {
	d, there, err := c.atTag(ctx, s, index.ReferrersTag(digest))
	if err != nil || !there {
		return index.New(index.OCI), err
	}
	ix, err := index.Parse(d.raw)
	if err != nil {
		return index.Index{}, fmt.Errorf("%w: tag %s: %w", errContent, index.ReferrersTag(digest), err)
	}
	return ix, nil
}

// atTag reads what a tag names; there is false where it names nothing.
func (c *Client) atTag(ctx context.Context, s *session, tag string) (d document, there bool, err error) {
	d, err = c.manifest(ctx, s, tag, v1.Hash{})
	var answer *answerError
	if errors.As(err, &answer) && answer.kind() == index.ErrNotFound { //nolint:errorlint // kind returns one of the values
		return document{}, false, nil
	}
	return d, err == nil, err
}

// hasTag asks whether a tag names anything. Where the registry does not answer
// HEAD it may.
func (c *Client) hasTag(ctx context.Context, s *session, tag string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.url("manifests", tag).String(), http.NoBody)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", accepted())
	resp, err := s.client.Do(req)
	if err != nil {
		return false, err
	}
	if err := resp.Body.Close(); err != nil {
		return false, err
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusMethodNotAllowed:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	}
	return false, &answerError{status: resp.StatusCode, after: unsaid}
}
