package commands_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/commands"
	"github.com/buildpacks-community/pack-manifest/internal/ui"
)

func clock() time.Time { return time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC) }

// outcome is what a run of the program left.
type outcome struct {
	code     int
	out, err string
}

// process is one with an environment and arguments.
func process(env map[string]string, out, err io.Writer, args ...string) commands.Process {
	return commands.Process{
		Name: "pack", Args: args, Version: "test", Env: func(name string) string { return env[name] },
		Out: out, Err: err, Now: clock,
	}
}

func do(t *testing.T, env map[string]string, args ...string) outcome {
	t.Helper()
	var out, err bytes.Buffer
	code := commands.Main(t.Context(), process(env, &out, &err, args...))
	return outcome{code, out.String(), err.String()}
}

// wantOutcome compares; err is a part of stderr.
func wantOutcome(t *testing.T, got outcome, code int, err string) {
	t.Helper()
	if got.code != code || !strings.Contains(got.err, err) {
		t.Errorf("exit %d, %q; want %d, %q", got.code, got.err, code, err)
	}
	if code != 0 && got.out != "" {
		t.Errorf("an error left data: %q", got.out)
	}
}

// L13: a variable that is wrong is named.
func TestWhereListsAreKept(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	file := filepath.Join(home, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  map[string]string
		code int
		says string
	}{
		{"PACK_HOME", map[string]string{"PACK_HOME": home}, 0, ""},
		{"HOME", map[string]string{"HOME": home}, 0, ""},
		{"USERPROFILE", map[string]string{"USERPROFILE": home}, 0, ""},
		{"PACK_HOME that is not there yet", map[string]string{"PACK_HOME": filepath.Join(home, "a", "b")}, 0, ""},
		{"nothing", nil, 2, "ERROR: PACK_HOME: it is not set, and HOME names no folder; set one of them"},
		{"empty", map[string]string{"PACK_HOME": "", "HOME": ""}, 2, "PACK_HOME"},
		{"a relative HOME", map[string]string{"HOME": "somewhere"}, 2, "PACK_HOME"},
		{"a file", map[string]string{"PACK_HOME": file}, 1, file},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := do(t, c.env, "manifest", "list", "-o", "json")
			wantOutcome(t, got, c.code, c.says)
			if c.code == 0 && got.out != "[]\n" {
				t.Errorf("got %q", got.out)
			}
		})
	}
}

// Nothing but --help and the like works without a folder, and all of that does.
func TestWhatNeedsNoFolder(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"manifest"}, {"manifest", "create", "--help"}, {"version"}, {"--version"}, {"help", "manifest", "push"}} {
		if got := do(t, nil, args...); got.code != 0 || got.out == "" || got.err != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestDefaultFormatOfTheConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, toml string
		code       int
		says       string
	}{
		// What is asked for next is a source that is not there.
		{"oci", `format = "oci"`, 5, "absent.cnb"},
		{"docker", `format = "docker"`, 5, "absent.cnb"},
		{"nothing", ``, 5, "absent.cnb"},
		{"something else", "other = 1\n[more]\n", 5, "absent.cnb"},
		{"unknown", `format = "OCI"`, 2, `manifest.toml: format "OCI": want "v2s2" or "oci"`},
		{"no text", `format = 1`, 2, "manifest.toml: "},
		{"no TOML", "format = \"oci\n", 2, "manifest.toml: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			file := filepath.Join(home, "manifest.toml")
			if err := os.WriteFile(file, []byte(c.toml), 0o600); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{"PACK_HOME": home}
			absent := filepath.Join(home, "absent.cnb")
			got := do(t, env, "manifest", "create", "acme/bp", absent)
			wantOutcome(t, got, c.code, c.says)
			if c.code == 2 && !strings.Contains(got.err, file) {
				t.Errorf("%q does not name the file", got.err)
			}
			// A flag needs no config.
			wantOutcome(t, do(t, env, "manifest", "create", "acme/bp", absent, "--format", "oci"), 5, "absent.cnb")
		})
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "manifest.toml"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, do(t, map[string]string{"PACK_HOME": home}, "manifest", "create", "acme/bp", "./x"), 1, "manifest.toml")
}

func TestAnnotationsOnTheCommandLine(t *testing.T) {
	t.Parallel()
	env := map[string]string{"PACK_HOME": t.TempDir()}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--annotation", "novalue"}, 2, `annotation "novalue": want KEY=VALUE`},
		{[]string{"--annotation", "=v"}, 2, `annotation "=v": want KEY=VALUE`},
		{[]string{"--annotation", ""}, 2, `annotation "": want KEY=VALUE`},
		{[]string{"--annotation", "k=1", "--annotation", "k=2"}, 2, `annotation "k": it is given twice: "1" and "2"`},
		{[]string{"--annotation", "k=1", "--annotations", "a=b,k=2"}, 2, `annotation "k": it is given twice`},
		// These are good, so what is missed is the list.
		{[]string{"--annotation", "k=1", "--annotation", "k=1"}, 5, "it is not in local storage"},
		{[]string{"--annotation", "k="}, 5, "it is not in local storage"},
		{[]string{"--annotation", "k=a=b,c=d"}, 5, "it is not in local storage"},
		{[]string{"--annotations", "k=1,l=2"}, 5, "it is not in local storage"},
	} {
		got := do(t, env, append([]string{"manifest", "annotate", "acme/bp", "linux/amd64"}, c.args...)...)
		wantOutcome(t, got, c.code, c.says)
	}
}

