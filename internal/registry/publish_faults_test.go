package registry_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// answering passes a request on and answers it with another status.
func answering(status int) testhelpers.Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(status)
	}
}

// overtaken puts another list at the tag before the first GET of it is answered.
func overtaken() testhelpers.Action {
	var once sync.Once
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		once.Do(func() {
			put := httptest.NewRequest(http.MethodPut, r.URL.Path, strings.NewReader(listOf()))
			put.Header.Set("Content-Type", ociIndex)
			next.ServeHTTP(httptest.NewRecorder(), put)
		})
		next.ServeHTTP(w, r)
	}
}

// TestPublishFaults are the rows of the fault matrix that concern writing. Two
// images come from a.b/source, so there is a mount, a child and a list to write.
func TestPublishFaults(t *testing.T) {
	t.Parallel()
	const list, child, mount = "/manifests/latest$", "/list/manifests/sha256", "/blobs/uploads/"
	const quota = `{"errors":[{"code":"DENIED","message":"quota of 10 GB exceeded"}]}`
	second, err := image(t, 1).Digest()
	if err != nil {
		t.Fatal(err)
	}
	unknown := func(digest string) string {
		return `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"unknown","detail":{"digest":"` + digest + `"}}]}`
	}
	put, get := http.MethodPut, http.MethodGet
	for _, row := range []struct {
		name    string
		fault   testhelpers.Fault
		want    error // nil where the client gets by
		texts   []string
		tries   int  // of the request that fails; 0 for any
		faulted int  // the same, where the registry's log comes late
		tagged  bool // although it failed
		waits   []time.Duration
	}{
		{
			name: "R1 500 for ever", fault: testhelpers.Fault{Method: put, Match: list, Do: testhelpers.Status(500, nil, "")},
			want: index.ErrRefused, texts: []string{"a/list:latest", "500"}, tries: 5,
		},
		{name: "R2 500 twice", fault: testhelpers.Fault{Method: put, Match: list, Times: 2, Do: testhelpers.Status(500, nil, "")}, tries: 3},
		{name: "R2 502 on a child", fault: testhelpers.Fault{Method: put, Match: child, Times: 3, Do: testhelpers.Status(502, nil, "")}, tries: 5},
		{
			name:  "R3 429 with Retry-After",
			fault: testhelpers.Fault{Method: put, Match: list, Times: 2, Do: testhelpers.Status(429, map[string]string{"Retry-After": "1"}, "")},
			waits: []time.Duration{time.Second, time.Second}, tries: 3,
		},
		{
			name: "R12 nothing stored (no peer notices)", fault: testhelpers.Fault{Method: put, Match: list, Do: testhelpers.Lie()},
			want: index.ErrRefused, texts: []string{"a/list:latest", "does not have it"}, tries: 1,
		},
		{
			name:  "R13 another digest",
			fault: testhelpers.Fault{Method: put, Match: list, Do: testhelpers.Header("Docker-Content-Digest", other)},
			want:  index.ErrRefused, texts: []string{"a/list:latest", other}, tagged: true,
		},
		{
			name:  "R13 another digest of a child",
			fault: testhelpers.Fault{Method: put, Match: child, Do: testhelpers.Header("Docker-Content-Digest", other)},
			want:  index.ErrRefused, texts: []string{"a/list@sha256:", other},
		},
		{
			name: "R14 other bytes stored", fault: testhelpers.Fault{Method: put, Match: list, Do: testhelpers.Alter()},
			want: index.ErrRefused, texts: []string{"a/list:latest", "stored sha256:"}, tagged: true,
		},
		{
			name: "R15 200 with a page", fault: testhelpers.Fault{Method: put, Match: list, Do: testhelpers.Status(200, nil, "<html>log in</html>")},
			want: index.ErrRefused, texts: []string{"does not have it"},
		},
		{
			name: "R15 200 with a page for a child", fault: testhelpers.Fault{Method: put, Match: child, Do: testhelpers.Status(200, nil, "<html>log in</html>")},
			want: index.ErrNotFound, texts: []string{"a/list@sha256:"},
		},
		{name: "R15 202 but stored", fault: testhelpers.Fault{Method: put, Match: list, Do: answering(202)}},
		{name: "R15 202 but stored, a further tag", fault: testhelpers.Fault{Method: put, Match: "/manifests/more$", Do: answering(202)}},
		{
			name: "R12 nothing stored at a further tag", fault: testhelpers.Fault{Method: put, Match: "/manifests/more$", Do: testhelpers.Status(202, nil, "")},
			want: index.ErrRefused, texts: []string{"a/list:more", "does not have it"}, tagged: true,
		},
		{name: "R15 200 but stored, a child", fault: testhelpers.Fault{Method: put, Match: child, Do: answering(200)}},
		{
			name: "R16 a child's blob is missed", fault: testhelpers.Fault{Method: put, Match: child + ".*" + second.Hex, Do: testhelpers.Status(400, nil, unknown(other))},
			want: index.ErrRefused, texts: []string{second.String(), "linux/arm64", "misses content"}, tries: 1,
		},
		{
			name: "R16 a child is missed", fault: testhelpers.Fault{Method: put, Match: list, Do: testhelpers.Status(400, nil, unknown(second.String()))},
			want: index.ErrRefused, texts: []string{second.String(), "linux/arm64", "misses it"}, tries: 1,
		},
		{
			name: "R17 quota", fault: testhelpers.Fault{Method: put, Match: child, Do: testhelpers.Status(403, nil, quota)},
			want: index.ErrDenied, texts: []string{"quota of 10 GB exceeded"},
		},
		{
			name: "R17 too large", fault: testhelpers.Fault{Method: put, Match: list, Do: testhelpers.Status(413, nil, "")},
			want: index.ErrRefused, texts: []string{"413"}, tries: 1,
		},
		{name: "R18 a reset after storing", fault: testhelpers.Fault{Method: put, Match: list, Times: 1, Do: testhelpers.Late()}, faulted: 1},
		{
			name: "R18 a reset each time", fault: testhelpers.Fault{Method: put, Match: list, Do: testhelpers.Late()},
			want: index.ErrUnreachable, texts: []string{"a/list:latest"}, tagged: true, faulted: 5,
		},
		{
			name: "R19 no answer", fault: testhelpers.Fault{Method: put, Match: list, Do: testhelpers.Hang()},
			want: index.ErrUnreachable, texts: []string{"timeout"},
		},
		{name: "R28 no mounting, 202", fault: testhelpers.Fault{Method: http.MethodPost, Match: mount, Do: withoutQuery()}},
		{name: "R28 no mounting, 405", fault: testhelpers.Fault{Method: http.MethodPost, Match: mount, Do: unmounted(405)}},
		{name: "R28 no mounting, 404", fault: testhelpers.Fault{Method: http.MethodPost, Match: mount, Do: unmounted(404)}},
		{name: "R28 mounting denied, 403", fault: testhelpers.Fault{Method: http.MethodPost, Match: mount, Do: unmounted(403)}},
		{name: "R28 mounting denied, 401", fault: testhelpers.Fault{Method: http.MethodPost, Match: mount, Do: unmounted(401)}},
		{
			name: "R28 mounting and sending denied", fault: testhelpers.Fault{Method: http.MethodPost, Match: mount, Do: testhelpers.Status(403, nil, quota)},
			want: index.ErrDenied, texts: []string{"403", "a/list@sha256:", "quota"},
		},
		{name: "R28 mounting fails at first", fault: testhelpers.Fault{Method: http.MethodPost, Match: mount, Times: 3, Do: testhelpers.Status(503, nil, "")}},
		{
			name: "R30 another writer", fault: testhelpers.Fault{Method: get, Match: list, Do: overtaken()},
			want: index.ErrConflict, texts: []string{"a/list:latest", index.DigestOf([]byte(listOf())).String()}, tagged: true,
		},
		{name: "the tag shows late", fault: testhelpers.Fault{Method: get, Match: list, Times: 2, Do: testhelpers.Status(404, nil, "")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			w := &waits{}
			c := newClient(t, sleeping(w), func(o *registry.Options) { o.Timeouts.Header = time.Second })
			reg.Push(t, "a/source:0", image(t, 0))
			reg.Push(t, "a/source:1", image(t, 1))
			pub := publication(t, resolve(t, c, reg.Host+"/a/source:0", reg.Host+"/a/source:1"), reg.Host+"/a/list:latest", reg.Host+"/a/list:more")
			reg.Inject(row.fault)
			done, err := publish(t, c, pub)
			if row.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				has(t, reg, "a/list", "latest", pub.Index)
				has(t, reg, "a/list", "more", pub.Index)
			} else {
				wants(t, err, row.want, append(row.texts, reg.Host)...)
				partial(t, err, done)
				if _, _, ok := reg.Manifest("a/list", "latest"); ok != row.tagged {
					t.Errorf("the tag is there: %t, want %t", ok, row.tagged)
				}
				if _, _, ok := reg.Manifest("a/list", "more"); ok {
					t.Error("the further tag is there")
				}
			}
			if n := reg.Count(row.fault.Method, row.fault.Match); row.tries != 0 && n != row.tries {
				t.Errorf("%d tries, want %d", n, row.tries)
			}
			if row.faulted != 0 && reg.Faulted() != row.faulted {
				t.Errorf("%d tries, want %d", reg.Faulted(), row.faulted)
			}
			if row.waits != nil && !slices.Equal(w.slept(), row.waits) {
				t.Errorf("slept %v, want %v", w.slept(), row.waits)
			}
		})
	}
}

