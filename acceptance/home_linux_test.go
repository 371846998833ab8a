//go:build acceptance

package acceptance_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestHomeIsMissing (L13): a PACK_HOME that is no directory, and none at all.
func TestHomeIsMissing(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	files := packages(t, h, 1)
	const list = "localhost:1/acme/bp:1"
	file := h.write(t, "a-file", "precious")
	for _, place := range []string{file, filepath.Join(file, "below")} {
		for _, args := range [][]string{{"create", list, files[0]}, {"list"}, {"remove", list}} {
			r := h.with("PACK_HOME="+place).fails(t, 1, args...)
			if !strings.Contains(r.stderr, file) || !strings.Contains(r.stderr, "not a directory") {
				t.Errorf("%s with PACK_HOME=%s says %q", args[0], place, r.stderr)
			}
		}
	}
	if got := readFile(t, file); got != "precious" {
		t.Errorf("the file is now %q", got)
	}
	none := h.without("PACK_HOME", "HOME")
	for _, other := range []*home{none, none.with("HOME="), none.with("HOME=relative")} {
		for _, args := range [][]string{{"create", list, files[0]}, {"list"}} {
			if r := other.fails(t, 2, args...); !strings.Contains(r.stderr, "PACK_HOME") || !strings.Contains(r.stderr, "HOME names no folder") {
				t.Errorf("%s without a home says %q", args[0], r.stderr)
			}
		}
	}
	if _, err := os.Lstat(h.path("relative")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it made a home: %v", err)
	}
	if r := none.run(t, testhelpers.Binary(t), "manifest", "create", "--help"); r.code != 0 {
		t.Errorf("--help exits with %d without a home", r.code)
	}
	// Without PACK_HOME it is .pack in HOME.
	h.without("PACK_HOME").manifest(t, "create", list, files[0])
	if _, err := os.Stat(h.path(".pack", "manifests", "store.json")); err != nil {
		t.Error(err)
	}
}

// shell runs the program under test after a line of shell, such as a limit.
func (h *home) shell(tb testing.TB, line string, args ...string) result {
	tb.Helper()
	return h.run(tb, "/bin/sh", slices.Concat([]string{"-c", line + `; exec "$@"`, "sh", testhelpers.Binary(tb)}, args)...)
}

// TestHomeLimits (B25, L15): where no file may be written or no more files
// opened, the list stays what it was.
func TestHomeLimits(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	files := packages(t, h, 2)
	const list = "localhost:1/acme/bp:1"
	h.manifest(t, "create", list, files[0])
	before := snapshot(t, h.path("pack"))
	for _, limit := range []string{"ulimit -f 0", "ulimit -n 4", "ulimit -n 5", "ulimit -n 6"} {
		for _, args := range [][]string{
			{"manifest", "annotate", list, "linux/amd64", "--variant", "v2"},
			{"manifest", "add", list, files[1]},
		} {
			r := h.shell(t, limit, args...)
			if r.code != 1 || !strings.HasPrefix(r.stderr, "ERROR: ") {
				t.Errorf("%s with %q exits with %d and says %q", args[1], limit, r.code, r.stderr)
			}
			wantSame(t, args[1]+" with "+limit, before, snapshot(t, h.path("pack")))
		}
	}
	h.manifest(t, "add", list, files[1])
	if got := lines(t, h.manifest(t, "inspect", list)); !slices.Equal(got, []string{entry(t, 0), entry(t, 1)}) {
		t.Errorf("the list has %q", got)
	}
}

// TestHomeModes (L14): whatever the umask, what is written is the user's alone.
func TestHomeModes(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"000", "022", "077"} {
		t.Run(umask, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			files := packages(t, h, 2)
			const list = "localhost:1/acme/bp:1"
			for _, args := range [][]string{
				{"manifest", "create", list, files[0]},
				{"manifest", "add", list, files[1]},
				{"manifest", "annotate", list, "linux/amd64:0", "--variant", "v2"},
				{"completion"},
			} {
				if r := h.shell(t, "umask "+umask, args...); r.code != 0 {
					t.Fatalf("%q exits with %d: %s", args, r.code, r.stderr)
				}
			}
			all := snapshot(t, h.path("pack"))
			if len(all) < 15 {
				t.Errorf("only %d files were written", len(all))
			}
			for path, text := range all {
				mode, _, _ := strings.Cut(text, " ")
				if mode != "drwx------" && mode != "-rw-------" {
					t.Errorf("%s has the mode %s", path, mode)
				}
			}
		})
	}
}
