package ui_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
)

func TestTable(t *testing.T) {
	t.Parallel()
	got := string(ui.Table([][]string{
		{"NAME", "N", "DIGEST"},
		{"a", "1", ""},
		{"longer than the head", "22", "sha256:0"},
		{""},
		{"only one"},
	}))
	want := "NAME                  N   DIGEST\n" +
		"a                     1\n" +
		"longer than the head  22  sha256:0\n" +
		"\n" +
		"only one\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := ui.Table(nil); len(got) != 0 {
		t.Errorf("no rows are %q", got)
	}
}

// A cell cannot make a row or column of its own, nor drive the terminal.
func TestCellsAreEscaped(t *testing.T) {
	t.Parallel()
	got := string(ui.Table([][]string{{"a\nb\tc\x1b[2J", "\u202e", "x \xff"}, {"1", "2", "3"}}))
	want := `a\nb\tc\u001b[2J  \u202e  x \xff` + "\n" +
		`1                 2       3` + "\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWideCharactersStayWhole(t *testing.T) {
	t.Parallel()
	got := string(ui.Table([][]string{{"世界", "x"}, {"Grüße 👍", "y"}}))
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "世界 ") || !strings.HasSuffix(lines[0], "  x") ||
		lines[1] != "Grüße 👍  y" || utf8.RuneCountInString(lines[0]) != utf8.RuneCountInString(lines[1]) {
		t.Errorf("got\n%s", got)
	}
}

func FuzzTable(f *testing.F) {
	f.Add("a", "b\n", "\tc")
	f.Add("", " ", "\x1b")
	f.Add("\v\f\x85", "\xff", "x ")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		got := string(ui.Table([][]string{{a, b}, {c, "end"}}))
		lines := strings.Split(got, "\n")
		if len(lines) != 3 || lines[2] != "" {
			t.Fatalf("two rows are %q", got)
		}
		for _, line := range lines {
			if strings.HasSuffix(line, " ") || ui.Escape(line) != line || strings.Contains(line, "\t") {
				t.Fatalf("line %q of %q", line, got)
			}
		}
		if !strings.HasSuffix(lines[1], "end") {
			t.Fatalf("the last cell is lost: %q", got)
		}
	})
}

func TestAFileIsNoTerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	if got := ui.Terminals(file, file); got != (ui.Terminal{}) {
		t.Errorf("got %+v", got)
	}
	if w := ui.Console(file); w != file {
		t.Errorf("what is written to a file would be changed by %T", w)
	}
}