// partial fails the test unless the error tells what was reported as done, and
// that the last step is not.
func partial(t *testing.T, err error, done []index.Step) {
	t.Helper()
	var failed *index.Unfinished
	if !errors.As(err, &failed) {
		t.Fatalf("error %v does not say how far it came", err)
	}
	if len(failed.Done) != len(done) || len(failed.Done)+len(failed.Left) != 5+2+3 {
		t.Errorf("%d done and %d left, %d reported", len(failed.Done), len(failed.Left), len(done))
	}
	if last := failed.Left[len(failed.Left)-1]; last.Kind != index.StepTag || last.Tag != "more" {
		t.Errorf("the last step left is %s %s", last.Kind, last.Tag)
	}
}

// unmounted refuses to mount, and takes uploads.
func unmounted(status int) testhelpers.Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Query().Has("mount") {
			w.WriteHeader(status)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// withoutQuery is a registry that does not know of mounting.
func withoutQuery() testhelpers.Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.URL.RawQuery = ""
		next.ServeHTTP(w, r)
	}
}

// TestNothingIsSentAgainWithoutMounts: where no mount is granted, a list that is
// published once more moves no layer.
func TestNothingIsSentAgainWithoutMounts(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.Push(t, "a/source:0", image(t, 0))
	reg.Inject(testhelpers.Fault{Method: http.MethodPost, Match: "/a/list/blobs/uploads/", Do: withoutQuery()})
	count := func() (copied, skipped, puts int) {
		c := newClient(t)
		reg.Reset()
		for _, s := range mustPublish(t, c, publication(t, resolve(t, c, reg.Host+"/a/source:0"), reg.Host+"/a/list:1")) {
			switch {
			case s.Kind == index.StepMount && s.Skipped:
				skipped++
			case s.Kind == index.StepUpload:
				copied++
			}
		}
		for _, r := range reg.Requests() {
			if r.Method == http.MethodPut && strings.Contains(r.Path, "/blobs/") {
				puts++
			}
		}
		return copied, skipped, puts
	}
	copied, skipped, puts := count()
	if copied == 0 || copied != puts || skipped != 0 {
		t.Errorf("%d blobs copied by %d requests, %d skipped", copied, puts, skipped)
	}
	if again, skipped, puts := count(); again != 0 || skipped != copied || puts != 0 {
		t.Errorf("again: %d blobs copied by %d requests, %d skipped", again, puts, skipped)
	}
}

