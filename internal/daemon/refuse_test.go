package daemon_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/internal/daemon"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// The daemon of a host may be anybody's: what it saves is not believed.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	img := image(t, arm(), 1)
	layer := must[v1.Hash](t)(must[[]v1.Layer](t)(img.Layers())[0].DiffID())
	first := "a" + layer.Hex[1:] + "/layer.tar"
	config := must[v1.Hash](t)(img.ConfigName()).Hex + ".json"
	add := func(h tar.Header) func([]testhelpers.Member) []testhelpers.Member {
		return func(members []testhelpers.Member) []testhelpers.Member {
			return append([]testhelpers.Member{{Header: h}}, members...)
		}
	}
	// replace puts a member in the place of another one.
	replace := func(name string, m testhelpers.Member) func([]testhelpers.Member) []testhelpers.Member {
		return func(members []testhelpers.Member) []testhelpers.Member {
			members = slices.DeleteFunc(members, func(m testhelpers.Member) bool { return m.Header.Name == name })
			m.Header.Name = name
			return append(members, m)
		}
	}
	body := func(text string) testhelpers.Member {
		return testhelpers.Member{Header: tar.Header{Typeflag: tar.TypeReg, Size: int64(len(text))}, Body: []byte(text)}
	}
	link := func(to string) testhelpers.Member {
		return testhelpers.Member{Header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: to}}
	}
	item := func(change func(map[string]any)) func([]testhelpers.Member) []testhelpers.Member {
		return func(members []testhelpers.Member) []testhelpers.Member {
			return edited(t, members, "manifest.json", func(items []map[string]any) { change(items[0]) })
		}
	}
	for name, c := range map[string]struct {
		edit func([]testhelpers.Member) []testhelpers.Member
		kind error
		says []string
	}{
		"a name that leads out":         {add(tar.Header{Typeflag: tar.TypeReg, Name: "a/../../b"}), index.ErrInvalid, []string{`"a/../../b"`, "leads out"}},
		"a name from the root":          {add(tar.Header{Typeflag: tar.TypeReg, Name: "/etc/passwd"}), index.ErrInvalid, []string{"leads out"}},
		"a link that leads out":         {add(tar.Header{Typeflag: tar.TypeSymlink, Name: "a/b", Linkname: "../../c"}), index.ErrInvalid, []string{"a/b", "link that leads out"}},
		"a link to the root":            {add(tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "/etc/passwd"}), index.ErrInvalid, []string{"link that leads out"}},
		"a hard link that leads out":    {add(tar.Header{Typeflag: tar.TypeLink, Name: "a/b", Linkname: "../c"}), index.ErrInvalid, []string{"link that leads out"}},
		"a device":                      {add(tar.Header{Typeflag: tar.TypeChar, Name: "a"}), index.ErrInvalid, []string{`"a"`, "neither a file"}},
		"a pipe":                        {add(tar.Header{Typeflag: tar.TypeFifo, Name: "a"}), index.ErrInvalid, []string{"neither a file"}},
		"a long name":                   {add(tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("a", 2000)}), index.ErrInvalid, []string{"2000 bytes"}},
		"a member twice":                {add(tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json"}), index.ErrInvalid, []string{"manifest.json", "twice"}},
		"a link to itself":              {replace(first, link("layer.tar")), index.ErrInvalid, []string{"link to a link"}},
		"a link to nothing":             {replace(first, link("../none")), index.ErrInvalid, []string{"left its layer " + layer.String()}},
		"another layer":                 {replace(first, body("no layer")), index.ErrInvalid, []string{"layer " + layer.String(), index.DigestOf([]byte("no layer")).String()}},
		"another config":                {replace(config, body("{}")), index.ErrConflict, []string{index.DigestOf([]byte("{}")).String(), "changed meanwhile"}},
		"a large config":                {replace(config, body(strings.Repeat(" ", index.MaxManifest+1))), index.ErrInvalid, []string{"4194305 bytes"}},
		"no manifest.json":              {replace("manifest.json", testhelpers.Member{Header: tar.Header{Typeflag: tar.TypeDir}}), index.ErrInvalid, []string{`"manifest.json" is missing`}},
		"no JSON":                       {replace("manifest.json", body("[")), index.ErrInvalid, []string{"manifest.json"}},
		"no image":                      {replace("manifest.json", body("[]")), index.ErrInvalid, []string{"0 images"}},
		"two images":                    {replace("manifest.json", body(`[{"Config":"a"},{"Config":"b"}]`)), index.ErrInvalid, []string{"2 images"}},
		"a config that is not there":    {item(func(i map[string]any) { i["Config"] = "../../etc/passwd" }), index.ErrInvalid, []string{"etc/passwd", "missing"}},
		"fewer layers than the config":  {item(func(i map[string]any) { i["Layers"] = []string{first} }), index.ErrInvalid, []string{"2 diff_ids", "1 layers"}},
		"layers in another order":       {item(func(i map[string]any) { i["Layers"] = reversed(i["Layers"]) }), index.ErrInvalid, []string{"in its place"}},
		"nothing":                       {func([]testhelpers.Member) []testhelpers.Member { return nil }, index.ErrInvalid, []string{"no members"}},
		"an OCI layout without content": {containerdWithout, index.ErrInvalid, []string{"index.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			testhelpers.Saved{Image: img, Ref: ref, Edit: c.edit}.In(t, l.d)
			l.refused(c.kind, c.says...)
		})
	}
}

