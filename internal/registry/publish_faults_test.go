package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
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
		{
			name: "R28 mounting denied", fault: testhelpers.Fault{Method: http.MethodPost, Match: mount, Do: testhelpers.Status(403, nil, "")},
			want: index.ErrDenied, texts: []string{"403"},
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
	var failed *registry.PublishError
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
	var failed *registry.PublishError
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
	c := newClient(t)
	pub := publication(t, []index.Manifest{bare(t, 0)}, reg.Host+"/a/list:latest")
	pub.Children[0].Origin.Repository = reg.Host + "/a/list"
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
	if err := c.Run(t.Context(), plan, func(index.Step) { reg.ExpireTokens(); from.ExpireTokens() }); err != nil {
		t.Fatal(err)
	}
	has(t, reg, "a/list", "1", pub.Index)
	if len(opened()) == 0 {
		t.Error("nothing was read")
	}
}

// TestCopyFromAnotherRegistry: R22, B10: children of another registry are
// copied, each blob read once and written once, and not again.
func TestCopyFromAnotherRegistry(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 24} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			from, reg := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
			ix := testhelpers.Attested(t, image(t, 0), image(t, 1), image(t, 2))
			from.PushIndex(t, "a/source:0", ix)
			c := newClient(t, jobs(n))
			pub := publication(t, resolve(t, c, from.Host+"/a/source:0"), reg.Host+"/a/list:1")
			from.Reset()
			reg.Reset()
			mustPublish(t, c, pub)
			has(t, reg, "a/list", "1", pub.Index)
			// A layer for each image, one that all share, and for each attestation
			// a config and a layer; the images' configs are at hand.
			if got, want := from.Count("GET", "/blobs/"), 3+1+2*3; got != want {
				t.Errorf("%d blobs read, want %d", got, want)
			}
			if got, want := reg.Count("PUT", "/blobs/"), 3+3+1+2*3; got != want {
				t.Errorf("%d blobs written, want %d", got, want)
			}
			if got := max(from.MaxInFlight(), reg.MaxInFlight()); got > n {
				t.Errorf("%d requests in flight, want %d at most", got, n)
			}
			reg.Reset()
			mustPublish(t, c, pub)
			if got := reg.Count("PUT", "/blobs/"); got != 0 {
				t.Errorf("%d blobs written again", got)
			}
		})
	}
}