func TestRefusedOnTheCommandLine(t *testing.T) {
	t.Parallel()
	env := map[string]string{"PACK_HOME": t.TempDir()}
	for _, c := range []struct{ args, says string }{
		{"manifest create acme/bp a --replace --amend", "--replace and --amend contradict each other; give one of them"},
		{"manifest create acme/bp a --publish --replace --amend", "--replace and --amend and --publish contradict"},
		{"manifest create acme/bp a --tag x", "--tag: it is about a list that is published; add --publish"},
		{"manifest create acme/bp a --jobs -1", "--jobs: want a number from 1 to 1000"},
		{"manifest create acme/bp a --jobs 1001", "--jobs"},
		{"manifest push acme/bp --jobs many", "invalid argument"},
		{"manifest create acme/bp a -f x", `format "x": want "v2s2" or "oci"`},
		{"manifest push acme/bp -f x", `format "x"`},
		{"manifest annotate acme/bp", "want an entry to annotate, or --index for the list itself"},
		{"manifest annotate acme/bp linux/amd64 --index --annotation a=b", "--index: it annotates the list, so no entry can be given"},
		{"manifest annotate acme/bp --index --os linux", "--index: a list has no platform"},
		{"manifest annotate acme/bp --index", "nothing to set: give a platform flag, --annotation or --artifact-type"},
		{"manifest annotate acme/bp linux/amd64", "nothing to set"},
		{"manifest inspect acme/bp -o xml", `unknown form "xml"`},
		{"manifest list -o yaml", `unknown form "yaml"`},
		{"manifest list x", "want no arguments, got 1 argument(s): pack manifest list"},
		{"manifest inspect a b", "want one list or reference, got 2"},
		{"manifest remove", "want at least one list, got 0"},
		{"manifest rm a", "want a list and at least one entry, got 1"},
		{"manifest add a", "want a list and at least one source, got 1"},
		{"completion --shell tcsh", `--shell: unknown shell "tcsh"`},
		{"completion x", "want no arguments"},
		{"version x", "want no arguments"},
		{"manifest --nonsense", "unknown flag: --nonsense; see 'pack manifest --help'"},
		{"-x", "unknown shorthand flag: 'x' in -x; see 'pack --help'"},
	} {
		got := do(t, env, strings.Fields(c.args)...)
		wantOutcome(t, got, 2, c.says)
		if lines := strings.Count(got.err, "\n"); lines != 1 || !strings.HasPrefix(got.err, "ERROR: ") {
			t.Errorf("%s: %q", c.args, got.err)
		}
	}
	if entries, err := os.ReadDir(env["PACK_HOME"]); err != nil || len(entries) > 0 {
		t.Errorf("something was written: %v, %v", entries, err)
	}
}

// S1: the end of the context is told in one line.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&commands.Interrupt{Name: "interrupt", Code: 130})
	var out, err bytes.Buffer
	env := map[string]string{"PACK_HOME": t.TempDir()}
	code := commands.Main(ctx, process(env, &out, &err, "manifest", "inspect", "127.0.0.1:1/acme/bp"))
	if want := "ERROR: interrupted (interrupt): nothing was written\n"; code != 130 || err.String() != want || out.Len() > 0 {
		t.Errorf("exit %d, %q", code, err.String())
	}
}

func TestColours(t *testing.T) {
	t.Parallel()
	const esc = "\x1b["
	for _, c := range []struct {
		name string
		term bool
		env  string
		args string
		want bool
	}{
		{"terminal", true, "", "manifest remove x", true},
		{"file", false, "", "manifest remove x", false},
		{"NO_COLOR", true, "1", "manifest remove x", false},
		{"flag", true, "", "manifest remove x --no-color", false},
		{"forced", false, "1", "manifest remove x --force-color", true},
		{"usage, terminal", true, "", "manifest create", true},
		{"usage, NO_COLOR", true, "1", "manifest create", false},
		{"usage, flag", true, "", "--no-color manifest create", false},
		{"usage, forced", false, "", "--force-color manifest create", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out, err bytes.Buffer
			env := map[string]string{"PACK_HOME": t.TempDir(), "NO_COLOR": c.env}
			p := process(env, &out, &err, strings.Fields(c.args)...)
			p.Term = ui.Terminal{Err: c.term}
			if code := commands.Main(t.Context(), p); code == 0 {
				t.Error("there should be an error to show")
			}
			if got := strings.Contains(err.String(), esc); got != c.want {
				t.Errorf("colours are %v: %q", got, err.String())
			}
		})
	}
}
