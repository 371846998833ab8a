package registry_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

const mib = 1 << 20

// large is an image with a layer of about that many bytes, beside small content.
func large(t *testing.T, size int64) v1.Image {
	t.Helper()
	return testhelpers.Buildpackage(t, testhelpers.PackageSpec{
		OCI: true, Seed: 7, LayerSizes: []int64{size}, Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
	})
}

// layerOf returns the largest layer of an image.
func layerOf(t *testing.T, m index.Manifest) v1.Descriptor {
	t.Helper()
	manifest, err := index.ParseImage(m.Raw, m.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	return slices.MaxFunc(manifest.Layers, func(a, b v1.Descriptor) int { return int(a.Size - b.Size) })
}

// little is more than all content of large has, but for its layer.
const little = 50_000

// ofLarge lets actions happen, one after the other, to requests with a large
// body; the rest pass.
func ofLarge(actions ...testhelpers.Action) testhelpers.Action {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		do := testhelpers.Action(func(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
		if r.ContentLength > little && len(actions) > 0 {
			do, actions = actions[0], actions[1:]
		}
		mu.Unlock()
		do(w, r, next)
	}
}

// always is as many actions as anybody tries.
func always(do testhelpers.Action) []testhelpers.Action {
	return slices.Repeat([]testhelpers.Action{do}, 20)
}

// sent is what a registry heard of uploads, in order: the method of each request
// that is large, asks for the state of an upload, or closes one without a body;
// and how much came with them.
func sent(reg *testhelpers.Registry) (methods string, bytes int64) {
	var all []string
	for _, r := range reg.Requests() {
		switch {
		case r.Kind != "upload" || r.Method == http.MethodPost:
		case r.BytesIn > little || r.Method == http.MethodGet:
			all = append(all, r.Method)
			bytes += r.BytesIn
		case r.BytesIn == 0:
			all = append(all, r.Method+"0")
		}
	}
	return strings.Join(all, "-"), bytes
}

// published publishes an image that large made to a registry that was
// prepared for it, from a file and from another registry, and hands over what it
// came to.
func published(t *testing.T, img v1.Image, prepare func(reg *testhelpers.Registry), check func(t *testing.T, reg *testhelpers.Registry, layer v1.Descriptor, err error), edits ...func(*registry.Options)) {
	t.Helper()
	for _, remote := range []bool{false, true} {
		t.Run("remote "+strconv.FormatBool(remote), func(t *testing.T) {
			t.Parallel()
			reg, c := testhelpers.NewRegistry(t), newClient(t, append(edits, jobs(1))...)
			m, _ := local(t, img)
			ms := []index.Manifest{m}
			if remote {
				from := testhelpers.NewRegistry(t)
				from.Push(t, "a/source:0", img)
				ms = resolve(t, c, from.Host+"/a/source:0")
			}
			prepare(reg)
			pub := publication(t, ms, reg.Host+"/a/list:1")
			_, err := publish(t, c, pub)
			layer := layerOf(t, ms[0])
			if err == nil {
				has(t, reg, "a/list", "1", pub.Index)
				same(t, reg, layer)
			}
			check(t, reg, layer, err)
		})
	}
}

// same fails the test unless the registry has the very bytes of a blob.
func same(t *testing.T, reg *testhelpers.Registry, d v1.Descriptor) {
	t.Helper()
	repo := tagOf(t, reg.Host+"/a/list:1").Repository
	if got, err := content(t, repo, d); err != nil || int64(len(got)) != d.Size {
		t.Errorf("the registry has %d bytes of %d, %v", len(got), d.Size, err)
	}
}

// TestUploadsAreResumed: R29: an upload that broke off goes on where it did, if
// the registry kept what it got, and begins anew otherwise.
func TestUploadsAreResumed(t *testing.T) {
	t.Parallel()
	const size, cut = 300_000, 100_000
	once, status := []testhelpers.Action{testhelpers.CutUpload(cut)}, testhelpers.Status
	img := large(t, size)
	for _, row := range []struct {
		name  string
		puts  []testhelpers.Action
		state testhelpers.Action // of asking for the state, once
		want  string
		posts int   // beside that of the config
		vain  int64 // bytes that were sent in vain
	}{
		{name: "cut once", puts: once, want: "PUT-GET-PUT", posts: 1},
		{name: "cut twice", puts: slices.Repeat(once, 2), want: "PUT-GET-PUT-GET-PUT", posts: 1},
		{name: "nothing was kept", puts: once, state: testhelpers.Header("Range", "0-0"), want: "PUT-GET-PUT", posts: 2, vain: cut},
		{name: "the upload is gone", puts: once, state: status(404, nil, ""), want: "PUT-GET-PUT", posts: 2, vain: cut},
		{name: "its state is not told", puts: once, state: status(405, nil, ""), want: "PUT-GET-PUT", posts: 2, vain: cut},
		{name: "its state is too much", puts: once, state: testhelpers.Header("Range", "0-9999999"), want: "PUT-GET-PUT", posts: 2, vain: cut},
		{name: "its state is of the middle", puts: once, state: testhelpers.Header("Range", "5-99999"), want: "PUT-GET-PUT", posts: 2, vain: cut},
		{name: "its state is without a place", puts: once, state: testhelpers.Header("Location", ""), want: "PUT-GET-PUT", posts: 2, vain: cut},
		{name: "its state comes late", puts: once, state: status(503, nil, ""), want: "PUT-GET-GET-PUT", posts: 1},
		{
			name: "going on is refused", puts: append(slices.Clone(once), status(416, nil, "")),
			want: "PUT-GET-PUT-PUT", posts: 2, vain: size,
		},
		{name: "R18 the answer is lost", puts: []testhelpers.Action{testhelpers.Late()}, want: "PUT-GET", posts: 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			published(t, img, func(reg *testhelpers.Registry) {
				reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/uploads/", Do: ofLarge(row.puts...)})
				if row.state != nil {
					reg.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/uploads/", Times: 1, Do: row.state})
				}
			}, func(t *testing.T, reg *testhelpers.Registry, layer v1.Descriptor, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				methods, bytes := sent(reg)
				if methods != row.want || bytes != layer.Size+row.vain && row.name != "going on is refused" {
					t.Errorf("%s with %d bytes, want %s with %d", methods, bytes, row.want, layer.Size+row.vain)
				}
				if got := reg.Count(http.MethodPost, ""); got != 1+row.posts {
					t.Errorf("%d uploads were begun, want %d", got, 1+row.posts)
				}
			})
		})
	}
}

// TestUploadsInParts: a blob goes in parts where the registry asks for them or
// takes it no other way, and in one where it takes no parts.
func TestUploadsInParts(t *testing.T) {
	t.Parallel()
	const size = 20 * mib // more than one part
	images := map[int64]v1.Image{size: large(t, size), 10 * mib: large(t, 10*mib), 300_000: large(t, 300_000)}
	put, patch, status := http.MethodPut, http.MethodPatch, testhelpers.Status
	type faults []func() testhelpers.Fault
	asks := func(least string) func() testhelpers.Fault {
		return func() testhelpers.Fault {
			return testhelpers.Fault{Method: http.MethodPost, Do: testhelpers.Header("Oci-Chunk-Min-Length", least)}
		}
	}
	fails := func(method string, actions ...testhelpers.Action) func() testhelpers.Fault {
		return func() testhelpers.Fault { return testhelpers.Fault{Method: method, Do: ofLarge(actions...)} }
	}
	for _, row := range []struct {
		name   string
		size   int64
		faults faults
		want   string
		refuse string // what the error says
	}{
		{name: "they are asked for", size: size, faults: faults{asks("5242880")}, want: "PATCH-PATCH-PUT0"},
		{name: "they are asked for, of some size", size: size, faults: faults{asks("19922944")}, want: "PATCH-PATCH-PUT0"},
		{name: "they are asked for, and one is enough", size: size, faults: faults{asks("67108864")}, want: "PUT"},
		{name: "what is asked for makes no sense", size: size, faults: faults{asks("-5")}, want: "PUT"},
		{name: "413", size: size, faults: faults{fails(put, always(testhelpers.TooLarge(17*mib))...)}, want: "PUT0-PATCH-PATCH-PUT0"},
		{
			name: "R17 413, and parts are no smaller", size: 10 * mib,
			faults: faults{fails(put, always(testhelpers.TooLarge(5*mib))...)}, want: "PUT0", refuse: "413",
		},
		{name: "405", size: 300_000, faults: faults{fails(put, always(status(405, nil, ""))...)}, want: "PUT-PATCH-PUT0"},
		{name: "501", size: size, faults: faults{fails(put, always(status(501, nil, ""))...)}, want: "PUT-PATCH-PATCH-PUT0"},
		{name: "404", size: size, faults: faults{fails(put, always(status(404, nil, ""))...)}, want: "PUT-PATCH-PATCH-PUT0"},
		{name: "parts are refused", size: size, faults: faults{asks("1"), fails(patch, status(405, nil, ""))}, want: "PATCH-PUT"},
		{
			name: "both are refused", size: 300_000,
			faults: faults{fails(put, always(status(405, nil, ""))...), fails(patch, always(status(501, nil, ""))...)},
			want:   "PUT-PATCH", refuse: "405",
		},
		{
			name: "a part is cut", size: size, faults: faults{asks("1"), fails(patch, testhelpers.CutUpload(3*mib))},
			want: "PATCH-GET-PATCH-PATCH-PUT0",
		},
		{name: "a part is kept in part", size: size, faults: faults{asks("1"), fails(patch, half())}, want: "PATCH-PATCH-PUT0"},
		{
			name: "a part is not kept", size: size, faults: faults{asks("1"), fails(patch, testhelpers.Header("Range", "0-0"))},
			want: "PATCH", refuse: "did not keep",
		},
		{
			name: "next to nothing is kept of each part", size: size,
			faults: faults{asks("1"), fails(patch, always(testhelpers.Header("Range", "0-99"))...)},
			want:   "PATCH", refuse: "did not keep",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			published(t, images[row.size], func(reg *testhelpers.Registry) {
				for _, fault := range row.faults {
					f := fault()
					f.Match = "/uploads/"
					reg.Inject(f)
				}
			}, func(t *testing.T, reg *testhelpers.Registry, _ v1.Descriptor, err error) {
				t.Helper()
				if row.refuse == "" && err != nil {
					t.Fatal(err)
				}
				if row.refuse != "" {
					wants(t, err, index.ErrRefused, row.refuse, reg.Host+"/a/list@sha256:")
				}
				if methods, _ := sent(reg); methods != row.want {
					t.Errorf("it was sent by %q, want %q", methods, row.want)
				}
			})
		})
	}
}

// half takes the first half of a part, and says so.
func half() testhelpers.Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		whole := r.Body
		r.ContentLength /= 2
		r.Header.Set("Content-Range", "0-"+strconv.FormatInt(r.ContentLength-1, 10))
		r.Body = io.NopCloser(io.LimitReader(whole, r.ContentLength))
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		if _, err := io.Copy(io.Discard, whole); err != nil {
			return
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
	}
}
