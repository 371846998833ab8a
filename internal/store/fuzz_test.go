package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// A store may hold any files: nothing panics, reading changes nothing, and a
// list that cannot be read is not overwritten.
func FuzzStoreDirectory(f *testing.F) {
	list := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	side := `{"list":"` + index.DigestOf([]byte(list)).String() + `","entries":[]}`
	head := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"` +
		index.DigestOf([]byte(list)).String() + `","size":86,"annotations":{"org.opencontainers.image.ref.name":"index.docker.io/acme/bp:1","io.github.buildpacks-community.pack-manifest.side":"` +
		index.DigestOf([]byte(side)).String() + `"}}]}`
	f.Add("", head, list, side, "acme_bp-1", list)
	f.Add(`{"format":"pack-manifest-store","schema":1,"minReader":1,"minWriter":1}`, head, "x", "y", "v2", "z")
	f.Add(`{"format":"pack-manifest-store","schema":9,"minReader":9,"minWriter":9}`, "", "", "", "tmp", "")
	f.Fuzz(func(t *testing.T, marker, head, list, side, dir, upstream string) {
		root := filepath.Join(t.TempDir(), "manifests")
		at := filepath.Join(root, subjectDir)
		files := map[string]string{
			"index.json": head, "oci-layout": "",
			"blobs/sha256/" + index.DigestOf([]byte(list)).Hex: list,
			"blobs/sha256/" + index.DigestOf([]byte(side)).Hex: side,
		}
		if err := os.MkdirAll(filepath.Join(at, "blobs", "sha256"), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			writeFile(t, filepath.Join(at, name), []byte(text))
		}
		if marker != "" {
			writeFile(t, filepath.Join(root, "store.json"), []byte(marker))
		}
		if dir != "" && filepath.IsLocal(dir) && !strings.ContainsAny(dir, "/\\\x00") && os.Mkdir(filepath.Join(root, dir), 0o700) == nil {
			writeFile(t, filepath.Join(root, dir, "index.json"), []byte(upstream))
			writeFile(t, filepath.Join(root, dir, "oci-layout"), nil)
		}
		before := tree(t, root)
		d := hasty(store.Options{Root: root})
		n := mustName(t, subject)
		_, getErr := d.Get(t.Context(), n)
		if _, err := d.Blob(t.Context(), n, index.DigestOf([]byte(list))); err == nil && getErr != nil && !errors.Is(getErr, index.ErrCorrupt) {
			t.Errorf("content of a list that cannot be read: %v", getErr)
		}
		if names, err := d.List(t.Context()); err == nil && len(names) == 0 {
			t.Error("a list is not listed")
		}
		if after := tree(t, root); strings.Join(before, "\n") != strings.Join(after, "\n") {
			t.Errorf("reading changed %q to %q", before, after)
		}
		if err := d.Update(t.Context(), n, nil, keepOrMake); (err == nil) != (getErr == nil) && !isNewer(marker) {
			t.Errorf("read with %v, changed with %v", getErr, err)
		}
		if string(readFile(t, filepath.Join(at, "index.json"))) != head {
			t.Error("a list that nobody changed was overwritten")
		}
	})
}

func keepOrMake(old *index.Index) (index.Index, error) {
	if old == nil {
		return index.New(index.OCI), nil
	}
	return *old, nil
}

// isNewer reports whether a marker may let us read and not write.
func isNewer(marker string) bool {
	return strings.Contains(marker, "inWriter") || strings.Contains(marker, "INWRITER")
}

// A side blob may be anything: the list works, and content that its entries need
// stays where the side blob does not match its list.
func FuzzSideBlob(f *testing.F) {
	a := newImage("a")
	f.Add(`{"list":"@","entries":[{"origin":{"ref":"x"},"kept":["` + a.entry.Digest.String() + `"]}]}`)
	f.Add(`{"list":"@","blind":true,"entries":[{}]}`)
	f.Add(`{"list":"@","entries":[{"kept":["sha256:../../../x"]}]}`)
	f.Add(`{"list":"@","entries":null}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		root := filepath.Join(t.TempDir(), "manifests")
		d := hasty(store.Options{Root: root})
		n := mustName(t, subject)
		update(t, d, n, content(a), create(a))
		ix := get(t, d, n)
		dir := filepath.Join(root, subjectDir)
		sidesOf(t, dir, func(name string) {
			raw := []byte(strings.ReplaceAll(text, "@", ix.Digest().String()))
			head := filepath.Join(dir, "index.json")
			digest := index.DigestOf(raw).Hex
			writeFile(t, filepath.Join(filepath.Dir(name), digest), raw)
			writeFile(t, head, []byte(strings.ReplaceAll(string(readFile(t, head)), filepath.Base(name), digest)))
		})
		if got := get(t, d, n); got.Digest() != ix.Digest() {
			t.Errorf("the list became %s", got.Digest())
		}
		b := newImage("b")
		update(t, d, n, content(b), add(b))
		wantContent(t, d, n, b)
		if !strings.Contains(text, "@") {
			wantContent(t, d, n, a)
		}
	})
}
