// Package structure_test holds the repository to what its documents promise of
// it: which package may import which, what is linked into the program and under
// which licences, how long files are, that links lead somewhere. It has tests
// only.
package structure_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

const module = "github.com/buildpacks-community/pack-manifest"

// root is the folder of the module.
func root(t *testing.T) string {
	t.Helper()
	return testhelpers.RepositoryFile(t)
}

// goPackage is what go list knows of a package.
type goPackage struct {
	ImportPath                         string
	Dir                                string
	Standard                           bool
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
	Module                             *goModule
}

// goModule is what go list knows of a module.
type goModule struct {
	Path, Version, Dir string
	Main               bool
}

// goList runs go list -json with arguments, in the folder of the module.
func goList[T any](t *testing.T, args ...string) []T {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json", "-tags=acceptance"}, args...)...)
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("go list %q: %v\n%s", args, err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var one T
		switch err := d.Decode(&one); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, one)
	}
}

// files returns the paths, relative to the module's folder, of all files of the
// repository whose name ends in one of the endings.
func files(t *testing.T, endings ...string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // somebody's temporary file
			}
			return err
		}
		rel, err := filepath.Rel(root(t), path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel == "out" || d.Name() == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		for _, ending := range endings {
			if strings.HasSuffix(rel, ending) {
				all = append(all, filepath.ToSlash(rel))
				break
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("no file ends in one of %q", endings)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root(t), file))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
