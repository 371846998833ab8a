package daemon_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// must returns what cannot fail in a test.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// content reads a blob and compares it with its digest and size.
func content(t *testing.T, b index.Blob) []byte {
	t.Helper()
	r, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if got := index.DigestOf(raw); got != b.Digest || int64(len(raw)) != b.Size {
		t.Errorf("the blob %s has %d bytes of the digest %s, want %d", b.Digest, len(raw), got, b.Size)
	}
	return raw
}

// checkClassic compares an image with the one that the daemon saved.
func checkClassic(t *testing.T, m index.Manifest, saved v1.Image) {
	t.Helper()
	if want := must[[]byte](t)(saved.RawConfigFile()); !bytes.Equal(m.RawConfig, want) {
		t.Errorf("config %s, want %s", m.RawConfig, want)
	}
	config := must[*v1.ConfigFile](t)(saved.ConfigFile())
	if m.Config == nil || m.Platform == nil || !index.SamePlatform(*m.Platform, *config.Platform()) {
		t.Errorf("the platform is %v, want %s", m.Platform, config.Platform())
	}
	if m.Digest != index.DigestOf(m.Raw) || m.Size != int64(len(m.Raw)) || m.MediaType != types.DockerManifestSchema2 {
		t.Errorf("descriptor %+v of %s", m.Descriptor, m.Raw)
	}
	image := must[v1.Manifest](t)(index.ParseImage(m.Raw, m.MediaType))
	if image.Config.Digest != index.DigestOf(m.RawConfig) || image.Config.MediaType != types.DockerConfigJSON {
		t.Errorf("config %+v", image.Config)
	}
	blobs := map[v1.Hash]index.Blob{}
	for _, b := range m.Layers {
		if _, twice := blobs[b.Digest]; twice {
			t.Errorf("the layer %s is there twice", b.Digest)
		}
		blobs[b.Digest] = b
	}
	if len(image.Layers) != len(config.RootFS.DiffIDs) {
		t.Fatalf("%d layers, want %d", len(image.Layers), len(config.RootFS.DiffIDs))
	}
	for i, d := range image.Layers {
		b := blobs[d.Digest]
		if d.MediaType != types.DockerLayer || b.Size != d.Size || b.Open == nil {
			t.Fatalf("layer %+v, blob %+v", d, b)
		}
		zipped := content(t, b)
		again := content(t, b)
		if !bytes.Equal(zipped, again) {
			t.Error("the second time the layer has other bytes")
		}
		r := must[*gzip.Reader](t)(gzip.NewReader(bytes.NewReader(zipped)))
		if r.Name != "" || !r.ModTime.IsZero() {
			t.Errorf("the header of gzip has %q, %s", r.Name, r.ModTime)
		}
		if got := index.DigestOf(must[[]byte](t)(io.ReadAll(r))); got != config.RootFS.DiffIDs[i] {
			t.Errorf("layer %d has the diff ID %s, want %s", i, got, config.RootFS.DiffIDs[i])
		}
	}
}

// An image of a classic store becomes the same image, whichever version of
// Docker saved it: config as it is, layers compressed.
func TestClassicStore(t *testing.T) {
	t.Parallel()
	twice := func(img v1.Image) v1.Image {
		layers := must[[]v1.Layer](t)(img.Layers())
		return must[v1.Image](t)(mutate.AppendLayers(img, layers[1], layers[0]))
	}
	for name, img := range map[string]v1.Image{
		"arm/v7": image(t, arm(), 1), "windows": image(t, v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.20348.1"}, 2),
		"layers that are there twice": twice(image(t, arm(), 3)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var digests []v1.Hash
			for _, layout := range []bool{false, true} {
				l := newLab(t)
				testhelpers.Saved{Image: img, Ref: ref, Layout: layout}.In(t, l.d)
				m := l.one()
				checkClassic(t, m, img)
				if want := (index.Origin{Kind: index.SourceDaemon, Ref: ref, Pin: m.Digest}); m.Origin != want {
					t.Errorf("origin %+v, want %+v", m.Origin, want)
				}
				digests = append(digests, m.Digest)
			}
			if digests[0] != digests[1] {
				t.Errorf("the digests are %s", digests)
			}
		})
	}
}