// TestTagsInOrderAndAgain: R31: one of three tags fails; the next run does what
// is left.
func TestTagsInOrderAndAgain(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.Push(t, "a/list:0", image(t, 0))
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/manifests/two$", Times: 1, Do: testhelpers.Status(400, nil, "")})
	to := []string{reg.Host + "/a/list:one", reg.Host + "/a/list:two", reg.Host + "/a/list:three", reg.Host + "/a/list:one"}
	c := newClient(t)
	pub := publication(t, resolve(t, c, reg.Host+"/a/list:0"), to...)
	done, err := publish(t, c, pub)
	wants(t, err, index.ErrRefused, "a/list:two")
	if want := map[string]int{"child skipped": 1, "list": 1, "verify": 1}; !maps.Equal(kinds(done), want) {
		t.Errorf("done %v, want %v", kinds(done), want)
	}
	var failed *index.Unfinished
	if !errors.As(err, &failed) || len(failed.Left) != 2 || failed.Left[0].Tag != "two" || failed.Left[1].Tag != "three" {
		t.Errorf("left: %+v", failed)
	}
	has(t, reg, "a/list", "one", pub.Index)
	if _, _, ok := reg.Manifest("a/list", "three"); ok {
		t.Error("a tag after the one that failed is there")
	}

	reg.Reset()
	pub.Fresh = false
	done = mustPublish(t, newClient(t), pub)
	want := map[string]int{"child skipped": 1, "list skipped": 1, "verify skipped": 1, "tag": 2}
	if !maps.Equal(kinds(done), want) || reg.Writes() != 2 {
		t.Errorf("done %v with %d writes, want %v", kinds(done), reg.Writes(), want)
	}
	has(t, reg, "a/list", "two", pub.Index)
	has(t, reg, "a/list", "three", pub.Index)
}

