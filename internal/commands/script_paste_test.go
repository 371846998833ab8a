package commands_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/buildpacks-community/pack-manifest/internal/commands"
)

func cmdHosts(ts *testscript.TestScript, _ bool, args []string) {
	text := []byte(ts.ReadFile(args[0]))
	for name, reg := range registries(ts) {
		text = bytes.ReplaceAll(text, []byte(reg.Host), []byte(name))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

func cmdPaste(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	got := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		command, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "Tip: ")
		if !ok {
			continue
		}
		got++
		all, err := readShell(command)
		ts.Check(err)
		for _, words := range all {
			ts.Check(ts.Exec(words[0], words[1:]...))
		}
	}
	if got != want {
		ts.Fatalf("%d commands, want %d", got, want)
	}
}

var errShell = errors.New("that is more than commands joined by &&, of plain and quoted words")

// readShell reads a line as a POSIX shell does, as far as our own commands go:
// words, '...', \x, and && between commands. Anything else that a shell would
// act on is an error.
func readShell(line string) ([][]string, error) {
	all := [][]string{nil}
	last := 0
	var word []byte
	inWord, quoted := false, false
	end := func() {
		if inWord {
			all[last] = append(all[last], string(word))
		}
		word, inWord = nil, false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted, inWord = !quoted, true
		case quoted:
			word = append(word, c)
		case c == '\\' && i+1 < len(line):
			i++
			word, inWord = append(word, line[i]), true
		case c == ' ':
			end()
		case c == '&' && strings.HasPrefix(line[i:], "&& "):
			end()
			i++
			all, last = append(all, nil), last+1
		case strings.IndexByte("\"\\$`&|;<>()*?[]#~!{}\t\n", c) >= 0:
			return nil, errShell
		default:
			word, inWord = append(word, c), true
		}
	}
	end()
	if quoted || len(all[last]) == 0 {
		return nil, errShell
	}
	return all, nil
}

// hostileWords are words that a shell would make something else of.
func hostileWords() []string {
	return []string{
		"", "plain", "a b", "it's", `"`, `a"b c"d`, "$HOME", "`id`", "$(id)", "a;b", "a&&b", "*", "?", "[a]", "{a,b}", "~", "~root", "#a", "!!", `\`, `\'`,
		"'", "''", "a=b", "=a", "-x", "--annotation=k=v w", "ä", "\t", "%s", "<a>", "(", "a|b", "linux/arm64=dist/my package.cnb", "-",
	}
}

// A shell reads the words that were written for it, our reader and a real one
// alike.
func TestShellWords(t *testing.T) {
	t.Parallel()
	line := commands.ShellWords(hostileWords())
	got, err := readShell(line)
	if err != nil || len(got) != 1 || strings.Join(got[0], "\n") != strings.Join(hostileWords(), "\n") {
		t.Errorf("%s\nis read as %q, %v", line, got, err)
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	out, err := exec.CommandContext(t.Context(), shell, "-c", `printf '%s\n' `+line).Output()
	if want := strings.Join(hostileWords(), "\n") + "\n"; err != nil || string(out) != want {
		t.Errorf("%s\nis read as\n%s\nwant\n%s\n%v", line, out, want, err)
	}
	for _, words := range [][]string{{"pack", "manifest", "rm", "r:5000/a/b:1", "sha256:0"}, {"a", "--x=y", "linux/amd64=./b.cnb", "10.0.1+2"}} {
		if line := commands.ShellWords(words); line != strings.Join(words, " ") {
			t.Errorf("%q is quoted: %s", words, line)
		}
	}
}
