package buildpackage

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// verifier reads a layer and, at its end, compares its digest. Until then
// nothing is known of the bytes.
type verifier struct {
	io.ReadCloser
	image index.Entry
	want  v1.Hash
	sum   hash.Hash
}

func verified(m index.Manifest, layer index.Blob) (io.ReadCloser, error) {
	sum, err := v1.Hasher(layer.Digest.Algorithm)
	if err != nil {
		return nil, err
	}
	r, err := layer.Open()
	if err != nil {
		return nil, err
	}
	return &verifier{ReadCloser: r, image: m.Entry, want: layer.Digest, sum: sum}, nil
}

// Read implements io.Reader.
func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.sum.Write(p[:n]) // a hash never fails
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.want.Hex {
		return n, &index.Rejection{Findings: []index.Finding{{
			Rule: index.DigestMismatch, Severity: index.Error, Entry: v.image,
			Message: fmt.Sprintf("layer %s has content of the digest %s:%s", v.want, v.want.Algorithm, got),
		}}}
	}
	return n, err
}