// TestChildIsGone: R21: what nobody has is found out before anything is
// written, and everything that is missing is named.
func TestChildIsGone(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	c := newClient(t)
	pub := publication(t, []index.Manifest{bare(t, 0), bare(t, 1)}, reg.Host+"/a/list:latest")
	pub.Fresh = false
	_, err := c.Plan(t.Context(), pub)
	wants(t, err, index.ErrNotFound, "linux/amd64", "linux/arm64", pub.Children[0].Digest.String(), pub.Children[1].Digest.String(), "no known place")
	if reg.Writes() != 0 {
		t.Errorf("%d writes, want none", reg.Writes())
	}
}

// TestHeadThatLies: R11: a registry that has everything, if asked by HEAD, is
// asked again.
func TestHeadThatLies(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]map[string]string{
		"no digest": nil, "another digest": {"Docker-Content-Digest": other},
		"another length": {"Docker-Content-Digest": bare(t, 0).Digest.String(), "Content-Length": "5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			reg.Inject(testhelpers.Fault{Method: http.MethodHead, Do: testhelpers.Status(200, header, "")})
			pub := publication(t, []index.Manifest{bare(t, 0)}, reg.Host+"/a/list:latest")
			pub.Fresh = false
			_, err := newClient(t).Plan(t.Context(), pub)
			wants(t, err, index.ErrNotFound, pub.Children[0].Digest.String(), "no known place")
		})
	}
}

// bare is an image of which only the entry is known.
func bare(t *testing.T, i int) index.Manifest {
	t.Helper()
	m, _ := local(t, image(t, i))
	return index.Manifest{Entry: m.Entry}
}

