package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

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
		name    string
		fault   testhelpers.Fault
		want    error
		texts   []string
		faulted int
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
			want: index.ErrRefused, texts: []string{"500", "a/list@sha256:"}, faulted: 5,
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
			name: "HEAD of blobs denied", fault: testhelpers.Fault{Method: http.MethodHead, Match: "/blobs/", Do: testhelpers.Status(403, nil, "")},
			want: index.ErrDenied, texts: []string{"403"},
		},
		{
			name: "HEAD of manifests fails", fault: testhelpers.Fault{Method: http.MethodHead, Match: "/manifests/", Do: testhelpers.Status(500, nil, "")},
			want: index.ErrRefused, texts: []string{"500", "linux/amd64"},
		},
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
			_, err := publish(t, newClient(t, jobs(1)), pub)
			if row.faulted != 0 && reg.Faulted() != row.faulted {
				t.Errorf("%d tries, want %d", reg.Faulted(), row.faulted)
			}
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
			want: index.ErrInvalid, texts: []string{"a/source@sha256:", "it should be sha256:", "and is sha256:"},
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
			w := &waits{}
			_, err := publish(t, newClient(t, sleeping(w), jobs(1)), pub)
			wants(t, err, index.ErrInvalid, name, reg.Host+"/a/list@sha256:")
			if len(w.slept()) != 0 {
				t.Errorf("it was tried again after %v", w.slept())
			}
			for _, r := range reg.Requests() {
				if r.Kind == "upload" && r.Method == http.MethodPut && r.Status == http.StatusCreated && r.BytesIn != int64(len(m.RawConfig)) {
					t.Errorf("%s %s was stored", r.Method, r.Path)
				}
			}
		})
	}
}

// TestLocalContentCannotBeRead: a file that fails is told as such, at once.
func TestLocalContentCannotBeRead(t *testing.T) {
	t.Parallel()
	// Of a connection, this would be worth another try.
	broken := fmt.Errorf("the file was cut: %w", io.ErrUnexpectedEOF)
	for name, open := range map[string]func() (io.ReadCloser, error){
		"to open": func() (io.ReadCloser, error) { return nil, broken },
		"to read": func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(broken)), nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			w := &waits{}
			m, _ := local(t, image(t, 0))
			m.Layers[0].Open = open
			_, err := publish(t, newClient(t, sleeping(w)), publication(t, []index.Manifest{m}, reg.Host+"/a/list:1"))
			wants(t, err, broken, "content "+m.Layers[0].Digest.String())
			if errors.Is(err, index.ErrUnreachable) || len(w.slept()) != 0 {
				t.Errorf("error %v after %v", err, w.slept())
			}
		})
	}
}

// TestContentInNoKnownPlace: children that cannot be made whole are found before
// anything is written.
func TestContentInNoKnownPlace(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		spoil func(*index.Manifest)
		kind  error
		text  string
	}{
		{"no layers", func(m *index.Manifest) { m.Layers = nil }, index.ErrNotFound, "is in no known place"},
		{"no config", func(m *index.Manifest) { m.RawConfig = nil }, index.ErrNotFound, "is in no known place"},
		{"another manifest", func(m *index.Manifest) { m.Raw = append(m.Raw, ' ') }, index.ErrInvalid, "it should be sha256:"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			m, _ := local(t, image(t, 0))
			row.spoil(&m)
			_, err := newClient(t).Plan(t.Context(), publication(t, []index.Manifest{m}, reg.Host+"/a/list:1"))
			wants(t, err, row.kind, "linux/amd64", m.Digest.String(), row.text)
			if reg.Writes() != 0 {
				t.Error("something was written")
			}
		})
	}
}

