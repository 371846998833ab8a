package registry_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestBlob(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	img := image(t, 0)
	reg.Push(t, "acme/bp:1", img)
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	d := v1.Descriptor{Digest: index.DigestOf(config), Size: int64(len(config))}
	repo, err := name.NewRepository(reg.Host + "/acme/bp")
	if err != nil {
		t.Fatal(err)
	}
	other := v1.Descriptor{Digest: index.DigestOf([]byte("x")), Size: 1}
	shorter := v1.Descriptor{Digest: d.Digest, Size: d.Size - 1}
	longer := v1.Descriptor{Digest: d.Digest, Size: d.Size + 1}
	for what, c := range map[string]struct {
		d     v1.Descriptor
		fault testhelpers.Action
		kind  error
	}{
		"as it is":         {d, nil, nil},
		"absent":           {other, nil, index.ErrNotFound},
		"too short":        {longer, nil, index.ErrInvalid},
		"too long":         {shorter, nil, index.ErrInvalid},
		"R14: altered":     {d, testhelpers.Corrupt(3), index.ErrInvalid},
		"padded":           {d, testhelpers.Pad(), index.ErrInvalid},
		"empty, it is not": {v1.Descriptor{Digest: index.DigestOf([]byte("y"))}, testhelpers.Status(200, nil, ""), index.ErrInvalid},
		"R17: forbidden":   {d, testhelpers.Status(403, nil, ""), index.ErrDenied},
	} {
		if c.fault != nil {
			reg.Inject(testhelpers.Fault{Method: "GET", Match: "/blobs/", Do: c.fault, Times: 1})
		}
		got, err := content(t, repo, c.d)
		if c.kind == nil {
			if err != nil || string(got) != string(config) {
				t.Errorf("%s: %q, %v", what, got, err)
			}
			continue
		}
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), repo.Name()+"@"+c.d.Digest.String()) {
			t.Errorf("%s: error %v, want the kind %v", what, err, c.kind)
		}
		if int64(len(got)) == c.d.Size && c.d.Size > 0 {
			t.Errorf("%s: all %d bytes were handed out", what, len(got))
		}
	}
}

func content(t *testing.T, repo name.Repository, d v1.Descriptor) (raw []byte, err error) {
	t.Helper()
	r, err := newClient(t).Blob(t.Context(), repo, d)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(r)
}

// TestBlobsCountNoMore: a blob that was read, or closed before its end, no longer
// counts as in flight.
func TestBlobsCountNoMore(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	img := large(t, 300_000)
	reg.Push(t, "acme/bp:1", img)
	m, _ := local(t, img)
	repo, d := tagOf(t, reg.Host+"/acme/bp:1").Repository, layerOf(t, m)
	c := newClient(t, jobs(1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, most := range []int64{0, 1000, d.Size, d.Size + 1} {
		r, err := c.Blob(ctx, repo, d)
		if err != nil {
			t.Fatalf("after others: %v", err)
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r, most))
		if err = errors.Join(err, r.Close()); err != nil || n != min(most, d.Size) {
			t.Errorf("read %d bytes of %d, %v", n, most, err)
		}
	}
}
