package store_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// L10: a store of a later version is read if it says so, and is left alone
// where this version would do harm.
func TestL10Markers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, marker string
		reads        bool
		writes       bool
		want         string
	}{
		{"this one", `{"format":"pack-manifest-store","schema":1,"minReader":1,"minWriter":1}`, true, true, ""},
		{"later, compatible", `{"format":"pack-manifest-store","schema":7,"minReader":1,"minWriter":1,"more":true}`, true, true, ""},
		{"later, to read", `{"format":"pack-manifest-store","schema":7,"minReader":1,"minWriter":7}`, true, false, "version 7 is needed to write"},
		{"later", `{"format":"pack-manifest-store","schema":7,"minReader":7,"minWriter":7}`, false, false, "version 7 is needed to read"},
		{"cut", `{"format":"pack-man`, false, false, "store.json"},
		{"empty", ``, false, false, "store.json"},
		{"foreign", `{"format":"other","schema":1,"minReader":1,"minWriter":1}`, false, false, "store.json"},
		{"without versions", `{"format":"pack-manifest-store"}`, false, false, "store.json"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, root := newDir(t)
			n := mustName(t, subject)
			a, b := newImage("a"), newImage("b")
			update(t, d, n, content(a), create(a))
			writeFile(t, filepath.Join(root, "store.json"), []byte(c.marker))
			before := stamps(t, root)
			_, getErr := d.Get(t.Context(), n)
			_, blobErr := d.Blob(t.Context(), n, a.entry.Digest)
			_, listErr := d.List(t.Context())
			for _, err := range []error{getErr, blobErr, listErr} {
				if c.reads && err != nil {
					t.Error(err)
				}
				if !c.reads {
					wantText(t, err, root, c.want)
				}
			}
			err := d.Update(t.Context(), n, content(b), add(b))
			if c.writes {
				wantSeeds(t, d, n, "a b")
				return
			}
			wantText(t, err, root, c.want)
			wantText(t, d.Delete(t.Context(), n), root, c.want)
			if after := stamps(t, root); !slices.Equal(before, after) {
				t.Errorf("files became %q, were %q", after, before)
			}
		})
	}
}

// L11: what a later version wrote into the list or beside it stays.
func TestL11UnknownMembersSurvive(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	a, b := newImage("a"), newImage("b")
	list, err := index.Parse([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"x-list":{"n":12345678901234567890}}`))
	if err != nil {
		t.Fatal(err)
	}
	update(t, d, n, nil, func(*index.Index) (index.Index, error) { return list, nil })
	head := filepath.Join(root, subjectDir, "index.json")
	var doc map[string]any
	if err := json.Unmarshal(readFile(t, head), &doc); err != nil {
		t.Fatal(err)
	}
	doc["x-head"] = json.RawMessage("12345678901234567890")
	line, ok := doc["manifests"].([]any)[0].(map[string]any)
	if !ok {
		t.Fatal("no entry")
	}
	line["x-line"], line["data"] = "kept", "e30="
	line["annotations"].(map[string]any)["x-note"] = "kept too" //nolint:errcheck // it panics
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, head, raw)
	update(t, d, n, content(a, b), add(a, b))
	wantSeeds(t, d, n, "a b")
	got := string(readFile(t, head))
	for _, want := range []string{`"x-head": 12345678901234567890`, `"x-line": "kept"`, `"x-note": "kept too"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, `"data"`) {
		t.Errorf("the bytes of the list before are still in %s", got)
	}
	listRaw, err := get(t, d, n).RawManifest()
	if err != nil || !bytes.Contains(listRaw, []byte("12345678901234567890")) {
		t.Errorf("the list became %s (%v)", listRaw, err)
	}
}

// L6: reading makes no call that changes anything, so that it works where
// nothing can be changed; writing says why it does not.
func TestL6ReadOnlyStore(t *testing.T) {
	t.Parallel()
	o := store.Options{Root: filepath.Join(t.TempDir(), "manifests")}
	n := mustName(t, subject)
	a := newImage("a")
	update(t, store.New(o), n, content(a), create(a))
	f := &faults{mu: &sync.Mutex{}, counts: mutating, err: syscall.EROFS, at: 1, lasting: true}
	d := store.NewOn(o, f.open)
	wantSeeds(t, d, n, "a")
	wantContent(t, d, n, a)
	if names, err := d.List(t.Context()); err != nil || len(names) != 1 {
		t.Errorf("lists %v (%v)", names, err)
	}
	if len(f.calls) > 0 {
		t.Errorf("calls that change something: %q", f.calls)
	}
	wantKind(t, d.Update(t.Context(), n, nil, add(newImage("b"))), syscall.EROFS, o.Root)
	wantKind(t, d.Delete(t.Context(), n), syscall.EROFS, o.Root)
}

// L16: where locks do not work nothing is changed.
func TestL16NoLocks(t *testing.T) {
	t.Parallel()
	o := store.Options{Root: filepath.Join(t.TempDir(), "manifests")}
	n := mustName(t, subject)
	a := newImage("a")
	update(t, store.New(o), n, content(a), create(a))
	f := &faults{mu: &sync.Mutex{}, counts: func(c call) bool { return c.op == "lock" }, err: syscall.ENOLCK, at: 1}
	wantKind(t, store.NewOn(o, f.open).Update(t.Context(), n, nil, add(newImage("b"))), syscall.ENOLCK, o.Root)
	wantSeeds(t, store.New(o), n, "a")
}
