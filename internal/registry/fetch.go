package registry

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// document is a manifest or list as a registry gave it, verified.
type document struct {
	raw       []byte
	mediaType types.MediaType
	digest    v1.Hash
}

// accepted are the media types that manifests are asked for in.
func accepted() string {
	return strings.Join([]string{
		string(types.OCIImageIndex), string(types.DockerManifestList),
		string(types.OCIManifestSchema1), string(types.DockerManifestSchema2),
	}, ", ")
}

// Fetch returns the bytes that a reference names, their media type and digest:
// an image manifest or a list, as it is in the registry. Errors are of the kinds
// index.ErrNotFound, ErrDenied, ErrUnreachable, ErrRefused, ErrInvalid and, for
// a reference that is none, ErrUsage.
func (c *Client) Fetch(ctx context.Context, ref string) ([]byte, types.MediaType, v1.Hash, error) {
	parsed, err := index.ParseReference(ref)
	if err != nil {
		return nil, "", v1.Hash{}, err
	}
	d, err := c.fetch(ctx, ref, parsed)
	return d.raw, d.mediaType, d.digest, err
}

func (c *Client) fetch(ctx context.Context, thing string, ref name.Reference) (document, error) {
	s, err := c.connect(ctx, ref.Context())
	if err != nil {
		return document{}, err
	}
	var want v1.Hash
	if digest, ok := ref.(name.Digest); ok {
		if want, err = v1.NewHash(digest.DigestStr()); err != nil {
			return document{}, &index.Fault{Kind: index.ErrUsage, Thing: thing, Cause: err}
		}
	}
	d, err := c.manifest(ctx, s, ref.Identifier(), want)
	return d, classify(ctx, thing, err)
}

// manifest reads a manifest or list by tag or digest. want is the digest that
// its bytes must have, zero for any. An error is not classified yet.
func (c *Client) manifest(ctx context.Context, s *session, identifier string, want v1.Hash) (document, error) {
	resp, err := c.get(ctx, s, "manifests", identifier, accepted())
	if err != nil {
		return document{}, err
	}
	raw, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return document{}, err
	}
	d := document{raw: raw, digest: index.DigestOf(raw)}
	if want.Hex != "" {
		d.digest = want
		if err := verify(raw, want); err != nil {
			return document{}, err
		}
	}
	d.mediaType, err = checkedType(raw, resp.Header.Get("Content-Type"))
	return d, err
}

// checkedType returns what the bytes are, which is not for the header to say
// otherwise (CVE-2021-41190).
func checkedType(raw []byte, header string) (types.MediaType, error) {
	declared := ""
	if header != "" {
		var err error
		if declared, _, err = mime.ParseMediaType(header); err != nil {
			return "", fmt.Errorf("%w: Content-Type %q: %w", errContent, printable(header), err)
		}
	}
	mediaType, err := index.MediaTypeOf(raw, types.MediaType(declared))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", errContent, err)
	case mediaType == types.DockerManifestSchema1, mediaType == types.DockerManifestSchema1Signed:
		return "", fmt.Errorf("%w: it is an image of Docker's schema 1, which no list can hold", errContent)
	case !mediaType.IsImage() && !mediaType.IsIndex():
		return "", fmt.Errorf("%w: media type %q is neither an image manifest nor a list", errContent, printable(string(mediaType)))
	}
	return mediaType, nil
}

// verify compares bytes with the digest that they should have.
func verify(raw []byte, want v1.Hash) error {
	h, err := hasher(want)
	if err != nil {
		return err
	}
	_, _ = h.Write(raw) // a hash takes everything
	return matches(h, want)
}

func hasher(want v1.Hash) (hash.Hash, error) {
	h, err := v1.Hasher(want.Algorithm)
	if err != nil {
		return nil, fmt.Errorf("%w: digest %s: %w", errContent, want, err)
	}
	return h, nil
}

func matches(h hash.Hash, want v1.Hash) error {
	if got := hex.EncodeToString(h.Sum(nil)); got != want.Hex {
		return fmt.Errorf("%w: it should be %s and is %s:%s", errContent, want, want.Algorithm, got)
	}
	return nil
}

// get asks for a manifest or a blob and returns an answer of 200.
func (c *Client) get(ctx context.Context, s *session, kind, of, accept string) (*http.Response, error) {
	return c.getURL(ctx, s, s.url(kind, of), accept)
}

// getURL is get of an address in the session's registry.
func (c *Client) getURL(ctx context.Context, s *session, at *url.URL, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.unexpected(resp)
	}
	return resp, nil
}

// unexpected makes an error of an answer and closes it.
func (c *Client) unexpected(resp *http.Response) error {
	answer := c.readAnswer(resp)
	if err := resp.Body.Close(); err != nil {
		return errors.Join(answer, err)
	}
	return answer
}

// smallBlob reads a blob that is kept in memory: a config.
func (c *Client) smallBlob(ctx context.Context, s *session, d v1.Descriptor) ([]byte, error) {
	if d.Size > index.MaxManifest {
		return nil, fmt.Errorf("%w: config %s of %d bytes, more than %d", errContent, d.Digest, d.Size, index.MaxManifest)
	}
	resp, err := c.get(ctx, s, "blobs", d.Digest.String(), "")
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if err := verify(raw, d.Digest); err != nil {
		return nil, err
	}
	return raw, checkSize(raw, d)
}

func checkSize(raw []byte, d v1.Descriptor) error {
	if int64(len(raw)) != d.Size {
		return fmt.Errorf("%w: %s has %d bytes and is said to have %d", errContent, d.Digest, len(raw), d.Size)
	}
	return nil
}
