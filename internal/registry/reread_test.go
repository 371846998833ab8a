package registry_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// inTurn lets actions happen one after the other, the last for ever, and tells
// which parts were asked for.
func inTurn(actions ...testhelpers.Action) (do testhelpers.Action, asked func() []string) {
	var mu sync.Mutex
	var ranges []string
	do = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		ranges = append(ranges, strings.TrimSuffix(r.Header.Get("Range"), "-"))
		now := actions[0]
		actions = actions[min(1, len(actions)-1):]
		mu.Unlock()
		now(w, r, next)
	}
	return do, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(ranges)
	}
}

func pass(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) }

// unranged is a registry that does not know of parts.
func unranged(w http.ResponseWriter, r *http.Request, next http.Handler) {
	r.Header.Del("Range")
	next.ServeHTTP(w, r)
}

// shifted answers with another part than was asked for.
func shifted(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.Header.Get("Range") != "" {
		r.Header.Set("Range", "bytes=5-")
	}
	next.ServeHTTP(w, r)
}

// hangUp ends the connection without a word.
func hangUp(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// refusing answers a request for a part with a status.
func refusing(status int) testhelpers.Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("Range") != "" {
			w.WriteHeader(status)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// TestReadsAreResumed: R6, R7: what breaks off while it is read is gone on with
// where it did, for what is copied and for what is saved.
func TestReadsAreResumed(t *testing.T) {
	t.Parallel()
	const size, cut, once = 300_000, 100_000, "bytes=100000"
	cutHere, img := testhelpers.Cut(cut), large(t, size)
	for _, row := range []struct {
		name    string
		actions []testhelpers.Action
		asked   []string
		want    error
		text    string
	}{
		{name: "cut", actions: []testhelpers.Action{cutHere, pass}, asked: []string{"", once}},
		{name: "reset", actions: []testhelpers.Action{testhelpers.Reset(cut), pass}, asked: []string{"", once}},
		{name: "cut twice", actions: []testhelpers.Action{cutHere, cutHere, pass}, asked: []string{"", once, "bytes=200000"}},
		{name: "no parts", actions: []testhelpers.Action{cutHere, unranged}, asked: []string{"", once}},
		{name: "parts refused, 416", actions: []testhelpers.Action{cutHere, refusing(416), pass}, asked: []string{"", once, ""}},
		{name: "parts refused, 400", actions: []testhelpers.Action{cutHere, refusing(400), pass}, asked: []string{"", once, ""}},
		{name: "another part", actions: []testhelpers.Action{cutHere, shifted, pass}, asked: []string{"", once, ""}},
		{name: "busy meanwhile", actions: []testhelpers.Action{cutHere, testhelpers.Status(503, nil, ""), pass}, asked: []string{"", once, once}},
		{name: "hung up on meanwhile", actions: []testhelpers.Action{cutHere, hangUp, hangUp, pass}, asked: []string{"", once, once, once}},
		{
			name: "R7 hung up on for good", actions: []testhelpers.Action{cutHere, hangUp},
			asked: []string{"", once, once, once, once}, want: index.ErrUnreachable, text: "EOF",
		},
		{
			name: "R7 cut always", actions: []testhelpers.Action{testhelpers.Cut(0)},
			asked: slices.Repeat([]string{""}, 5), want: index.ErrUnreachable, text: "EOF",
		},
		{
			name: "gone meanwhile", actions: []testhelpers.Action{cutHere, testhelpers.Status(404, nil, "")},
			asked: []string{"", once}, want: index.ErrNotFound, text: "404",
		},
		{
			name: "denied meanwhile", actions: []testhelpers.Action{cutHere, testhelpers.Status(403, nil, "")},
			asked: []string{"", once}, want: index.ErrDenied, text: "403",
		},
		{
			name: "R8 the rest is of something else", actions: []testhelpers.Action{cutHere, testhelpers.Corrupt(5)},
			asked: []string{"", once}, want: index.ErrInvalid, text: "it should be sha256:",
		},
	} {
		for _, copied := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, copied %t", row.name, copied), func(t *testing.T) {
				t.Parallel()
				from, reg := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
				from.Push(t, "a/source:0", img)
				c := newClient(t, jobs(2))
				ms := resolve(t, c, from.Host+"/a/source:0")
				layer := layerOf(t, ms[0])
				do, asked := inTurn(row.actions...)
				from.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/blobs/" + layer.Digest.String(), Do: do})
				var err error
				if copied {
					pub := publication(t, ms, reg.Host+"/a/list:1")
					if _, err = publish(t, c, pub); err == nil {
						has(t, reg, "a/list", "1", pub.Index)
						same(t, reg, layer)
					}
				} else {
					var got []byte
					if got, err = content(t, tagOf(t, from.Host+"/a/source:0").Repository, layer); err == nil && int64(len(got)) != layer.Size {
						t.Errorf("%d bytes of %d", len(got), layer.Size)
					}
				}
				if got := asked(); !slices.Equal(got, row.asked) {
					t.Errorf("asked for %q, want %q", got, row.asked)
				}
				if row.want != nil {
					wants(t, err, row.want, row.text, from.Host+"/a/source@"+layer.Digest.String())
					if reg.HasBlob("a/list", layer.Digest) {
						t.Error("the blob is there")
					}
				} else if err != nil {
					t.Error(err)
				}
				if methods, _ := sent(reg); copied && row.want == nil && methods != "PUT" {
					t.Errorf("it was sent by %q, want one PUT", methods)
				}
			})
		}
	}
}

