package commands_test

import (
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/buildpacks-community/pack-manifest/internal/commands"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// every returns all commands of the tree, by what a user types to get there.
func every(t *testing.T) map[string]*cobra.Command {
	t.Helper()
	all := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		all[cmd.CommandPath()] = cmd
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(commands.NewRoot(process(nil, io.Discard, io.Discard)))
	if len(all) < 12 {
		t.Fatalf("%d commands", len(all))
	}
	return all
}

// The help of each command, for people to read in review.
func TestHelp(t *testing.T) {
	t.Parallel()
	for path := range every(t) {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			got := do(t, nil, append(strings.Fields(path)[1:], "--help")...)
			if got.code != 0 || got.err != "" {
				t.Errorf("%+v", got)
			}
			testhelpers.Golden(t, filepath.Join("testdata", "help", strings.ReplaceAll(path, " ", "_")+".txt"), []byte(got.out))
		})
	}
}

func TestEveryCommandIsDocumented(t *testing.T) {
	t.Parallel()
	for path, cmd := range every(t) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || strings.ToUpper(cmd.Short[:1]) != cmd.Short[:1] {
			t.Errorf("%s: Short is %q", path, cmd.Short)
		}
		for line := range strings.SplitSeq(cmd.Long, "\n") {
			if len(line) > 80 {
				t.Errorf("%s: a line of Long has %d characters: %s", path, len(line), line)
			}
		}
		if cmd.HasSubCommands() {
			continue
		}
		if n := len(examples(cmd)); n < 2 {
			t.Errorf("%s has %d examples with a comment", path, n)
		}
		if cmd.ValidArgsFunction == nil && strings.Contains(cmd.Use, " ") {
			t.Errorf("%s: nothing completes %s", path, cmd.Use)
		}
	}
}

// example is what a command's help shows: a comment, and what to type.
type example struct{ comment, line string }

func examples(cmd *cobra.Command) []example {
	var all []example
	for block := range strings.SplitSeq(cmd.Example, "\n\n") {
		comment, line, ok := strings.Cut(strings.TrimSpace(block), "\n")
		if ok && strings.HasPrefix(comment, "# ") {
			all = append(all, example{comment, strings.TrimSpace(line)})
		}
	}
	return all
}

// Every flag says what it does, and completes what it can be.
func TestEveryFlagIsDocumented(t *testing.T) {
	t.Parallel()
	// The values of these are nobody's to know.
	open := []string{"annotation", "annotations", "tag", "jobs", "os-version", "os-features", "if-tag", "metadata-file", "digest-file", "artifact-type"}
	for path, cmd := range every(t) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			name, usage := pflag.UnquoteUsage(f)
			if usage == "" || strings.HasSuffix(usage, ".") || strings.ToUpper(usage[:1]) != usage[:1] {
				t.Errorf("%s --%s: usage is %q", path, f.Name, usage)
			}
			if f.Value.Type() == "bool" || slices.Contains(open, f.Name) {
				return
			}
			if name != strings.ToUpper(name) {
				t.Errorf("%s --%s: its value is called %q", path, f.Name, name)
			}
			complete, ok := cmd.GetFlagCompletionFunc(f.Name)
			if !ok {
				t.Errorf("%s: nothing completes --%s", path, f.Name)
				return
			}
			values, directive := complete(cmd, nil, "")
			if name == "PATH" && values == nil && directive == cobra.ShellCompDirectiveDefault {
				return // the shell knows the files
			}
			if len(values) < 2 || directive != cobra.ShellCompDirectiveNoFileComp {
				t.Errorf("%s --%s completes to %v", path, f.Name, values)
			}
		})
	}
}

// What completion offers is taken, and what the usage names is offered.
func TestCompletedValuesAreValid(t *testing.T) {
	t.Parallel()
	words := regexp.MustCompile(`: (?:"?\w+"?(?: \([^)]*\))?(?:, | or )?)+`)
	for path, cmd := range every(t) {
		for _, flag := range []string{"format", "output", "shell"} {
			f := cmd.LocalFlags().Lookup(flag)
			if f == nil {
				continue
			}
			complete, ok := cmd.GetFlagCompletionFunc(flag)
			if !ok {
				continue // TestEveryFlagIsDocumented tells
			}
			values, _ := complete(cmd, nil, "")
			usage := words.FindString(f.Usage)
			for _, value := range values {
				if !regexp.MustCompile(`\b` + value + `\b`).MatchString(usage) {
					t.Errorf("%s --%s: %q does not name %q", path, flag, f.Usage, value)
				}
				env := map[string]string{"PACK_HOME": t.TempDir()}
				args := append(strings.Fields(path)[1:], "--"+flag, value)
				for _, word := range strings.Fields(cmd.Use)[1:] {
					if !strings.HasPrefix(word, "[") {
						args = append(args, "./absent.cnb")
					}
				}
				if got := do(t, env, args...); strings.Contains(got.err, "unknown") || strings.Contains(got.err, "want \"") {
					t.Errorf("%q: %s", args, got.err)
				}
			}
		}
	}
}
