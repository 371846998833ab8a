package testhelpers

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// Missing skips the test because something is not installed, and says how to
// get it. In CI, where everything should be there, the test fails instead.
func Missing(tb testing.TB, what, how string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s is missing: %s", what, how)
	}
	tb.Skipf("%s is missing: %s", what, how)
}

// Tool returns the path of a program that tools/go.mod pins, such as "crane".
// PACK_MANIFEST_TOOLS names the directory; without it, out/tools is looked at.
func Tool(tb testing.TB, program string) string {
	tb.Helper()
	dir := os.Getenv("PACK_MANIFEST_TOOLS")
	if dir == "" {
		dir = filepath.Join(moduleRoot(tb), "out", "tools")
	}
	path := filepath.Join(dir, program)
	if _, err := os.Stat(path); err != nil {
		Missing(tb, program, `"make tools" builds it`)
	}
	return path
}

// Peer returns the path of a program that the system installs, such as
// "skopeo".
func Peer(tb testing.TB, program string) string {
	tb.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Missing(tb, program, "install it and put it on the PATH")
	}
	return path
}

// Binary returns the path of the program under test: PACK_MANIFEST_BIN, else
// out/test/pack, built once by each test process.
func Binary(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("PACK_MANIFEST_BIN"); path != "" {
		return path
	}
	root := moduleRoot(tb)
	built.once.Do(func() { built.path, built.err = build(root) })
	if built.err != nil {
		tb.Fatalf("build the program: %v", built.err)
	}
	return built.path
}

//nolint:gochecknoglobals // once per process is what it is for
var built struct {
	once sync.Once
	path string
	err  error
}

// build puts the program in place with one rename, since the test processes of
// several packages build it at the same time.
func build(root string) (string, error) {
	path := filepath.Join(root, "out", "test", "pack")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	temp := path + "." + strconv.Itoa(os.Getpid())
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", temp, "./cmd/pack")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(err.Error() + "\n" + string(out))
	}
	return path, os.Rename(temp, path)
}

// moduleRoot is the directory above the test's that has a go.mod.
func moduleRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatalf("find the module: %v", err)
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || parent == dir {
			tb.Fatalf("find the module: %v", err)
		}
		dir = parent
	}
}

// RepositoryFile returns the path of a file of this repository.
func RepositoryFile(tb testing.TB, elem ...string) string {
	tb.Helper()
	return filepath.Join(append([]string{moduleRoot(tb)}, elem...)...)
}