// An image is saved once, into a file for nobody else's eyes, which is gone
// after Close, and with it the layers.
func TestTemporaryFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	testhelpers.Saved{Image: image(t, arm(), 1), Ref: ref}.In(t, l.d)
	if asked := l.d.Asked(); len(asked) > 0 || len(l.left()) > 0 {
		t.Errorf("before it is needed, %q is asked and %q is there", asked, l.left())
	}
	m := l.one()
	for _, b := range m.Layers {
		content(t, b)
	}
	if asked := l.d.Asked(); slices.Index(asked, "GET /images/get") != len(asked)-1 {
		t.Errorf("asked %q", asked)
	}
	names := l.left()
	if len(names) != 1 {
		t.Fatalf("temporary files %q", names)
	}
	info := must[os.FileInfo](t)(os.Stat(filepath.Join(l.temp, names[0])))
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %s", info.Mode())
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if names := l.left(); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
	if _, err := m.Layers[0].Open(); err == nil {
		t.Error("a layer is there after Close")
	}
}

// containerd returns what a daemon with containerd's store saves of a list, but
// for the blobs of which without has the beginnings.
func containerd(t *testing.T, list v1.ImageIndex, without ...v1.Hash) []byte {
	t.Helper()
	return testhelpers.CNB{
		Lists: []v1.ImageIndex{list}, Names: testhelpers.RelativeNames, Annotations: []map[string]string{{"io.containerd.image.name": "docker.io/" + ref}},
		Edit: func(members []testhelpers.Member) []testhelpers.Member {
			return slices.DeleteFunc(members, func(m testhelpers.Member) bool {
				return slices.ContainsFunc(without, func(h v1.Hash) bool { return strings.HasSuffix(m.Header.Name, h.Hex) })
			})
		},
	}.Bytes(t)
}

// A daemon with containerd's store has what its registry has: the images that
// it has all of are taken with every byte, in the order of the list, and their
// attestations.
func TestContainerdStore(t *testing.T) {
	t.Parallel()
	images := []v1.Image{image(t, v1.Platform{OS: "linux", Architecture: "amd64"}, 1), image(t, arm(), 2), image(t, v1.Platform{OS: "linux", Architecture: "s390x"}, 3)}
	list := testhelpers.Attested(t, images...)
	layers := must[[]v1.Layer](t)(images[0].Layers())
	missing := []v1.Hash{must[v1.Hash](t)(layers[1].Digest()), must[v1.Hash](t)(images[2].Digest())}
	l := newLab(t)
	l.d.Hold(ref, testhelpers.DaemonImage{ID: must[v1.Hash](t)(list.Digest()).String(), Saved: containerd(t, list, missing...)})
	found, err := l.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || found[0].IsAttestation() || !found[1].IsAttestation() {
		t.Fatalf("%d images: %+v", len(found), found)
	}
	if of, _ := found[1].Attests(); of != found[0].Digest {
		t.Errorf("the attestation is of %s, want %s", of, found[0].Digest)
	}
	m := found[0]
	if want := must[v1.Hash](t)(images[1].Digest()); m.Digest != want || m.Origin != (index.Origin{Kind: index.SourceDaemon, Ref: ref, Pin: want}) {
		t.Errorf("%s of %+v, want %s", m.Digest, m.Origin, want)
	}
	if got := m.PlatformString(); got != "linux/arm/v7" || len(m.Layers) != 2 {
		t.Errorf("%s with %d layers", got, len(m.Layers))
	}
	for _, b := range m.Layers {
		content(t, b)
	}
}

// Where no image is whole, the error says what each one lacks.
func TestContainerdStoreWithoutWholeImage(t *testing.T) {
	t.Parallel()
	img := image(t, arm(), 2)
	missing := must[v1.Hash](t)(must[[]v1.Layer](t)(img.Layers())[0].Digest())
	l := newLab(t)
	l.d.Hold(ref, testhelpers.DaemonImage{ID: "sha256:0", Saved: containerd(t, testhelpers.Attested(t, img), missing)})
	l.refused(index.ErrInvalid, "it has all of no image", "linux/arm/v7: layer "+missing.String())
}