// TestChildIsThere: content that is not at hand is not needed for a child that
// the destination has, also where HEAD does not work (R27).
func TestChildIsThere(t *testing.T) {
	t.Parallel()
	head := http.MethodHead
	for name, fault := range map[string]testhelpers.Fault{
		"HEAD works":             {Match: "never"},
		"R27 405":                {Method: head, Do: testhelpers.Status(405, nil, "")},
		"R27 404":                {Method: head, Do: testhelpers.Status(404, nil, "")},
		"R27 no digest":          {Method: head, Do: testhelpers.Header("Docker-Content-Digest", "")},
		"R27 no length":          {Method: head, Do: testhelpers.Header("Content-Length", "")},
		"R11 a digest that lies": {Method: head, Do: testhelpers.Header("Docker-Content-Digest", other)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			reg.Push(t, "a/list:0", image(t, 0))
			reg.Inject(fault)
			pub := publication(t, []index.Manifest{bare(t, 0)}, reg.Host+"/a/list:latest")
			pub.Fresh = false
			want := map[string]int{"child skipped": 1, "list": 1, "verify": 1}
			if got := kinds(mustPublish(t, newClient(t), pub)); !maps.Equal(got, want) {
				t.Errorf("steps %v, want %v", got, want)
			}
			has(t, reg, "a/list", "latest", pub.Index)
		})
	}
}

// TestChildVanished: R21: a child that goes away after it was resolved fails the
// list, which is named with it, and no tag.
func TestChildVanished(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	digest := reg.Push(t, "a/list:0", image(t, 0))
	c := newClient(t)
	pub := publication(t, resolve(t, c, reg.Host+"/a/list:0"), reg.Host+"/a/list:latest")
	remove(t, reg, "/v2/a/list/manifests/"+digest.String())
	_, err := publish(t, c, pub)
	wants(t, err, index.ErrRefused, pub.Children[0].Digest.String(), "linux/amd64", "misses it")
	if _, _, ok := reg.Manifest("a/list", "latest"); ok {
		t.Error("the tag is there")
	}
}

// TestTokenExpires: R23: tokens that end in mid-run are renewed, also for a
// request whose body was sent in vain.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	from := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", "canary"))
	reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", "canary"), testhelpers.WithAccessTokenOnly())
	from.Push(t, "a/source:0", image(t, 0))
	m, opened := local(t, image(t, 1))
	c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, "canary")), jobs(1))
	pub := publication(t, append(resolve(t, c, from.Host+"/a/source:0"), m), reg.Host+"/a/list:1")
	plan, err := c.Plan(t.Context(), pub)
	if err != nil {
		t.Fatal(err)
	}
	reg.ExpireTokens()
	from.ExpireTokens()
	// The first blob that is sent meets the end of the token, too.
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/blobs/", Times: 1, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		reg.ExpireTokens()
		from.ExpireTokens()
		next.ServeHTTP(w, r)
	}})
	if err := c.Run(t.Context(), plan, index.Watch{Done: func(index.Step) { reg.ExpireTokens(); from.ExpireTokens() }}); err != nil {
		t.Fatal(err)
	}
	has(t, reg, "a/list", "1", pub.Index)
	if len(opened()) == 0 {
		t.Error("nothing was read")
	}
}

// TestWrongPublications: contradictions are the caller's mistake.
func TestWrongPublications(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	pub := publication(t, []index.Manifest{bare(t, 0)})
	_, err := c.Plan(t.Context(), pub)
	wants(t, err, index.ErrUsage, "one tag")
	pub = publication(t, []index.Manifest{bare(t, 0)}, "127.0.0.1:1/a/list:1")
	pub.Children = nil
	_, err = c.Plan(t.Context(), pub)
	wants(t, err, index.ErrUsage, "1 entries with the content of 0")
	pub.Children = []index.Manifest{bare(t, 1)}
	_, err = c.Plan(t.Context(), pub)
	wants(t, err, index.ErrUsage, "entry 0")
}
