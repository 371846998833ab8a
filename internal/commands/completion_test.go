package commands_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// complete returns what a shell offers after these words, without descriptions,
// and cobra's directive.
func complete(t *testing.T, env map[string]string, words ...string) (offers []string, directive string) {
	t.Helper()
	got := do(t, env, append([]string{"__completeNoDesc"}, words...)...)
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	return lines[:len(lines)-1], lines[len(lines)-1]
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	dir := t.TempDir()
	env := map[string]string{"PACK_HOME": filepath.Join(dir, "home")}
	file := testhelpers.WriteCNB(t, filepath.Join(dir, "bp.cnb"), testhelpers.Buildpackage(t, testhelpers.PackageSpec{}))
	windows := testhelpers.Buildpackage(t, testhelpers.PackageSpec{Platform: v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.1"}})
	other := testhelpers.WriteCNB(t, filepath.Join(dir, "other.cnb"), windows)
	for _, args := range [][]string{{reg.Host + "/acme/bp:1", file, other}, {"acme/two", file}} {
		if got := do(t, env, append([]string{"manifest", "create"}, args...)...); got.code != 0 {
			t.Fatalf("%+v", got)
		}
	}
	digests := strings.Fields(do(t, env, "manifest", "inspect", reg.Host+"/acme/bp:1", "-o", "table").out)
	digests = slices.DeleteFunc(digests, func(word string) bool { return !strings.HasPrefix(word, "sha256:") })[1:]
	lists := []string{reg.Host + "/acme/bp:1", "acme/two:latest"}
	entries := []string{"linux/amd64", digests[0], "windows/amd64:10.0.1", digests[1]}
	const noFiles, onlyExtension, anything = ":4", ":8", ":0"
	for _, c := range []struct {
		words     string // "_" for nothing typed yet
		want      []string
		directive string
	}{
		{"manifest inspect _", lists, noFiles},
		{"manifest push _", lists, noFiles},
		{"manifest remove _", lists, noFiles},
		{"manifest rm _", lists, noFiles},
		{"manifest annotate _", lists, noFiles},
		{"manifest add _", lists, noFiles},
		{"manifest create _", lists, noFiles},
		{"manifest add acme/two _", []string{"cnb"}, onlyExtension},
		{"manifest create acme/two x.cnb _", []string{"cnb"}, onlyExtension},
		{"manifest rm " + lists[0] + " _", entries, noFiles},
		{"manifest annotate docker.io/acme/two _", entries[:2], noFiles},
		{"manifest rm " + reg.Host + "/acme/none _", nil, noFiles},
		{"manifest rm NO _", nil, noFiles},
		{"manifest create --format _", []string{"v2s2", "oci"}, noFiles},
		{"manifest push -f _", []string{"v2s2", "oci"}, noFiles},
		{"manifest inspect -o _", []string{"raw", "table", "json", "yaml", "toml"}, noFiles},
		{"manifest list -o _", []string{"table", "json"}, noFiles},
		{"completion --shell _", []string{"bash", "zsh", "fish", "powershell"}, noFiles},
		// The shells' scripts leave out what does not begin as it should.
		{"manifest annotate a b --os wi", []string{"linux", "windows", "darwin", "freebsd"}, noFiles},
		{"manifest add a b --variant _", []string{"v5", "v6", "v7", "v8"}, noFiles},
		{"manifest re", []string{"remove", "resolve"}, noFiles},
		{"help m", []string{"manifest", "version", "completion"}, noFiles},
		{"help no such _", nil, noFiles},
		{"manifest create --tag _", nil, anything},
	} {
		words := strings.Fields(c.words)
		if words[len(words)-1] == "_" {
			words[len(words)-1] = ""
		}
		got, directive := complete(t, env, words...)
		if !slices.Equal(got, c.want) || directive != c.directive {
			t.Errorf("%s: got %q %s, want %q %s", c.words, got, directive, c.want, c.directive)
		}
	}
	if n := len(reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
	// A store that cannot be read is no reason to offer files.
	if got, directive := complete(t, nil, "manifest", "rm", ""); len(got) > 0 || directive != ":1" {
		t.Errorf("got %q %s", got, directive)
	}
}

func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	env := map[string]string{"PACK_HOME": filepath.Join(t.TempDir(), "not", "there", "yet")}
	for shell, c := range map[string]struct{ file, has string }{
		"bash":       {"completion-pack.sh", "complete -o default -F __start_pack pack"},
		"zsh":        {"completion-pack.zsh", "#compdef pack"},
		"fish":       {"completion-pack.fish", "complete -c pack"},
		"powershell": {"completion-pack.ps1", "Register-ArgumentCompleter -CommandName 'pack'"},
	} {
		path := filepath.Join(env["PACK_HOME"], c.file)
		got := do(t, env, "completion", "--shell", shell)
		if got.code != 0 || got.out != path+"\n" || got.err != "" {
			t.Errorf("%s: %+v", shell, got)
		}
		raw, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(raw), c.has) {
			t.Errorf("%s: %v, %.200s", shell, err, raw)
		}
	}
	if got := do(t, env, "completion"); !strings.HasSuffix(got.out, "completion-pack.sh\n") {
		t.Errorf("%+v", got)
	}
	wantOutcome(t, do(t, nil, "completion"), 2, "PACK_HOME")
}