// TestReadsThatMustWait: where the registry that is read from wants to be left
// alone for longer than the other one waits for bytes, the upload is resumed
// after that.
func TestReadsThatMustWait(t *testing.T) {
	t.Parallel()
	from, reg := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	from.Push(t, "a/source:0", large(t, 300_000))
	w := &waits{}
	c := newClient(t, sleeping(w), jobs(1))
	pub := publication(t, resolve(t, c, from.Host+"/a/source:0"), reg.Host+"/a/list:1")
	do, asked := inTurn(testhelpers.Cut(100_000), testhelpers.Status(503, map[string]string{"Retry-After": "60"}, ""), pass)
	from.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/blobs/" + layerOf(t, pub.Children[0]).Digest.String(), Do: do})
	mustPublish(t, c, pub)
	has(t, reg, "a/list", "1", pub.Index)
	if !slices.Contains(w.slept(), time.Minute) {
		t.Errorf("slept %v", w.slept())
	}
	if got, puts := asked(), reg.Count(http.MethodPut, "/uploads/"); len(got) != 3 || puts != 3 {
		t.Errorf("asked for %q, and sent by %d PUTs, want 3 of each", got, puts)
	}
}

// TestFarInto: an upload that is resumed far into a blob of another registry
// does not read all of it again, and comes out as what it should be.
func TestFarInto(t *testing.T) {
	t.Parallel()
	from, reg := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	from.Push(t, "a/source:0", large(t, 20*mib))
	c := newClient(t, jobs(1))
	pub := publication(t, resolve(t, c, from.Host+"/a/source:0"), reg.Host+"/a/list:1")
	layer := layerOf(t, pub.Children[0])
	do, asked := inTurn(pass)
	from.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/blobs/" + layer.Digest.String(), Do: do})
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/uploads/", Do: ofLarge(testhelpers.CutUpload(18 * mib))})
	mustPublish(t, c, pub)
	has(t, reg, "a/list", "1", pub.Index)
	same(t, reg, layer)
	var at int64
	if got := asked(); len(got) != 2 {
		t.Fatalf("asked for %q", got)
	} else if _, err := fmt.Sscanf(got[1], "bytes=%d", &at); err != nil || at < 8*mib || at > 18*mib {
		t.Errorf("asked for %q, which is not near what the registry had", got)
	}
}

// TestManyCuts: more failures than there are tries end nothing, as long as each
// try brings enough.
func TestManyCuts(t *testing.T) {
	t.Parallel()
	const cuts = 8
	img := large(t, (cuts+1)*2*mib)
	published(t, img, func(reg *testhelpers.Registry) {
		reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/uploads/", Do: ofLarge(slices.Repeat([]testhelpers.Action{testhelpers.CutUpload(2 * mib)}, cuts)...)})
	}, func(t *testing.T, reg *testhelpers.Registry, layer v1.Descriptor, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if methods, bytes := sent(reg); bytes != layer.Size || strings.Count(methods, "PUT") != cuts+1 {
			t.Errorf("%s with %d bytes, want %d", methods, bytes, layer.Size)
		}
	})
	t.Run("of a source", func(t *testing.T) {
		t.Parallel()
		from := testhelpers.NewRegistry(t)
		from.Push(t, "a/source:0", img)
		from.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/blobs/", Times: cuts, Do: testhelpers.Cut(2 * mib)})
		m, _ := local(t, img)
		if got, err := content(t, tagOf(t, from.Host+"/a/source:0").Repository, layerOf(t, m)); err != nil || int64(len(got)) != layerOf(t, m).Size {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
	t.Run("that bring little", func(t *testing.T) {
		t.Parallel()
		from := testhelpers.NewRegistry(t)
		img := large(t, 300_000)
		from.Push(t, "a/source:0", img)
		from.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/blobs/", Do: testhelpers.Cut(1000)})
		m, _ := local(t, img)
		_, err := content(t, tagOf(t, from.Host+"/a/source:0").Repository, layerOf(t, m))
		wants(t, err, index.ErrUnreachable, "EOF")
		if got := from.Count(http.MethodGet, "/blobs/"); got != 5 {
			t.Errorf("%d tries, want 5", got)
		}
	})
}

// TestLongUploads: an upload that took longer than there is time for tries is
// resumed all the same: the time is for what fails.
func TestLongUploads(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	var late atomic.Int64
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/uploads/", Do: ofLarge(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		late.Add(int64(time.Hour))
		testhelpers.CutUpload(100_000)(w, r, next)
	})})
	began := time.Now()
	c := newClient(t, jobs(1), func(o *registry.Options) {
		o.Now = func() time.Time { return began.Add(time.Duration(late.Load())) }
	})
	m, _ := local(t, large(t, 300_000))
	pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
	mustPublish(t, c, pub)
	has(t, reg, "a/list", "1", pub.Index)
	if methods, _ := sent(reg); methods != "PUT-GET-PUT" {
		t.Errorf("it was sent by %q", methods)
	}
}

