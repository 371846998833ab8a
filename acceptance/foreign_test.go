//go:build acceptance

package acceptance_test

import (
	"archive/tar"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// elsewhere is where a layer is that is not to be distributed. Nobody is to ask
// for it.
type elsewhere struct {
	url   string
	asked atomic.Int64
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		e.asked.Add(1)
		http.Error(w, "nobody should ask", http.StatusGone)
	}))
	t.Cleanup(func() {
		server.Close()
		if n := e.asked.Load(); n > 0 {
			t.Errorf("it was asked %d times for a layer that is not to be distributed", n)
		}
	})
	e.url = server.URL + "/base"
	return e
}

// windowsImage is a package on a base whose layer is elsewhere, as those of
// Windows are, and the digest of that layer.
func windowsImage(t *testing.T, url string) (v1.Image, v1.Hash) {
	t.Helper()
	base := static.NewLayer([]byte("a base that only its vendor may hand out"), types.DockerForeignLayer)
	digest, err := base.Digest()
	if err != nil {
		t.Fatal(err)
	}
	img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{Platform: v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.20348.2227"}})
	img, err = mutate.Append(img, mutate.Addendum{Layer: base, MediaType: types.DockerForeignLayer, URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	return img, digest
}

// hasBlob asks a registry for a blob.
func hasBlob(t *testing.T, ref string, digest v1.Hash) bool {
	t.Helper()
	host, repository, _ := strings.Cut(ref, "/")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+host+"/v2/"+repository+"/blobs/"+digest.String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := oneShot().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode == http.StatusOK
}

// TestForeignLayersOfWindows: a layer that only its URLs have is neither fetched
// nor sent nor lost, from registry to registry, to the other family and back.
func TestForeignLayersOfWindows(t *testing.T) {
	t.Parallel()
	crane := testhelpers.Tool(t, "crane")
	for name, start := range registries() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, h := newElsewhere(t), newHome(t)
			urls := testhelpers.WithURLs(`^http://127\.0\.0\.1:`)
			from, to := start(t, urls), start(t, urls)
			img, layer := windowsImage(t, base.url)
			first, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			src := from + "/acme/win"
			push(t, src+":1", img)
			before := h.ok(t, crane, "manifest", src+":1")
			for _, c := range []struct{ repository, source, format, layer string }{
				{to + "/acme/same", src + ":1", "v2s2", string(types.DockerForeignLayer)},
				{to + "/acme/oci", src + ":1", "oci", string(types.OCIRestrictedLayer)},
				{from + "/acme/mounted", src + ":1", "oci", string(types.OCIRestrictedLayer)},
				{from + "/acme/back", to + "/acme/oci:1", "v2s2", string(types.DockerForeignLayer)},
			} {
				h.manifest(t, "create", c.repository+":1", c.source, "--publish", "--format", c.format)
				child := onlyChild(t, h, c.repository+":1")
				for reader, read := range readers(t, h, strings.SplitN(c.repository, "/", 2)[0]) {
					raw := read(c.repository + "@" + child.Digest.String())
					if got, want := content(t, raw), content(t, before); !slices.Equal(got, want) || !strings.Contains(want[len(want)-1], base.url) {
						t.Errorf("%s finds in %s\n%s\nwant\n%s", reader, c.repository, strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
					if family(t, raw) != c.format || !strings.Contains(raw, `"`+c.layer+`"`) {
						t.Errorf("%s finds in %s\n%s", reader, c.repository, raw)
					}
				}
				if same := child.Digest == first; same != (c.format == "v2s2") {
					t.Errorf("%s has %s, the image is %s", c.repository, child.Digest, first)
				}
				if hasBlob(t, c.repository, layer) {
					t.Errorf("%s has the layer itself", c.repository)
				}
			}
		})
	}
}

// TestForeignLayersAreSaved: files have the URLs, too, and not the layer; the
// list that is made of them is the same.
func TestForeignLayersAreSaved(t *testing.T) {
	t.Parallel()
	base, h := newElsewhere(t), newHome(t)
	host := testhelpers.StartDistribution(t, testhelpers.WithURLs(`^http://127\.0\.0\.1:`))
	img, layer := windowsImage(t, base.url)
	push(t, host+"/acme/win:1", img)
	list := host + "/acme/list:1"
	digest := digestIn(t, h.manifest(t, "create", list, host+"/acme/win:1", "--publish"))
	for file, source := range map[string]string{"win.tar": "./win.tar", "win.cnb": "win.cnb", "win": "oci:./win"} {
		if got := digestIn(t, h.manifest(t, "save", list, "-o", h.path(file))); got != digest {
			t.Errorf("%s has %s, want %s", file, got, digest)
		}
		files := savedFiles(t, h.path(file))
		if _, ok := files["blobs/sha256/"+layer.Hex]; ok {
			t.Errorf("%s has the layer", file)
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(files)), func(raw string) bool { return strings.Contains(raw, base.url) }) {
			t.Errorf("%s does not say where the layer is", file)
		}
		to := host + "/acme/again-" + strings.ReplaceAll(file, ".", "-") + ":1"
		if got := digestIn(t, h.manifest(t, "create", to, source, "--publish")); got != digest {
			t.Errorf("of %s comes %s, want %s", file, got, digest)
		}
	}
}

// savedFiles are the files of an OCI layout, in a tar file or a directory.
func savedFiles(t *testing.T, path string) map[string]string {
	t.Helper()
	files := map[string]string{}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		for _, file := range []string{"index.json", "blobs/sha256/*"} {
			paths, err := filepath.Glob(filepath.Join(path, file))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range paths {
				files[strings.TrimPrefix(filepath.ToSlash(p), filepath.ToSlash(path)+"/")] = readFile(t, p)
			}
		}
		return files
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(raw)
	}
}

// TestForeignLayersThatARegistryRefuses: a registry that takes no URLs says so;
// the list is not written.
func TestForeignLayersThatARegistryRefuses(t *testing.T) {
	t.Parallel()
	base, h := newElsewhere(t), newHome(t)
	open, closed := testhelpers.StartDistribution(t, testhelpers.WithURLs(`^http://127\.0\.0\.1:`)), testhelpers.StartDistribution(t)
	img, layer := windowsImage(t, base.url)
	push(t, open+"/acme/win:1", img)
	r := h.fails(t, 7, "create", closed+"/acme/win:1", open+"/acme/win:1", "--publish")
	if !strings.Contains(r.stderr, closed+"/acme/win@sha256:") || !strings.Contains(r.stderr, "no tag was written") {
		t.Errorf("it says\n%s", r.stderr)
	}
	if _, ok := getManifest(t, closed, "acme/win", "1"); ok || hasBlob(t, closed+"/acme/win", layer) {
		t.Error("it was written")
	}
}
