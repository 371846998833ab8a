package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// sidesOf finds the side blob of a list.
func sidesOf(t *testing.T, dir string, found func(name string)) {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, name := range blobs {
		if bytes.Contains(readFile(t, name), []byte(`"entries":`)) {
			found(name)
			count++
		}
	}
	if count != 1 {
		t.Fatalf("%d side blobs", count)
	}
}

// Without its side blob a list works, has no origins, and forgets no content.
func TestSideBlobThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, side, head string){
		"missing": func(t *testing.T, side, _ string) {
			t.Helper()
			if err := os.Remove(side); err != nil {
				t.Fatal(err)
			}
		},
		"other bytes": func(t *testing.T, side, _ string) {
			t.Helper()
			writeFile(t, side, bytes.ReplaceAll(readFile(t, side), []byte("a.cnb"), []byte("x.cnb")))
		},
		"not named": func(t *testing.T, _, head string) {
			t.Helper()
			writeFile(t, head, bytes.ReplaceAll(readFile(t, head), []byte("pack-manifest.side"), []byte("pack-manifest.other")))
		},
		"named badly": func(t *testing.T, side, head string) {
			t.Helper()
			writeFile(t, head, bytes.ReplaceAll(readFile(t, head), []byte(filepath.Base(side)), []byte("../../../etc/passwd")))
		},
		"of another list": func(t *testing.T, side, head string) {
			t.Helper()
			raw := []byte(`{"list":"sha256:` + strings.Repeat("0", 64) + `","entries":[{"origin":{"ref":"evil"}}]}`)
			digest := index.DigestOf(raw)
			writeFile(t, filepath.Join(filepath.Dir(side), digest.Hex), raw)
			writeFile(t, head, bytes.ReplaceAll(readFile(t, head), []byte(filepath.Base(side)), []byte(digest.Hex)))
		},
		"no JSON": func(t *testing.T, side, head string) {
			t.Helper()
			digest := index.DigestOf([]byte("{"))
			writeFile(t, filepath.Join(filepath.Dir(side), digest.Hex), []byte("{"))
			writeFile(t, head, bytes.ReplaceAll(readFile(t, head), []byte(filepath.Base(side)), []byte(digest.Hex)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, root := damaged(t, func(t *testing.T, dir string, _ index.Index) {
				t.Helper()
				sidesOf(t, dir, func(side string) { spoil(t, side, filepath.Join(dir, "index.json")) })
			})
			n := mustName(t, subject)
			if got := get(t, d, n).Entries(); len(got) != 1 || got[0].Origin != (index.Origin{}) {
				t.Errorf("entries %+v", got)
			}
			a, b := newImage("a"), newImage("b")
			update(t, d, n, content(b), add(b))
			wantContent(t, d, n, a, b)
			if got := seeds(get(t, d, n)); got != " b" {
				t.Errorf("the list has %q", got)
			}
			if s := strays(t, root); len(s) > 0 && name != "not named" {
				t.Errorf("left over: %q", s)
			}
		})
	}
}
