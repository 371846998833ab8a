package commands_test

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/internal/commands"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// situation is a command after which something was found, and where its list is.
type situation struct {
	words     string
	arguments int
	at        string
}

// situations are all that there are, about the list L of the sources A and B.
func situations() []situation {
	return []situation{
		{"create L A B", 3, "kept"},
		{"create L A B", 3, "nowhere"},
		{"create L A --publish --preserve-digests", 2, "nowhere"},
		{"create L linux/arm64=A B --publish", 3, "nowhere"},
		{"add L A --annotation k=v", 2, "kept"},
		{"add L A --annotation k=v", 2, "nowhere"},
		{"annotate L linux/arm64 --variant v8 --annotations k=v", 2, "kept"},
		{"push L --preserve-digests", 1, "kept"},
		{"validate L --require linux/amd64", 1, "kept"},
		{"validate L --insecure --deep", 1, "published"},
		{"validate A B -o json", 2, "nowhere"},
		{"validate A -- B", 2, "nowhere"},
	}
}

// fill replaces the names in a command.
func (s situation) fill(list, a, b string) []string {
	words := []string{"pack", "manifest"}
	for word := range strings.FieldsSeq(s.words) {
		for name, text := range map[string]string{"L": list, "A": a, "B": b} {
			if front, ok := strings.CutSuffix(word, name); ok && (front == "" || front == "linux/arm64=") {
				word = front + text
				break
			}
		}
		words = append(words, word)
	}
	return words
}

// findings are one of each rule about the source a, and those that differ in how
// they are repaired.
func findings(a string) map[string]index.Finding {
	arch, variant, odd := "amd64", "v7", "it's 10;0"
	of := func(rule index.RuleID, patch index.PlatformPatch) index.Finding {
		entry := index.Entry{
			Descriptor: v1.Descriptor{Digest: digest(), MediaType: types.OCIManifestSchema1, Platform: &v1.Platform{OS: "linux", Architecture: "arm"}},
			Origin:     index.Origin{Ref: a},
		}
		return index.Finding{Rule: rule, Severity: index.Error, Entry: entry, Patch: patch, Values: []string{"oci"}}
	}
	all := map[string]index.Finding{}
	for _, info := range index.RuleTable() {
		all[string(info.ID)] = of(info.ID, index.PlatformPatch{})
	}
	for rule, patch := range map[index.RuleID]index.PlatformPatch{
		index.PlatformMissing: {Architecture: &arch}, index.PlatformUnknown: {Architecture: &arch}, index.VariantMissing: {Variant: &variant},
		index.VariantUnknown: {Variant: &variant}, index.PlatformMismatch: {Architecture: &arch, OSVersion: &odd},
	} {
		all[string(rule)] = of(rule, patch)
	}
	noGuess := of(index.PlatformMissing, index.PlatformPatch{})
	all["platform-missing, no guess"] = noGuess
	several := of(index.PlatformMissing, index.PlatformPatch{Architecture: &arch})
	several.Entry.Origin.Several, several.Values = true, nil
	all["platform-missing, one of several images"] = several
	several.Values, several.Entry.Platform = []string{"linux/amd64"}, nil
	all["platform-missing, one of several images, in its config"] = several
	list := of(index.PlatformsRequired, index.PlatformPatch{})
	list.Entry = index.Entry{}
	all["platforms-required, of the list"] = list
	list.Rule = index.AnnotationsInV2S2
	all["annotations-in-v2s2, of the list"] = list
	old := of(index.NotAnImage, index.PlatformPatch{})
	old.Entry.MediaType = types.DockerManifestSchema1
	all["not-an-image, schema 1"] = old
	hostile := of(index.PlatformUnknown, index.PlatformPatch{})
	hostile.Entry.Platform.OS = "li nux"
	all["platform-unknown, odd characters"] = hostile
	return all
}

// What is advised for every finding in every situation, for people to read in
// review.
func TestRepairs(t *testing.T) {
	t.Parallel()
	a, b := "dist/my a.cnb", "dist/b.cnb"
	all := findings(a)
	alike := map[string][]string{} // by what is advised
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var advice strings.Builder
		for _, s := range situations() {
			command, _ := commands.Advice(s.fill("acme/bp:1", a, b), s.arguments, s.at, all[name])
			fmt.Fprintf(&advice, "%-62s %s\n", s.at+": "+s.words, command)
		}
		text := strings.NewReplacer(digest().String(), "DIGEST", string(all[name].Rule), "RULE").Replace(advice.String())
		alike[text] = append(alike[text], name)
	}
	var got bytes.Buffer
	for _, text := range slices.SortedFunc(maps.Keys(alike), func(a, b string) int { return strings.Compare(alike[a][0], alike[b][0]) }) {
		fmt.Fprintf(&got, "# %s\n%s\n", strings.Join(alike[text], "\n# "), text)
	}
	testhelpers.Golden(t, filepath.Join("testdata", "repairs.txt"), got.Bytes())
}

// Every command that is advised is one that the program understands.
func TestRepairsAreAccepted(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	list, a, b := reg.Host+"/acme/bp:1", filepath.Join(t.TempDir(), "my a.cnb"), reg.Host+"/acme/b:1"
	ran := map[string]bool{}
	for name, f := range findings(a) {
		for _, s := range situations() {
			line, _ := commands.Advice(s.fill(list, a, b), s.arguments, s.at, f)
			if line == "" || ran[line] {
				continue
			}
			ran[line] = true
			all, err := readShell(line)
			if err != nil {
				t.Fatalf("%s: %s: %v", name, line, err)
			}
			for _, words := range all {
				env := map[string]string{"PACK_HOME": t.TempDir(), "DOCKER_CONFIG": t.TempDir()}
				if got := do(t, env, words[1:]...); got.code == 2 || got.code == 0 {
					t.Errorf("%s, %s: %s\nexits with %d: %s", name, s.words, line, got.code, got.err)
				}
			}
		}
	}
	if len(ran) < 100 {
		t.Errorf("%d commands", len(ran))
	}
}

// Nothing is repeated that has something like a password in it, or no end.
func TestCommandsThatAreNotRepeated(t *testing.T) {
	t.Parallel()
	lowered := index.Finding{Rule: index.NoLinuxAMD64, Severity: index.Warning}
	for repeated, words := range map[string][]string{
		"pack manifest push r/a:1 --allow no-linux-amd64":                       {"manifest", "push", "r/a:1"},
		"pack manifest push r/a@sha256:0 r:5/b@sha256:1 --allow no-linux-amd64": {"manifest", "push", "r/a@sha256:0", "r:5/b@sha256:1"},
		"pack manifest push --allow no-linux-amd64 -- r/a:1":                    {"manifest", "push", "--", "r/a:1"},
		"pack manifest push r/a:1 --metadata-file a@b --allow no-linux-amd64":   {"manifest", "push", "r/a:1", "--metadata-file", "a@b"},
		"": {"manifest", "push", "https://user:secret@r/a:1"},
	} {
		p := commands.Process{Name: "/usr/bin/pack", Args: words}
		if got := commands.Advisor(p, lowered); got != repeated {
			t.Errorf("%q: %s", words, got)
		}
	}
	long := commands.Process{Name: "pack", Args: []string{"manifest", "push", strings.Repeat("x", 2000)}}
	if got := commands.Advisor(long, lowered); got != "" {
		t.Errorf("repeated: %s", got)
	}
	alone := commands.Process{Name: "pack-manifest.exe", Args: []string{"push", "r/a:1"}}
	if got, want := commands.Advisor(alone, lowered), "pack-manifest push r/a:1 --allow no-linux-amd64"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
