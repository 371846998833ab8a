package structure_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport says which packages of the module each package may import, besides
// those of other modules. Imports point down.
func mayImport() map[string][]string {
	io := []string{"internal/registry", "internal/store", "internal/daemon", "internal/layout", "internal/buildpackage"}
	table := map[string][]string{
		"cmd/pack":          {"internal/commands"},
		"internal/commands": {"internal/ui", "pkg/client", "pkg/index"},
		"internal/ui":       nil,
		"pkg/client":        append([]string{"pkg/index"}, io...),
		"pkg/index":         nil,
		"testhelpers":       nil,
		"acceptance":        {"testhelpers"},
	}
	for _, one := range io {
		table[one] = []string{"pkg/index"}
	}
	return table
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	table := mayImport()
	for _, p := range goList[goPackage](t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		allowed, ok := table[name]
		if !ok {
			t.Errorf("nobody has said what %s may import; say it here and in the linter's config", name)
		}
		for _, path := range p.Imports {
			if rest, ours := strings.CutPrefix(path, module+"/"); ours && !slices.Contains(allowed, rest) {
				t.Errorf("%s imports %s", name, rest)
			}
		}
	}
}

// Only wire.go knows what fills the ports of pkg/client.
func TestOneFileWiresTheClient(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, ".go") {
		if filepath.Dir(file) != filepath.Join("pkg", "client") || strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "/wire.go") {
			continue
		}
		for _, path := range importsOf(t, file) {
			if strings.HasPrefix(path, module+"/internal/") {
				t.Errorf("%s imports %s", file, path)
			}
		}
	}
}

func importsOf(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(t), file), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range parsed.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// What has one place in the program: the rest of the module must not know it.
func TestWhatOnePlaceKnows(t *testing.T) {
	t.Parallel()
	only := map[string][]string{
		"github.com/heroku/color":       {"internal/ui"},
		"golang.org/x/term":             {"internal/ui"},
		"github.com/vbauerster/mpb":     {"internal/ui"},
		"github.com/mattn/go-runewidth": {"internal/ui"},
		"github.com/spf13/cobra":        {"internal/commands"},
		"github.com/moby/moby":          {"internal/daemon"},
		"github.com/docker/docker":      {"internal/daemon"},
		"github.com/docker/cli":         {"internal/registry", "internal/daemon"},
		"net/http":                      {"internal/registry", "internal/daemon", "testhelpers"},
		"archive/tar":                   {"internal/layout", "internal/daemon", "internal/buildpackage", "testhelpers"},
		"github.com/buildpacks/":        {"internal/layout", "internal/buildpackage", "testhelpers"},
		"log":                           {"testhelpers"},
		"log/slog":                      nil,
		"testing":                       {"testhelpers"},
		module + "/testhelpers":         nil,
		"github.com/pkg/errors":         nil,
		"encoding/gob":                  nil,
		"unsafe":                        nil,
		"os/signal":                     {"cmd/pack"},
	}
	for _, p := range goList[goPackage](t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, path := range p.Imports {
			for known, places := range only {
				if below(path, known) && !slices.Contains(places, name) {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
	}
}

// below reports whether a package is the other or below it; a name without a dot
// is one package of the standard library.
func below(path, parent string) bool {
	return path == parent || strings.Contains(parent, ".") && strings.HasPrefix(path, strings.TrimSuffix(parent, "/")+"/")
}

// pkg/index does no I/O, never waits and knows no clock.
func TestIndexIsPure(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"github.com/distribution/reference", "github.com/go-json-experiment/json/jsontext", "github.com/google/go-containerregistry/pkg/name",
		"github.com/google/go-containerregistry/pkg/v1", "github.com/google/go-containerregistry/pkg/v1/types",
	}
	refused := []string{"os", "net", "syscall", "context", "time", "io/fs", "sync", "runtime", "math/rand", "crypto/rand"}
	for _, p := range goList[goPackage](t, "./pkg/index") {
		for _, path := range p.Imports {
			if strings.Contains(path, ".") {
				if !slices.Contains(allowed, path) {
					t.Errorf("it imports %s", path)
				}
				continue
			}
			if slices.ContainsFunc(refused, func(no string) bool { return path == no || strings.HasPrefix(path, no+"/") }) {
				t.Errorf("it imports %s", path)
			}
		}
	}
}