// reversed turns a list of JSON around.
func reversed(list any) any {
	if all, ok := list.([]any); ok {
		slices.Reverse(all)
	}
	return list
}

// containerdWithout is a layout that refers to nothing.
func containerdWithout([]testhelpers.Member) []testhelpers.Member {
	file := func(name, body string) testhelpers.Member {
		return testhelpers.Member{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(body))}, Body: []byte(body)}
	}
	return []testhelpers.Member{
		file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`),
		file("index.json", `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`),
	}
}

// An archive may claim more than it has, or end where it likes.
func TestArchivesThatEnd(t *testing.T) {
	t.Parallel()
	img := image(t, arm(), 1)
	whole := testhelpers.Saved{Image: img, Ref: ref}
	raw := whole.Bytes(t)
	// archive/tar writes no sparse files; these are the headers of one.
	sparse := testhelpers.Saved{Image: img, Ref: ref, Edit: func(members []testhelpers.Member) []testhelpers.Member {
		return append(members, testhelpers.Member{Header: tar.Header{
			Typeflag: tar.TypeReg, Name: "s", PAXRecords: map[string]string{"XNU.sparse.major": "9", "XNU.sparse.minor": "9"},
		}})
	}}.Bytes(t)
	for name, c := range map[string]struct {
		saved []byte
		says  []string
	}{
		"in a member":   {raw[:len(raw)/2], []string{"archive ends after"}},
		"in a header":   {raw[:700], nil},
		"with an error": {slices.Concat(raw[:1536], []byte(`{"errorDetail":{"message":"no space left"},"error":"no space left"}`), make([]byte, 512)), []string{"the daemon says", "no space left"}},
		"sparse":        {bytes.ReplaceAll(sparse, []byte("XNU."), []byte("GNU.")), []string{`"s"`, "sparse file"}},
		"no archive":    {bytes.Repeat([]byte("x"), 4096), []string{"cut or damaged"}},
		"empty":         {nil, []string{"no members"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.d.Hold(ref, testhelpers.DaemonImage{ID: whole.ID(t), Saved: c.saved})
			l.refused(index.ErrInvalid, c.says...)
		})
	}
	t.Run("not before its limit", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, func(o *daemon.Options) { o.MaxSaved = 10_000 })
		whole.In(t, l.d)
		l.refused(index.ErrInvalid, "more than 10000 bytes")
	})
}

// answerWith has the daemon answer requests whose path ends so.
func (l *lab) answerWith(path string, answer http.HandlerFunc) {
	l.d.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, path) {
			return false
		}
		answer(w, r)
		return true
	}
}

func says(status int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if _, err := fmt.Fprintf(w, "{%q: %q}", "message", message); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// What a daemon answers is of a kind, and names the image and the cause.
func TestErrorsOfTheDaemon(t *testing.T) {
	t.Parallel()
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		if _, err := w.Write(make([]byte, 1000)); err != nil {
			return
		}
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	for _, c := range []struct {
		path   string
		answer http.HandlerFunc
		kind   error
		says   []string
	}{
		{"/json", says(http.StatusNotFound, "No such image"), index.ErrNotFound, []string{"does not have it", "unix://", "(DOCKER_HOST)"}},
		{"/json", says(http.StatusForbidden, "authorization denied by plugin"), index.ErrDenied, []string{"the daemon says: authorization denied by plugin"}},
		{"/json", says(http.StatusInternalServerError, "disk on fire"), index.ErrRefused, []string{"the daemon says: disk on fire"}},
		{"/images/get", says(http.StatusInternalServerError, "cannot read layer"), index.ErrRefused, []string{"the daemon says: cannot read layer"}},
		{"/images/get", says(http.StatusNotFound, "reference does not exist"), index.ErrNotFound, []string{"reference does not exist"}},
		{"/images/get", cut, index.ErrUnreachable, []string{"stopped after 1000 bytes", "unexpected EOF"}},
	} {
		t.Run(c.path+" "+c.kind.Error(), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			testhelpers.Saved{Image: image(t, arm(), 1), Ref: ref}.In(t, l.d)
			l.answerWith(c.path, c.answer)
			l.refused(c.kind, c.says...)
		})
	}
}

// A daemon that is not there is told from an image that is not there.
func TestNoDaemon(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	taken := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	closed := "tcp://" + taken.Addr().String()
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"unix:///no/such/socket": "no such file or directory", "unix://" + l.temp: "connect", closed: "Cannot connect",
	} {
		if runtime.GOOS == "windows" && strings.HasPrefix(host, "unix") {
			continue // other words
		}
		_, err := l.open(map[string]string{"DOCKER_HOST": host}).Resolve(t.Context(), ref)
		l.fails(err, index.ErrUnreachable, "Docker daemon at "+host+" (DOCKER_HOST)", want)
	}
}

// A socket that is somebody else's is denied, not absent.
func TestSocketOfOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() <= 0 {
		t.Skip("it takes a user who is not root; acceptance has the same for root")
	}
	l := newLab(t)
	if err := os.Chmod(strings.TrimPrefix(l.d.Host, "unix://"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := l.Resolve(t.Context(), ref)
	l.fails(err, index.ErrDenied, "permission denied", l.d.Host)
}
