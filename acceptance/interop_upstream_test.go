//go:build acceptance

package acceptance_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestInteropUpstreamInspectsChildren: upstream pack reads a package that we
// published, by the list's tag and by the package's own digest.
func TestInteropUpstreamInspectsChildren(t *testing.T) {
	t.Parallel()
	upstream := testhelpers.Tool(t, "pack")
	fromFiles := func(s source, _ string) bool { return s.cnb }
	eachList(t, fromFiles, func(p published) {
		t, h := p.t, p.home
		var list v1.IndexManifest
		raw, _ := getManifest(t, p.host, p.repository, "1")
		if err := json.Unmarshal(raw, &list); err != nil || len(list.Manifests) != len(children()) {
			t.Fatalf("%v in %s", err, raw)
		}
		refs := []string{p.ref()}
		for _, d := range list.Manifests {
			refs = append(refs, p.host+"/"+p.repository+"@"+d.Digest.String())
		}
		for _, ref := range refs {
			said := h.ok(t, upstream, "buildpack", "inspect", ref)
			if !strings.Contains(said, "REMOTE IMAGE:") || !strings.Contains(said, "acme/hello@1.2.3") {
				t.Errorf("upstream says of %s:\n%s", ref, said)
			}
		}
	})
}

// theirList is a list that upstream pack keeps.
type theirList struct{ name, file string }

// upstreamLists makes one list below PACK_HOME and one in the runtime directory,
// both by upstream pack.
func upstreamLists(t *testing.T, h *home, host string) []theirList {
	t.Helper()
	upstream := testhelpers.Tool(t, "pack")
	h.ok(t, upstream, "config", "experimental", "true")
	var refs []string
	for i, c := range children()[:2] {
		ref := host + "/parts/upstream:" + c.arch
		push(t, ref, source{oci: true}.image(t, i, c))
		refs = append(refs, ref)
	}
	if err := os.Mkdir(h.path("run"), 0o700); err != nil {
		t.Fatal(err)
	}
	lists := []theirList{
		{host + "/lists/at-home:1", h.path("pack", "manifests", safeName(host)+"_lists_at-home-1", "index.json")},
		{host + "/lists/at-run:1", h.path("run", safeName(host)+"_lists_at-run-1", "index.json")},
	}
	h.without("XDG_RUNTIME_DIR").ok(t, upstream, slices.Concat([]string{"manifest", "create", lists[0].name}, refs)...)
	h.ok(t, upstream, slices.Concat([]string{"manifest", "create", lists[1].name}, refs)...)
	return lists
}

func safeName(host string) string { return strings.ReplaceAll(host, ":", "-") }

func readFile(tb testing.TB, path string) string {
	tb.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

// listed are the lists that "list -o json" shows.
func listed(tb testing.TB, h *home) map[string][]string {
	tb.Helper()
	var rows []struct {
		Name, Error string
		Platforms   []string
	}
	if err := json.Unmarshal([]byte(h.manifest(tb, "list", "-o", "json")), &rows); err != nil {
		tb.Fatal(err)
	}
	platforms := map[string][]string{}
	for _, r := range rows {
		if r.Error != "" {
			tb.Errorf("list %s: %s", r.Name, r.Error)
		}
		platforms[r.Name] = r.Platforms
	}
	return platforms
}

// TestInteropUpstreamLists (B30): lists that upstream pack keeps, wherever it
// does, are found and read; a change of ours takes them over and leaves
// upstream's alone; remove removes both.
func TestInteropUpstreamLists(t *testing.T) {
	t.Parallel()
	upstream := testhelpers.Tool(t, "pack")
	host, h := testhelpers.StartDistribution(t), newHome(t)
	h = h.with("XDG_RUNTIME_DIR=" + h.path("run"))
	lists := upstreamLists(t, h, host)
	found := listed(t, h)
	for i, l := range lists {
		theirs := readFile(t, l.file)
		if want := []string{"linux/amd64", "linux/arm64"}; !slices.Equal(found[l.name], want) {
			t.Errorf("list shows %q of %s, want %q", found[l.name], l.name, want)
		}
		if got := h.run(t, testhelpers.Binary(t), "manifest", "inspect", l.name).stdout; got != theirs {
			t.Errorf("inspect %s shows\n%s\nand upstream keeps\n%s", l.name, got, theirs)
		}
		h.manifest(t, "annotate", l.name, "linux/arm64", "--variant", "v8")
		if got := listed(t, h)[l.name]; !slices.Equal(got, []string{"linux/amd64", "linux/arm64/v8"}) {
			t.Errorf("after annotate, list shows %q of %s", got, l.name)
		}
		if got := readFile(t, l.file); got != theirs {
			t.Errorf("annotate changed upstream's %s to\n%s", l.file, got)
		}
		// Upstream looks in one place, which the variable decides.
		as := h
		if i == 0 {
			as = h.without("XDG_RUNTIME_DIR")
		}
		if said := as.ok(t, upstream, "manifest", "inspect", l.name); !strings.Contains(said, `"arm64"`) || strings.Contains(said, "v8") {
			t.Errorf("upstream shows of its %s\n%s", l.name, said)
		}
	}
	if len(found) != len(lists) {
		t.Errorf("list shows %v, want %v", found, lists)
	}
	h.manifest(t, "remove", lists[0].name, lists[1].name)
	if left := listed(t, h); len(left) != 0 {
		t.Errorf("list shows %v after remove", left)
	}
	for _, l := range lists {
		if _, err := os.Lstat(filepath.Dir(l.file)); !os.IsNotExist(err) {
			t.Errorf("remove left upstream's %s: %v", filepath.Dir(l.file), err)
		}
	}
	if config := readFile(t, h.path("pack", "config.toml")); !strings.Contains(config, "experimental = true") {
		t.Errorf("upstream's config.toml is now\n%s", config)
	}
}

// TestInteropUpstreamListIsPushed: a list that upstream keeps can be published
// where its images are already.
func TestInteropUpstreamListIsPushed(t *testing.T) {
	t.Parallel()
	upstream, crane := testhelpers.Tool(t, "pack"), testhelpers.Tool(t, "crane")
	host, h := testhelpers.StartDistribution(t), newHome(t)
	h.ok(t, upstream, "config", "experimental", "true")
	name := host + "/acme/bp:1"
	args := []string{"manifest", "create", name}
	for i, c := range children()[:2] {
		ref := host + "/acme/bp:" + c.arch
		push(t, ref, source{oci: true}.image(t, i, c))
		args = append(args, ref)
	}
	h.ok(t, upstream, args...)
	theirs := readFile(t, h.path("pack", "manifests", safeName(host)+"_acme_bp-1", "index.json"))
	digest := digestIn(t, h.manifest(t, "push", name))
	if want := sha256Of(t, []byte(theirs)); digest != want {
		t.Errorf("push gives %s, upstream keeps %s", digest, want)
	}
	if raw, _ := getManifest(t, host, "acme/bp", "1"); string(raw) != theirs {
		t.Errorf("the registry has\n%s\nand upstream keeps\n%s", raw, theirs)
	}
	h.ok(t, crane, "validate", "--remote", name)
}