// TestUploadFaults: R29 and its kin: a blob that comes from a file.
func TestUploadFaults(t *testing.T) {
	t.Parallel()
	const uploads = "/blobs/uploads/"
	location := func(change func(r *http.Request, location string) string) testhelpers.Action {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			maps.Copy(w.Header(), rec.Header())
			w.Header().Set("Location", change(r, rec.Header().Get("Location")))
			w.WriteHeader(rec.Code)
		}
	}
	post, put := http.MethodPost, http.MethodPut
	for _, row := range []struct {
		name  string
		fault testhelpers.Fault
		want  error
		texts []string
	}{
		{name: "R29 a relative Location", fault: testhelpers.Fault{Method: post, Do: location(func(_ *http.Request, l string) string {
			return l[strings.LastIndexByte(l, '/')+1:]
		})}},
		{name: "R29 an absolute Location", fault: testhelpers.Fault{Method: post, Do: location(func(r *http.Request, l string) string {
			return "http://" + r.Host + l
		})}},
		{name: "R29 a query is kept", fault: testhelpers.Fault{Method: post, Do: location(func(_ *http.Request, l string) string {
			return l + "?_state=a%2Bb==&x"
		})}},
		{
			name: "no Location", fault: testhelpers.Fault{Method: post, Do: testhelpers.Header("Location", "")},
			want: index.ErrRefused, texts: []string{"where to upload"},
		},
		{
			name: "a Location that is none", fault: testhelpers.Fault{Method: post, Do: testhelpers.Header("Location", "http://[")},
			want: index.ErrRefused, texts: []string{"where to upload"},
		},
		{name: "R29 a reset while sending", fault: testhelpers.Fault{Method: put, Match: uploads, Times: 2, Do: testhelpers.Late()}},
		{name: "500 while sending", fault: testhelpers.Fault{Method: put, Match: uploads, Times: 2, Do: testhelpers.Status(500, nil, "")}},
		{
			name: "500 for ever", fault: testhelpers.Fault{Method: put, Match: uploads, Do: testhelpers.Status(500, nil, "")},
			want: index.ErrRefused, texts: []string{"500", "a/list@sha256:"},
		},
		{
			name: "R13 another digest", fault: testhelpers.Fault{Method: put, Match: uploads, Do: testhelpers.Header("Docker-Content-Digest", other)},
			want: index.ErrRefused, texts: []string{other},
		},
		{
			name: "R15 200 with a page", fault: testhelpers.Fault{Method: put, Match: uploads, Do: testhelpers.Status(200, nil, "<html>")},
			want: index.ErrRefused, texts: []string{"does not have it"},
		},
		{name: "R15 202 but stored", fault: testhelpers.Fault{Method: put, Match: uploads, Do: answering(202)}},
		{name: "R27 no HEAD of blobs", fault: testhelpers.Fault{Method: http.MethodHead, Do: testhelpers.Status(405, nil, "")}},
		{
			name: "401 for good", fault: testhelpers.Fault{Method: post, Do: testhelpers.Status(401, nil, "")},
			want: index.ErrDenied, texts: []string{"401"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			reg.Inject(row.fault)
			m, _ := local(t, image(t, 0))
			pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
			_, err := publish(t, newClient(t), pub)
			if row.want != nil {
				wants(t, err, row.want, append(row.texts, reg.Host)...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			has(t, reg, "a/list", "1", pub.Index)
			for _, r := range reg.Requests() {
				if row.name == "R29 a query is kept" && r.Method == put && r.Kind == "upload" && !strings.HasPrefix(r.RawQuery, "_state=a%2Bb==&x&digest=sha256%3A") {
					t.Errorf("query %q", r.RawQuery)
				}
			}
		})
	}
}

// TestSourceFaults: what a blob comes from can fail too, and is named then.
func TestSourceFaults(t *testing.T) {
	t.Parallel()
	get := http.MethodGet
	for _, row := range []struct {
		name  string
		fault testhelpers.Fault
		want  error
		texts []string
	}{
		{name: "R6 cut once", fault: testhelpers.Fault{Method: get, Match: "/blobs/", Times: 2, Do: testhelpers.Cut(30)}},
		{name: "R4 429", fault: testhelpers.Fault{Method: get, Match: "/blobs/", Times: 2, Do: testhelpers.Status(429, nil, "")}},
		{
			name: "R7 cut always", fault: testhelpers.Fault{Method: get, Match: "/blobs/", Do: testhelpers.Cut(30)},
			want: index.ErrUnreachable, texts: []string{"a/source@sha256:", "unexpected EOF"},
		},
		{
			name: "R8 wrong bytes", fault: testhelpers.Fault{Method: get, Match: "/blobs/", Do: testhelpers.Corrupt(3)},
			want: index.ErrInvalid, texts: []string{"it should be sha256:", "and is sha256:"},
		},
		{
			name: "too short", fault: testhelpers.Fault{Method: get, Match: "/blobs/", Do: testhelpers.Truncate(30)},
			want: index.ErrInvalid, texts: []string{"ends after 30 of"},
		},
		{
			name: "too long", fault: testhelpers.Fault{Method: get, Match: "/blobs/", Do: testhelpers.Pad()},
			want: index.ErrInvalid, texts: []string{"goes on after"},
		},
		{
			name: "gone", fault: testhelpers.Fault{Method: get, Match: "/blobs/", Do: testhelpers.Status(404, nil, "")},
			want: index.ErrNotFound, texts: []string{"a/source@sha256:", "404"},
		},
		{
			name: "denied", fault: testhelpers.Fault{Method: get, Match: "/blobs/", Do: testhelpers.Status(403, nil, "")},
			want: index.ErrDenied, texts: []string{"a/source@sha256:", "403"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			from, reg := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
			from.Push(t, "a/source:0", image(t, 0))
			c := newClient(t)
			pub := publication(t, resolve(t, c, from.Host+"/a/source:0"), reg.Host+"/a/list:1")
			from.Inject(row.fault)
			_, err := publish(t, c, pub)
			if row.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				has(t, reg, "a/list", "1", pub.Index)
				return
			}
			wants(t, err, row.want, row.texts...)
			for _, l := range layers(t, pub.Children[0]) {
				if reg.HasBlob("a/list", l) {
					t.Errorf("%s is there", l)
				}
			}
		})
	}
}

