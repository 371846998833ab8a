//go:build acceptance

package acceptance_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// noise is a layer of bytes that nobody keeps: they come from a seed each time
// that they are read.
type noise struct {
	seed   byte
	size   int64
	digest v1.Hash
}

func newNoise(tb testing.TB, seed byte, size int64) *noise {
	tb.Helper()
	n := &noise{seed: seed, size: size}
	digest, _, err := v1.SHA256(n.read())
	if err != nil {
		tb.Fatal(err)
	}
	n.digest = digest
	return n
}

func (n *noise) read() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{n.seed}), n.size) }

func (n *noise) Digest() (v1.Hash, error)             { return n.digest, nil }
func (n *noise) DiffID() (v1.Hash, error)             { return n.digest, nil }
func (n *noise) Compressed() (io.ReadCloser, error)   { return io.NopCloser(n.read()), nil }
func (n *noise) Uncompressed() (io.ReadCloser, error) { return io.NopCloser(n.read()), nil }
func (n *noise) Size() (int64, error)                 { return n.size, nil }
func (n *noise) MediaType() (types.MediaType, error)  { return types.DockerLayer, nil }

// TestCopyOfLargeImages: 8 images with layers of 100 MB go from one registry to
// another, through memory that does not depend on their size, each byte read and
// sent once, in the requests that the budget gives.
func TestCopyOfLargeImages(t *testing.T) {
	if testing.Short() {
		t.Skip("it moves 800 MB")
	}
	const n, size, most = 8, 100_000_000, 48
	from, to := testhelpers.StartDistribution(t), testhelpers.StartDistribution(t)
	counted := func(host string) *testhelpers.Registry {
		return testhelpers.NewRegistry(t, testhelpers.WithUpstream("http://"+host))
	}
	source, reg, h := counted(from), counted(to), newHome(t)
	args := []string{"create", reg.Host + "/acme/bp:1", "--publish"}
	var blobs []v1.Descriptor
	layers, bytes := 0, int64(0)
	for i := range n {
		img, err := mutate.AppendLayers(testhelpers.Buildpackage(t, testhelpers.PackageSpec{
			Platform: v1.Platform{OS: "linux", Architecture: "amd64", OSVersion: strconv.Itoa(i)}, Seed: uint64(i) + 1, LayerSizes: []int64{1000},
		}), newNoise(t, byte(i), size))
		if err != nil {
			t.Fatal(err)
		}
		ref := fmt.Sprintf("/acme/large:%d", i)
		testhelpers.Push(t, from+ref, img)
		args = append(args, source.Host+ref)
		manifest, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		layers += len(manifest.Layers)
		for _, d := range append(manifest.Layers, manifest.Config) {
			blobs = append(blobs, d)
			bytes += d.Size
		}
	}
	mib := h.measured(t, args...)
	t.Logf("%d images with a layer of %d MB take %d MiB and%s from the source,%s to the destination", n, size/1_000_000, mib, tally(source), tally(reg))
	if mib > most || mib < 1 {
		t.Errorf("it takes %d MiB, want %d at most", mib, most)
	}
	// A manifest and a config of each image; what is there is asked for, and sent
	// in two requests if it is not; the list is written and looked at.
	if got, want := len(source.Requests()), pings+2*n+layers; got != want {
		t.Errorf("%d requests to the source, want %d", got, want)
	}
	if got, want := len(reg.Requests()), pings+3*len(blobs)+2*n+2; got != want {
		t.Errorf("%d requests to the destination, want %d", got, want)
	}
	moved := func(reg *testhelpers.Registry) (in, out int64) {
		for _, r := range reg.Requests() {
			if r.Kind == "upload" || r.Kind == "blob" && r.Method == http.MethodGet {
				in, out = in+r.BytesIn, out+r.BytesOut
			}
		}
		return in, out
	}
	if _, got := moved(source); got != bytes {
		t.Errorf("%d bytes were read, want %d", got, bytes)
	}
	if got, _ := moved(reg); got != bytes {
		t.Errorf("%d bytes were sent, want %d", got, bytes)
	}
	repo, err := name.NewRepository(to + "/acme/bp")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range blobs {
		there, err := remote.Layer(repo.Digest(d.Digest.String()), remote.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := there.Size(); err != nil || got != d.Size {
			t.Errorf("%s has %d bytes of %d, %v", d.Digest, got, d.Size, err)
		}
	}
	if got := strings.Count(h.manifest(t, "inspect", reg.Host+"/acme/bp:1"), `"os.version"`); got != n {
		t.Errorf("the list has %d images, want %d", got, n)
	}
}