// Layers that are not to be distributed keep their URLs, and are neither read
// nor compressed.
func TestForeignLayers(t *testing.T) {
	t.Parallel()
	img := image(t, v1.Platform{OS: "windows", Architecture: "amd64"}, 1)
	base := must[v1.Hash](t)(must[[]v1.Layer](t)(img.Layers())[0].DiffID())
	foreign := v1.Descriptor{
		MediaType: types.DockerForeignLayer, Size: 4711, Digest: index.DigestOf([]byte("base")), URLs: []string{"https://example.com/base"},
	}
	for _, without := range []int{0, 1} { // Docker saves them or leaves them out
		l := newLab(t)
		testhelpers.Saved{Image: img, Ref: ref, Without: without, Sources: map[v1.Hash]v1.Descriptor{base: foreign}}.In(t, l.d)
		m := l.one()
		parsed := must[v1.Manifest](t)(index.ParseImage(m.Raw, m.MediaType))
		got := parsed.Layers[0]
		if got.Digest != foreign.Digest || got.Size != foreign.Size || got.MediaType != foreign.MediaType || !slices.Equal(got.URLs, foreign.URLs) {
			t.Errorf("layer %+v, want %+v", got, foreign)
		}
		if len(m.Layers) != len(parsed.Layers)-1 {
			t.Errorf("%d of %d layers are at hand", len(m.Layers), len(parsed.Layers))
		}
	}
	l := newLab(t)
	testhelpers.Saved{Image: img, Ref: ref, Without: 1}.In(t, l.d)
	l.refused(index.ErrInvalid, base.String(), "left its layer", "no URL")
	foreign.URLs = nil
	testhelpers.Saved{Image: img, Ref: ref, Sources: map[v1.Hash]v1.Descriptor{base: foreign}}.In(t, l.d)
	l.refused(index.ErrInvalid, foreign.Digest.String(), "not to be distributed")
}

// Whoever gives up on an image leaves nothing behind.
func TestCancelled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	saved := testhelpers.Saved{Image: image(t, arm(), 1), Ref: ref}
	saved.In(t, l.d)
	ctx, cancel := context.WithCancelCause(t.Context())
	errEnough := errors.New("enough")
	l.d.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/images/get") {
			return false
		}
		_, err := w.Write(saved.Bytes(t)[:2048])
		if flusher, ok := w.(http.Flusher); ok && err == nil {
			flusher.Flush()
		}
		cancel(errEnough)
		<-r.Context().Done()
		return true
	}
	_, err := l.Resolve(ctx, ref)
	l.fails(err, errEnough, ref)
	for _, kind := range []error{index.ErrUnreachable, index.ErrInvalid} {
		if errors.Is(err, kind) {
			t.Errorf("error %q is of the kind %q", err, kind)
		}
	}
}

// A saved image without layers, as "FROM scratch" makes it.
func TestNoLayers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	img := must[v1.Image](t)(mutate.ConfigFile(image(t, arm(), 1), &v1.ConfigFile{OS: "linux", Architecture: "arm"}))
	saved := testhelpers.Saved{Image: img, Ref: ref, Edit: func(members []testhelpers.Member) []testhelpers.Member {
		return edited(t, members, "manifest.json", func(items []map[string]any) { items[0]["Layers"] = nil })
	}}
	saved.In(t, l.d)
	m := l.one()
	if !bytes.Contains(m.Raw, []byte(`"layers":[]`)) || len(m.Layers) != 0 || m.PlatformString() != "linux/arm" {
		t.Errorf("%s for %s", m.Raw, m.PlatformString())
	}
}

// edited changes a member that is a list of objects.
func edited(t *testing.T, members []testhelpers.Member, name string, change func([]map[string]any)) []testhelpers.Member {
	t.Helper()
	members = slices.Clone(members)
	for i, m := range members {
		if m.Header.Name != name {
			continue
		}
		var items []map[string]any
		if err := json.Unmarshal(m.Body, &items); err != nil {
			t.Fatal(err)
		}
		change(items)
		members[i].Body = must[[]byte](t)(json.Marshal(items))
		members[i].Header.Size = int64(len(members[i].Body))
		return members
	}
	t.Fatalf("there is no member %s", name)
	return nil
}
