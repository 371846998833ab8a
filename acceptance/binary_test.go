//go:build acceptance

package acceptance_test

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// largest is how large the program may be, in bytes.
const largest = 12_000_000

// released builds the program in a copy of the repository, as the Makefile
// does, and returns its path.
func released(tb testing.TB) string {
	tb.Helper()
	mk, dir := testhelpers.Peer(tb, "make"), tb.TempDir()
	for _, name := range []string{"cmd", "internal", "pkg"} {
		from := os.DirFS(testhelpers.RepositoryFile(tb, name))
		if err := os.CopyFS(filepath.Join(dir, name), from); err != nil {
			tb.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "Makefile"} {
		raw := readFile(tb, testhelpers.RepositoryFile(tb, name))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(raw), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(tb.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, mk, "build", "VERSION=1.2.3")
	cmd.Dir = dir
	// Nothing of a make around this test.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, "CGO_ENABLED=") || strings.HasPrefix(pair, "MAKEFLAGS=") || strings.HasPrefix(pair, "MAKELEVEL=")
	})
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("make build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "out", "pack")
}

// TestBinaryIsSmallAndReproducible: the program that "make build" makes is small
// and static, has no path of its maker in it, and is the same bytes in another
// directory. That the compiler makes the same of the same is Go's affair: both
// builds share its cache.
func TestBinaryIsSmallAndReproducible(t *testing.T) {
	t.Parallel()
	first, second := released(t), released(t)
	raw := []byte(readFile(t, first))
	t.Logf("the program has %d bytes, %s", len(raw), sha256Of(t, raw))
	if len(raw) > largest {
		t.Errorf("the program has %d bytes, want %d at most", len(raw), largest)
	}
	if got := sha256Of(t, []byte(readFile(t, second))); got != sha256Of(t, raw) {
		t.Errorf("built again it is %s, before it was %s", got, sha256Of(t, raw))
	}
	for _, path := range []string{filepath.Dir(filepath.Dir(first)), testhelpers.RepositoryFile(t)} {
		if bytes.Contains(raw, []byte(path+"/")) {
			t.Errorf("the program has the path %s in it", path)
		}
	}
	if got := newHome(t).ok(t, first, "--version"); got != "1.2.3" {
		t.Errorf("it says that it is version %q, want 1.2.3", got)
	}
	if runtime.GOOS == "linux" {
		checkStatic(t, first)
	}
}

// checkStatic looks for what a program for any Linux has not.
func checkStatic(tb testing.TB, path string) {
	tb.Helper()
	f, err := elf.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	for _, name := range []string{".interp", ".dynamic", ".symtab", ".debug_info"} {
		if f.Section(name) != nil {
			tb.Errorf("the program has a section %s", name)
		}
	}
}

// commandsBelow returns a command and all commands below it, as the help lists
// them.
func commandsBelow(tb testing.TB, h *home, program string, path ...string) [][]string {
	tb.Helper()
	all := [][]string{path}
	_, rest, _ := strings.Cut(h.ok(tb, program, append(path, "--help")...), "Available Commands:\n")
	for line := range strings.Lines(rest) {
		words := strings.Fields(line)
		if len(words) == 0 {
			break
		}
		if words[0] != "help" {
			all = append(all, commandsBelow(tb, h, program, append(slices.Clone(path), words[0])...)...)
		}
	}
	return all
}

// TestBinaryHelp: under both of its names, each command has a help with
// examples, on stdout, and refuses a flag that it does not know.
func TestBinaryHelp(t *testing.T) {
	t.Parallel()
	alone := filepath.Join(t.TempDir(), "pack-manifest")
	if err := os.Symlink(testhelpers.Binary(t), alone); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{testhelpers.Binary(t), alone} {
		name := filepath.Base(program)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			all := commandsBelow(t, h, program)
			verbs := 0
			for _, path := range all {
				checkHelp(t, h, program, path)
				if n := len(path); n > 0 && slices.Contains(strings.Fields("create add annotate inspect push rm remove list"), path[n-1]) {
					verbs++
				}
			}
			if verbs < 8 {
				t.Errorf("the help shows only %q", all)
			}
			r := h.run(t, program, "no-such-command")
			if r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, `unknown command "no-such-command"`) {
				t.Errorf("an unknown command exits with %d, prints %q and says %q", r.code, r.stdout, r.stderr)
			}
			if _, err := os.Lstat(h.path("pack")); !os.IsNotExist(err) {
				t.Errorf("help touched PACK_HOME: %v", err)
			}
		})
	}
}

func checkHelp(tb testing.TB, h *home, program string, path []string) {
	tb.Helper()
	r := h.run(tb, program, append(path, "--help")...)
	group := strings.Contains(r.stdout, "Available Commands:")
	if r.code != 0 || r.stderr != "" || !group && !strings.Contains(r.stdout, "\nExamples:\n  ") {
		tb.Errorf("%q --help exits with %d, prints\n%s\nand says %q", path, r.code, r.stdout, r.stderr)
	}
	r = h.run(tb, program, append(path, "--no-such-flag")...)
	if r.code != 2 || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 ||
		!strings.Contains(r.stderr, "unknown flag: --no-such-flag") || !strings.Contains(r.stderr, "--help") {
		tb.Errorf("%q --no-such-flag exits with %d, prints %q and says %q", path, r.code, r.stdout, r.stderr)
	}
}