// TestNestedList: a list in a list is published with what is below it, and not
// without.
func TestNestedList(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	inner := testhelpers.List(t, image(t, 0))
	digest := reg.PushIndex(t, "a/list:inner", inner)
	raw, err := inner.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	m := index.Manifest{Raw: raw, Entry: index.Entry{Descriptor: v1.Descriptor{MediaType: types.OCIImageIndex, Digest: digest, Size: int64(len(raw))}}}
	c := newClient(t)
	pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
	mustPublish(t, c, pub)
	has(t, reg, "a/list", "1", pub.Index)
	_, err = c.Plan(t.Context(), publication(t, []index.Manifest{m}, reg.Host+"/b/list:1"))
	wants(t, err, index.ErrNotFound, reg.Host+"/b/list@"+digest.String(), "it is a list")
	whole, err := c.Resolve(t.Context(), reg.Host+"/a/list:inner")
	if err != nil {
		t.Fatal(err)
	}
	pub = publication(t, whole, reg.Host+"/b/list:1")
	mustPublish(t, c, pub)
	has(t, reg, "b/list", "1", pub.Index)
	for _, below := range []v1.Hash{digest, whole[0].Children[0].Digest} {
		if _, _, ok := reg.Manifest("b/list", below.String()); !ok {
			t.Errorf("%s was not published", below)
		}
	}
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

// TestUploadBeginsAnew: an upload that fails is not taken up where the first one
// was to go, also where that was the answer to a mount.
func TestUploadBeginsAnew(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.Push(t, "a/source:0", image(t, 0))
	reg.Inject(testhelpers.Fault{Method: http.MethodPost, Do: withoutQuery()})
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/uploads/", Times: 1, Do: testhelpers.Status(500, nil, "")})
	c := newClient(t)
	pub := publication(t, resolve(t, c, reg.Host+"/a/source:0"), reg.Host+"/a/list:1")
	mustPublish(t, c, pub)
	has(t, reg, "a/list", "1", pub.Index)
	if got := reg.Count(http.MethodPost, ""); got != 3+1 {
		t.Errorf("%d uploads were begun, want one for each of three blobs and one more", got)
	}
}

// TestCopiesCountTwice: a copy reads and writes at once, and no more are under
// way than requests are allowed.
func TestCopiesCountTwice(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithDelay(5*time.Millisecond))
	reg.Push(t, "a/source:0", image(t, 0))
	reg.Push(t, "a/source:1", image(t, 1))
	reg.Inject(testhelpers.Fault{Method: http.MethodPost, Do: withoutQuery()})
	c := newClient(t, jobs(2))
	pub := publication(t, resolve(t, c, reg.Host+"/a/source:0", reg.Host+"/a/source:1"), reg.Host+"/a/list:1")
	mustPublish(t, c, pub)
	has(t, reg, "a/list", "1", pub.Index)
	if got := reg.MaxInFlight(); got != 2 {
		t.Errorf("%d requests in flight, want 2", got)
	}
}

// TestContentIsSharedOnce: what two entries share is sent once, and mounted
// rather than sent where one of them comes from beside.
func TestContentIsSharedOnce(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.Push(t, "a/source:0", image(t, 0))
	file, _ := local(t, image(t, 1))
	twin := file
	twin.Platform = &v1.Platform{OS: "linux", Architecture: "riscv64"}
	c := newClient(t)
	pub := publication(t, append([]index.Manifest{file, twin}, resolve(t, c, reg.Host+"/a/source:0")...), reg.Host+"/a/list:1")
	want := map[string]int{"upload": 2, "mount": 3, "child": 2, "list": 1, "verify": 1}
	if got := kinds(mustPublish(t, c, pub)); !maps.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
	has(t, reg, "a/list", "1", pub.Index)
}

// inUse is a file that must not be closed while it is read: what is compressed
// while it is sent has its compressor back in the pool then.
type inUse struct {
	io.Reader
	t      *testing.T
	begun  chan struct{} // of the second Read
	goOn   chan struct{}
	closed chan struct{}

	mu    sync.Mutex
	reads int
	busy  bool
}

func (u *inUse) Read(p []byte) (int, error) {
	u.mu.Lock()
	u.busy = true
	u.reads++
	second := u.reads == 2
	u.mu.Unlock()
	if second {
		close(u.begun)
		<-u.goOn
	}
	n, err := u.Reader.Read(p)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy = false
	return n, err
}

func (u *inUse) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.busy {
		u.t.Error("it was closed while it was read")
	}
	close(u.closed)
	return nil
}

// TestFilesAreNotClosedInUse: a registry that answers early does not take files
// from under who still reads them; they are closed afterwards.
func TestFilesAreNotClosedInUse(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	m, _ := local(t, large(t, 2<<20))
	file := &inUse{t: t, begun: make(chan struct{}), goOn: make(chan struct{}), closed: make(chan struct{})}
	open := m.Layers[0].Open
	m.Layers[0].Open = func() (io.ReadCloser, error) {
		rc, err := open()
		file.Reader = rc
		return file, err
	}
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/blobs/uploads/", Do: ofLarge(
		func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			<-file.begun
			answer := http.NewResponseController(w)
			err := answer.EnableFullDuplex() // or the server would read what is sent before it answers
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(http.StatusForbidden)
			if err = errors.Join(err, answer.Flush()); err != nil {
				t.Error(err)
			}
		})})
	_, err := publish(t, newClient(t), publication(t, []index.Manifest{m}, reg.Host+"/a/list:1"))
	wants(t, err, index.ErrDenied, "403")
	close(file.goOn)
	<-file.closed
}
