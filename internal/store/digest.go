package store

import (
	"encoding/hex"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// digestAs returns the digest of raw by the named algorithm.
func digestAs(algorithm string, raw []byte) (v1.Hash, error) {
	sum, err := v1.Hasher(algorithm)
	if err != nil {
		return v1.Hash{}, err
	}
	if _, err := sum.Write(raw); err != nil {
		return v1.Hash{}, err
	}
	return sumOf(algorithm, sum), nil
}

func sumOf(algorithm string, sum hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: algorithm, Hex: hex.EncodeToString(sum.Sum(nil))}
}

// checked reads content and, at its end, fails where it is not what its digest
// and size promise. Until then nothing is known of the bytes.
type checked struct {
	from io.Reader
	want index.Blob
	kind error // of the error
	sum  hash.Hash
	n    int64
}

func newChecked(from io.Reader, want index.Blob, kind error) (*checked, error) {
	sum, err := v1.Hasher(want.Digest.Algorithm)
	if err != nil {
		return nil, index.Faultf(index.ErrInvalid, blobThing(want.Digest), "%w", err)
	}
	return &checked{from: from, want: want, kind: kind, sum: sum}, nil
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	c.sum.Write(p[:n]) // a hash never fails
	if c.n > c.want.Size {
		return n, index.Faultf(c.kind, c.thing(), "more than its %d bytes", c.want.Size)
	}
	if err != io.EOF {
		return n, err
	}
	if got := sumOf(c.want.Digest.Algorithm, c.sum); got != c.want.Digest || c.n != c.want.Size {
		return n, index.Faultf(c.kind, c.thing(),
			"%d bytes of digest %s, want %d bytes of digest %s", c.n, got, c.want.Size, c.want.Digest)
	}
	return n, io.EOF
}

// thing names the content as users may know it.
func (c *checked) thing() string {
	if c.want.From == "" {
		return blobThing(c.want.Digest)
	}
	return blobThing(c.want.Digest) + " of " + c.want.From
}

func blobThing(h v1.Hash) string { return "content " + h.String() }
