package registry

import (
	"context"
	"errors"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Blob returns the content of a blob of a repository, which must be closed. It
// is streamed, and checked against the digest and size of d: content that is
// not what d says ends in an error of the kind index.ErrInvalid instead of
// io.EOF, before its last byte. Other errors are as with [Client.Fetch]. Where a
// connection breaks off while reading, another one goes on from there, within
// the limits of all requests.
func (c *Client) Blob(ctx context.Context, repo name.Repository, d v1.Descriptor) (io.ReadCloser, error) {
	thing := repo.Name() + "@" + d.Digest.String()
	rc, err := c.source(index.Step{Digest: d.Digest, Size: d.Size, From: repo}).from(ctx, 0)
	if err != nil {
		return nil, classify(ctx, thing, err)
	}
	return &classified{ReadCloser: rc, ctx: ctx, thing: thing}, nil
}

// classified gives the errors of a stream their kinds.
type classified struct {
	io.ReadCloser
	ctx   context.Context //nolint:containedctx // of the request that the stream answers
	thing string
}

// Read implements io.Reader.
func (c *classified) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, errContent) {
		return n, err
	}
	return n, classify(c.ctx, c.thing, err)
}
