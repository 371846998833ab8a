package structure_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestFilesAreShort(t *testing.T) {
	t.Parallel()
	const most = 400
	for _, file := range files(t, ".go") {
		if n := strings.Count(read(t, file), "\n"); n > most && !strings.HasSuffix(file, "_test.go") {
			t.Errorf("%s has %d lines, more than %d", file, n, most)
		}
	}
}

// What is not done is an issue, not a remark.
func TestNothingIsLeftToDo(t *testing.T) {
	t.Parallel()
	remark := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	for _, file := range files(t, ".go", ".md", ".sh", ".txtar", ".toml", ".yml", "Makefile", ".ci/run") {
		for i, line := range strings.Split(read(t, file), "\n") {
			if remark.MatchString(line) {
				t.Errorf("%s:%d: %s", file, i+1, strings.TrimSpace(line))
			}
		}
	}
}

// The repository speaks of nobody's machine.
func TestNoPathsOfAMachine(t *testing.T) {
	t.Parallel()
	machine := regexp.MustCompile(`(^|[\s"'(=` + "`" + `])/(work|root|home)/\w`)
	for _, file := range files(t, ".go", ".md", ".sh", ".txtar", ".toml", ".yml", "Makefile", ".ci/run", ".txt") {
		for i, line := range strings.Split(read(t, file), "\n") {
			if machine.MatchString(line) && !strings.HasPrefix(file, "tools/") {
				t.Errorf("%s:%d: %s", file, i+1, strings.TrimSpace(line))
			}
		}
	}
}

// Links of the documents lead to files and headings that are there. Others'
// sites are not asked.
func TestLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	n := 0
	for _, file := range files(t, ".md") {
		for _, found := range link.FindAllStringSubmatch(prose(read(t, file)), -1) {
			target := found[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			n++
			if err := leads(t, file, target); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	if n < 5 {
		t.Errorf("%d links", n)
	}
}

// prose returns a document without its code.
func prose(markdown string) string {
	var out []string
	code := false
	for line := range strings.SplitSeq(markdown, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			continue
		}
		if !code {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func leads(t *testing.T, from, target string) error {
	t.Helper()
	to, heading, _ := strings.Cut(target, "#")
	file := from
	if to != "" {
		file = path.Join(path.Dir(from), to)
	}
	info, err := os.Stat(filepath.Join(root(t), file))
	if err != nil {
		return err
	}
	if heading == "" || info.IsDir() {
		return nil
	}
	for line := range strings.SplitSeq(prose(read(t, file)), "\n") {
		if title := strings.TrimLeft(line, "#"); title != line && anchor(title) == heading {
			return nil
		}
	}
	return fmt.Errorf("%s has no heading for #%s", file, heading)
}

// anchor is the name that GitHub gives to a heading.
func anchor(title string) string {
	title = strings.ToLower(strings.TrimSpace(title))
	title = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`).ReplaceAllString(title, "")
	return strings.ReplaceAll(title, " ", "-")
}

// Decisions are numbered, and the table names each.
func TestDecisionsAreListed(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(os.DirFS(filepath.Join(root(t), "docs", "adr")), "[0-9]*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	slices.Sort(names)
	table := read(t, "docs/adr/README.md")
	for i, name := range names {
		if !strings.HasPrefix(name, fmt.Sprintf("%04d-", i+1)) {
			t.Errorf("%s is number %d", name, i+1)
		}
		if row := fmt.Sprintf("| [%d](%s) |", i+1, name); !strings.Contains(table, row) {
			t.Errorf("docs/adr/README.md has no row %q", row)
		}
		if title := fmt.Sprintf("# %d. ", i+1); !strings.HasPrefix(read(t, "docs/adr/"+name), title) {
			t.Errorf("%s does not begin with %q", name, title)
		}
	}
}

// Each module that we import is weighed in a decision, and nothing else is.
func TestDependenciesAreWeighed(t *testing.T) {
	t.Parallel()
	const decision = "docs/adr/0008-dependencies.md"
	text := read(t, decision)
	used := map[string]bool{}
	required := regexp.MustCompile(`(?m)^\s*(?:require )?(\S+\.\S+/\S+) v`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	for _, file := range files(t, ".go") { // for every system, not for this one alone
		for _, imported := range importsOf(t, file) {
			for _, m := range required {
				used[m[1]] = used[m[1]] || imported == m[1] || strings.HasPrefix(imported, m[1]+"/")
			}
		}
	}
	maps.DeleteFunc(used, func(_ string, is bool) bool { return !is })
	if len(used) < 8 {
		t.Fatalf("%v", used)
	}
	for m := range used {
		if !regexp.MustCompile(`(^|[\s|])` + regexp.QuoteMeta(short(m)) + `($|[\s|,])`).MatchString(text) {
			t.Errorf("%s does not weigh %s (%s)", decision, short(m), m)
		}
	}
	for _, row := range regexp.MustCompile(`(?m)^\| ([\w./-]+) \|`).FindAllStringSubmatch(text, -1) {
		known := row[1] == "module"
		for m := range used {
			known = known || short(m) == row[1]
		}
		if !known {
			t.Errorf("%s weighs %s, which nothing imports", decision, row[1])
		}
	}
}

// short is the name of a module in our documents.
func short(m string) string {
	m = strings.TrimPrefix(m, "github.com/")
	return regexp.MustCompile(`/v\d+$`).ReplaceAllString(m, "")
}
