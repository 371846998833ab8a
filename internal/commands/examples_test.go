package commands_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The examples are about a buildpack whose packages are files in dist and images
// at ghcr.io/acme/bp and acme/bp, and about a list of them. In a test both are
// in one registry.
const (
	exampleWorld = `registry R
daemon
docker acme/bp:dev linux/amd64 seed=7
cnb dist/bp-linux-amd64.cnb linux/amd64
cnb dist/bp-linux-arm64.cnb linux/arm64 seed=2
cnb dist/bp-windows-amd64.cnb windows/amd64 seed=3
image $R/acme/bp:linux linux/amd64 noarch seed=4
image $R/acme/bp:windows windows/amd64 noarch seed=5
image $R/acme/bp:1.2.3-arm64 linux/arm64 seed=6
index $R/acme/bp:1.2.2 linux/amd64 linux/arm64
`
	exampleFiles = "dist/bp-linux-amd64.cnb dist/bp-linux-arm64.cnb dist/bp-windows-amd64.cnb"
)

// exampleLists are the lists that are kept before an example runs: one of all
// files unless something else is said here.
func exampleLists(path, comment string) string {
	create := func(rest string) string { return "exec pack manifest create $R/acme/bp:" + rest + "\n" }
	switch strings.TrimPrefix(path, "pack manifest ") {
	case "create":
		return ""
	case "add":
		return create("1.2.3 dist/bp-linux-arm64.cnb")
	case "annotate":
		return create("1.2.3 $R/acme/bp:linux dist/bp-windows-amd64.cnb --format oci")
	case "remove":
		if strings.Contains(comment, "may run twice") {
			return ""
		}
		return create("1.2.2 "+exampleFiles) + create("1.2.3 "+exampleFiles)
	}
	return create("1.2.3 " + exampleFiles)
}

// script makes a script of an example. What only a shell does is done here: the
// pattern of file names is expanded, and what reads the output left out.
func (e example) script(path string) string {
	line, _, _ := strings.Cut(e.line, " | ")
	if inner := regexp.MustCompile(`\$\((.*)\)`).FindStringSubmatch(line); inner != nil {
		line = inner[1]
	}
	line = strings.ReplaceAll(line, "dist/*.cnb", exampleFiles)
	line = strings.ReplaceAll(line, "ghcr.io/acme/", "acme/")
	line = regexp.MustCompile(`(^|[ =])acme/`).ReplaceAllString(line, "${1}$$R/acme/") // but not in the daemon
	// A digest in an example is nobody's; that of the first file stands for it.
	line = regexp.MustCompile(`sha256:[0-9a-f]+`).ReplaceAllString(line, "linux/amd64")
	return fmt.Sprintf("%s\n%s%sexec %s\n", e.comment, exampleWorld, exampleLists(path, e.comment), line)
}

// Every example that the help shows runs.
func TestExamplesRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := 0
	for path, cmd := range every(t) {
		for i, e := range examples(cmd) {
			n++
			file := fmt.Sprintf("%s_%d.txtar", strings.ReplaceAll(path, " ", "_"), i+1)
			if err := os.WriteFile(filepath.Join(dir, file), []byte(e.script(path)), 0o600); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(e.line, "pack ") && !strings.Contains(e.line, "$(pack ") {
				t.Errorf("%s: %q does not run the program", path, e.line)
			}
		}
	}
	if n < 20 {
		t.Errorf("%d examples", n)
	}
	params := scripts()
	params.Dir = dir
	testscript.Run(t, params)
}
