package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

const subjectDir = "v1/index.docker.io+acme+bp~~1"

// damaged makes a list of one image and spoils a file of it.
func damaged(t *testing.T, spoil func(t *testing.T, dir string, ix index.Index)) (d *store.Dir, root string) {
	t.Helper()
	d, root = newDir(t)
	a := newImage("a")
	n := mustName(t, subject)
	update(t, d, n, content(a), create(a))
	spoil(t, filepath.Join(root, subjectDir), get(t, d, n))
	return d, root
}

func writeFile(tb testing.TB, name string, raw []byte) {
	tb.Helper()
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		tb.Fatal(err)
	}
}

func readFile(tb testing.TB, name string) []byte {
	tb.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// L7, H10: a damaged list is never taken for an empty one, keeps its bytes, is
// listed, does not stop others and can be deleted.
func TestL7DamagedLists(t *testing.T) {
	t.Parallel()
	head := func(raw string) func(t *testing.T, dir string, ix index.Index) {
		return func(t *testing.T, dir string, _ index.Index) {
			t.Helper()
			writeFile(t, filepath.Join(dir, "index.json"), []byte(raw))
		}
	}
	replace := func(from, to string) func(t *testing.T, dir string, ix index.Index) {
		return func(t *testing.T, dir string, _ index.Index) {
			t.Helper()
			raw := string(readFile(t, filepath.Join(dir, "index.json")))
			if !strings.Contains(raw, from) {
				t.Fatalf("no %q in %s", from, raw)
			}
			head(strings.ReplaceAll(raw, from, to))(t, dir, index.Index{})
		}
	}
	cases := map[string]func(t *testing.T, dir string, ix index.Index){
		"empty":             head(""),
		"array":             head("[]"),
		"null":              head("null"),
		"object":            head("{}"),
		"text":              head("hello"),
		"cut":               head(`{"schemaVersion":2,"manifests":[{"mediaType":"applic`),
		"no list":           head(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`),
		"schema":            replace(`"schemaVersion": 2`, `"schemaVersion": 3`),
		"other name":        replace("acme/bp:1", "acme/bp:2"),
		"digest":            replace(`"digest": "sha256:`, `"digest": "sha257:`),
		"no digest":         replace(`"digest": "sha256:`, `"digest": "sha256:0`),
		"path for a digest": replace(`"digest": "sha256:`, `"digest": "../../`),
		"size":              replace(`"size": `, `"size": 1`),
		"huge size":         replace(`"size": `, `"size": 99999999999`),
		"media type":        replace("image.index.v1+json", "image.manifest.v1+json"),
		"case variant":      replace(`"schemaVersion": 2`, `"schemaVersion": 2, "Manifests": []`),
		"100 MB": func(t *testing.T, dir string, _ index.Index) {
			t.Helper()
			if err := os.Truncate(filepath.Join(dir, "index.json"), 100<<20); err != nil {
				t.Fatal(err)
			}
		},
		"list missing": func(t *testing.T, dir string, ix index.Index) {
			t.Helper()
			if err := os.Remove(filepath.Join(dir, "blobs", "sha256", ix.Digest().Hex)); err != nil {
				t.Fatal(err)
			}
		},
		"list of other bytes": func(t *testing.T, dir string, ix index.Index) {
			t.Helper()
			name := filepath.Join(dir, "blobs", "sha256", ix.Digest().Hex)
			writeFile(t, name, bytes.ReplaceAll(readFile(t, name), []byte("linux"), []byte("linus")))
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, root := damaged(t, spoil)
			n, other := mustName(t, subject), mustName(t, "acme/other:1")
			a := newImage("a")
			update(t, d, other, content(a), create(a))
			before := stamps(t, root)

			_, err := d.Get(t.Context(), n)
			wantKind(t, err, index.ErrCorrupt, `list "acme/bp:1"`, filepath.Join(root, subjectDir))
			for _, e := range []edit{create(a), add(newImage("b")), remove(a)} {
				wantKind(t, d.Update(t.Context(), n, content(a), e), index.ErrCorrupt)
			}
			if after := stamps(t, root); !slices.Equal(before, after) {
				t.Errorf("files became\n%s\nwere\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
			}
			names, err := d.List(t.Context())
			if err != nil || !slices.Equal(names, []index.Name{n, other}) {
				t.Errorf("lists %v (%v)", names, err)
			}
			wantSeeds(t, d, other, "a")
			if err := d.Delete(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			update(t, d, n, content(a), create(a))
			wantSeeds(t, d, n, "a")
		})
	}
}

// The name of a damaged list is known even where the key does not tell it.
func TestDamagedListWithALongName(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, "ghcr.io/"+strings.Repeat("abcdefghi/", 22)+"bp")
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	heads, err := filepath.Glob(filepath.Join(root, "v1", "*", "index.json"))
	if err != nil || len(heads) != 1 {
		t.Fatal(heads, err)
	}
	whole := readFile(t, heads[0])
	wantLists := func() {
		t.Helper()
		names, err := d.List(t.Context())
		if err != nil || !slices.Equal(names, []index.Name{n}) {
			t.Errorf("lists %v (%v)", names, err)
		}
	}
	writeFile(t, heads[0], nil)
	wantLists()
	if err := os.Remove(filepath.Join(filepath.Dir(heads[0]), "name")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, heads[0], whole)
	wantLists()
	if err := d.Delete(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// L8: content that is not what its name says is found out by who reads it.
func TestL8DamagedContent(t *testing.T) {
	t.Parallel()
	a := newImage("a")
	for name, raw := range map[string][]byte{
		"other bytes": bytes.ToUpper(a.layer),
		"cut":         a.layer[:4],
		"empty":       nil,
		"longer":      append(slices.Clone(a.layer), 'x'),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layer := blobOf(a.layer)
			d, _ := damaged(t, func(t *testing.T, dir string, _ index.Index) {
				t.Helper()
				writeFile(t, filepath.Join(dir, "blobs", "sha256", layer.Digest.Hex), raw)
			})
			b, err := d.Blob(t.Context(), mustName(t, subject), layer.Digest)
			if err != nil {
				t.Fatal(err)
			}
			_, err = readBlob(b)
			wantKind(t, err, index.ErrCorrupt, layer.Digest.String())
		})
	}
}

// Content that was cut short is replaced when it comes again.
func TestDamagedContentIsRepaired(t *testing.T) {
	t.Parallel()
	a := newImage("a")
	d, _ := damaged(t, func(t *testing.T, dir string, _ index.Index) {
		t.Helper()
		writeFile(t, filepath.Join(dir, "blobs", "sha256", index.DigestOf(a.layer).Hex), a.layer[:4])
	})
	update(t, d, mustName(t, subject), content(a), add(a))
	wantContent(t, d, mustName(t, subject), a)
}

// While a manifest is damaged nobody knows what its entry needs, so nothing that
// may be needed goes.
func TestDamagedManifestKeepsAll(t *testing.T) {
	t.Parallel()
	a, b := newImage("a"), newImage("b")
	n := mustName(t, subject)
	d, root := damaged(t, func(t *testing.T, dir string, _ index.Index) {
		t.Helper()
		sidesOf(t, dir, func(name string) {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		})
		writeFile(t, filepath.Join(dir, "blobs", "sha256", a.entry.Digest.Hex), bytes.ToUpper(a.manifest))
	})
	update(t, d, n, content(b), add(b))
	wantContent(t, d, n, b)
	for _, part := range [][]byte{a.config, a.layer} {
		if _, err := d.Blob(t.Context(), n, index.DigestOf(part)); err != nil {
			t.Error(err)
		}
	}
	writeFile(t, filepath.Join(root, subjectDir, "blobs", "sha256", a.entry.Digest.Hex), a.manifest)
	update(t, d, n, nil, remove(b))
	wantContent(t, d, n, a)
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}