// TestLocalContentIsVerified: a file that changed is found out before the
// registry has all of it.
func TestLocalContentIsVerified(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]byte) []byte{
		"it should be sha256:": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"ends after":           func(b []byte) []byte { return b[:len(b)-1] },
		"goes on after":        func(b []byte) []byte { return append(b, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			m, _ := local(t, image(t, 0))
			for i, l := range m.Layers {
				m.Layers[i].Open = changed(l, change)
			}
			pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
			_, err := publish(t, newClient(t), pub)
			wants(t, err, index.ErrInvalid, name, reg.Host+"/a/list@sha256:")
			for _, r := range reg.Requests() {
				if r.Kind == "upload" && r.Method == http.MethodPut && r.Status == http.StatusCreated && r.BytesIn != int64(len(m.RawConfig)) {
					t.Errorf("%s %s was stored", r.Method, r.Path)
				}
			}
		})
	}
}

// TestCancelWhilePublishing: S1, in each phase; nothing is tagged.
func TestCancelWhilePublishing(t *testing.T) {
	t.Parallel()
	for _, match := range []string{"/list/blobs/uploads/$", "/list/blobs/uploads/.", "/list/manifests/sha256", "/list/manifests/1$"} {
		t.Run(match, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			hit := make(chan struct{}, 100)
			m, _ := local(t, image(t, 0))
			pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
			c := newClient(t)
			plan, err := c.Plan(t.Context(), pub)
			if err != nil {
				t.Fatal(err)
			}
			reg.Inject(testhelpers.Fault{Match: match, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				hit <- struct{}{}
				testhelpers.Hang()(w, r, next)
			}})
			stops(t, hit, func(ctx context.Context) error {
				err := c.Run(ctx, plan, nil)
				var failed *registry.PublishError
				if !errors.As(err, &failed) || len(failed.Left) == 0 {
					t.Errorf("error %v does not say what is left", err)
				}
				return err
			})
			if _, _, ok := reg.Manifest("a/list", "1"); ok {
				t.Error("the tag is there")
			}
		})
	}
	t.Run("while content does not come", func(t *testing.T) {
		t.Parallel()
		reg, from := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
		from.Push(t, "a/source:0", image(t, 0))
		c := newClient(t)
		pub := publication(t, resolve(t, c, from.Host+"/a/source:0"), reg.Host+"/a/list:1")
		hit := make(chan struct{}, 100)
		from.Inject(testhelpers.Fault{Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			hit <- struct{}{}
			testhelpers.Stall(10, time.Minute)(w, r, next)
		}})
		stops(t, hit, func(ctx context.Context) error {
			plan, err := c.Plan(ctx, pub)
			if err != nil {
				return err
			}
			return c.Run(ctx, plan, nil)
		})
	})
}

// TestForeignLayers: CVE-2020-15157: the addresses in a manifest are nobody's
// business: they are not asked, and what they stand for is not sent.
func TestForeignLayers(t *testing.T) {
	t.Parallel()
	elsewhere, reg, from := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	m, _ := local(t, image(t, 0))
	foreign := fmt.Sprintf(`"layers":[{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip","digest":%q,"size":5,"urls":["http://%s/layer"]},`,
		other, elsewhere.Host)
	m.Raw = bytes.Replace(m.Raw, []byte(`"layers":[`), []byte(foreign), 1)
	m.Digest, m.Size = index.DigestOf(m.Raw), int64(len(m.Raw))
	pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
	mustPublish(t, newClient(t), pub)
	has(t, reg, "a/list", "1", pub.Index)
	if n := len(elsewhere.Requests()) + len(from.Requests()); n != 0 {
		t.Errorf("%d requests to an address in a descriptor", n)
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