// TestAFileThatChangesMeanwhile: what was sent before an upload broke off counts
// as what is sent afterwards: together they must be the blob.
func TestAFileThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	m, _ := local(t, large(t, 300_000))
	layer := layerOf(t, m)
	opened := 0
	for i, l := range m.Layers {
		if l.Digest == layer.Digest {
			m.Layers[i].Open = func() (io.ReadCloser, error) {
				if opened++; opened == 1 {
					return l.Open()
				}
				return changed(l, func(b []byte) []byte { b[5] ^= 1; return b })()
			}
		}
	}
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/uploads/", Do: ofLarge(testhelpers.CutUpload(100_000))})
	_, err := publish(t, newClient(t, jobs(1)), publication(t, []index.Manifest{m}, reg.Host+"/a/list:1"))
	wants(t, err, index.ErrInvalid, layer.Digest.String(), "it should be")
	if opened != 2 || reg.HasBlob("a/list", layer.Digest) {
		t.Errorf("opened %d times", opened)
	}
}

// TestResumingWithRealRegistries: R29: Distribution v3 keeps what it got of a
// PUT that was cut, and takes the rest; Distribution v2 forgets it.
func TestResumingWithRealRegistries(t *testing.T) {
	t.Parallel()
	const size, cut = 3 * mib, mib
	for name, server := range map[string]struct {
		start func(testing.TB, ...testhelpers.ServerOption) string
		keeps bool
	}{
		"distribution v3":      {testhelpers.StartDistribution, true},
		"docker-registry v2.8": {testhelpers.StartDockerRegistry, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := server.start(t)
			reg := testhelpers.NewRegistry(t, testhelpers.WithUpstream("http://"+host))
			reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/uploads/", Do: ofLarge(testhelpers.CutUpload(cut))})
			m, _ := local(t, large(t, size))
			layer := layerOf(t, m)
			c := newClient(t, jobs(1), func(o *registry.Options) {
				if server.keeps {
					o.Sleep = (&kept{reg: reg, host: host, want: cut}).wait
				}
			})
			pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
			mustPublish(t, c, pub)
			if got, err := content(t, tagOf(t, host+"/a/list:1").Repository, layer); err != nil || int64(len(got)) != layer.Size {
				t.Errorf("the registry has %d bytes of %d, %v", len(got), layer.Size, err)
			}
			begun, vain := 2, int64(0)
			if !server.keeps {
				begun, vain = 3, cut
			}
			if methods, bytes := sent(reg); methods != "PUT-GET-PUT" || bytes != layer.Size+vain {
				t.Errorf("%s with %d bytes, want %d", methods, bytes, layer.Size+vain)
			}
			if got := reg.Count(http.MethodPost, ""); got != begun {
				t.Errorf("%d uploads were begun, want %d", got, begun)
			}
			// Both give the rest of a blob.
			do, asked := inTurn(testhelpers.Cut(cut), pass)
			reg.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/blobs/sha256", Do: do})
			got, err := content(t, tagOf(t, reg.Host+"/a/list:1").Repository, layer)
			if err != nil || int64(len(got)) != layer.Size || !slices.Equal(asked(), []string{"", "bytes=" + strconv.Itoa(cut)}) {
				t.Errorf("read %d bytes of %d by %q, %v", len(got), layer.Size, asked(), err)
			}
		})
	}
}
