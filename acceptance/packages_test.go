//go:build acceptance

package acceptance_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// targets are those of examples/hello-universe, in the order of its
// buildpack.toml.
func targets() []string { return []string{"linux/amd64", "linux/arm64", "windows/amd64"} }

// helloUniverse copies the example into the user's directory, ready for
// upstream pack.
func helloUniverse(tb testing.TB, h *home) {
	tb.Helper()
	from := os.DirFS(testhelpers.RepositoryFile(tb, "examples", "hello-universe"))
	if err := os.CopyFS(h.path("hello-universe"), from); err != nil {
		tb.Fatal(err)
	}
	h.ok(tb, testhelpers.Tool(tb, "pack"), "config", "experimental", "true")
}

// packedIn returns the digest of the one image in a .cnb file.
func packedIn(tb testing.TB, file string) v1.Hash {
	tb.Helper()
	f, err := os.Open(file)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			tb.Fatalf("%s has no index.json", file)
		}
		if err != nil {
			tb.Fatal(err)
		}
		if header.Name != "/index.json" {
			continue
		}
		list := parseList(tb, r)
		if len(list.Manifests) != 1 {
			tb.Fatalf("%s has %d images", file, len(list.Manifests))
		}
		return list.Manifests[0].Digest
	}
}

func parseList(tb testing.TB, from io.Reader) v1.IndexManifest {
	tb.Helper()
	var list v1.IndexManifest
	if err := json.NewDecoder(from).Decode(&list); err != nil {
		tb.Fatal(err)
	}
	return list
}

// lines are the entries of a list, as "PLATFORM DIGEST".
func lines(tb testing.TB, raw string) []string {
	tb.Helper()
	var lines []string
	for _, d := range parseList(tb, strings.NewReader(raw)).Manifests {
		if d.MediaType.IsIndex() {
			tb.Errorf("%s is a list in the list", d.Digest)
		}
		lines = append(lines, d.Platform.String()+" "+d.Digest.String())
	}
	return lines
}

func wantLines(tb testing.TB, what, raw string, want []string) {
	tb.Helper()
	if got := lines(tb, raw); !slices.Equal(got, want) {
		tb.Errorf("%s has\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPackagesInFiles (B26): the .cnb files of a release, as upstream pack
// writes them, become a list here, and in a registry in either format; the
// packages keep their bytes, but for the media types in their manifests where
// those are of the other family.
func TestPackagesInFiles(t *testing.T) {
	t.Parallel()
	upstream, crane := testhelpers.Tool(t, "pack"), testhelpers.Tool(t, "crane")
	host, h := testhelpers.StartDistribution(t), newHome(t)
	helloUniverse(t, h)
	h.ok(t, upstream, "buildpack", "package", "hello", "--format", "file", "--path", "hello-universe")
	var files, want []string
	for _, target := range targets() {
		file := h.path("hello-" + strings.ReplaceAll(target, "/", "-") + ".cnb")
		files = append(files, file)
		want = append(want, target+" "+packedIn(t, file).String())
	}
	name, oci, kept := host+"/acme/hello:1", host+"/acme/hello-oci:1", host+"/acme/hello-kept:1"
	created := h.manifest(t, slices.Concat([]string{"create", name}, files)...)
	wantLines(t, "the list in local storage", h.manifest(t, "inspect", name), want)
	publish := func(h *home, args ...string) string {
		return h.manifest(t, slices.Concat([]string{"create", "--publish", "--format", "oci"}, args, files)...)
	}
	for ref, printed := range map[string]string{
		name: h.manifest(t, "push", name), oci: publish(h, oci), kept: publish(h, "--preserve-digests", kept),
	} {
		if got := h.ok(t, crane, "digest", ref); !strings.HasSuffix(printed, "@"+got) {
			t.Errorf("%s has the digest %s, we printed %s", ref, got, printed)
		}
		if ref == name && printed != created {
			t.Errorf("create printed %s, push %s", created, printed)
		}
		raw := h.ok(t, crane, "manifest", ref)
		if ref == oci {
			wantConverted(t, raw)
		} else {
			wantLines(t, ref, raw, want)
		}
		for _, target := range targets() {
			if got, first := h.ok(t, crane, "config", "--platform", target, ref), h.ok(t, crane, "config", "--platform", target, name); got != first {
				t.Errorf("%s has for %s the config\n%s\nwant\n%s", ref, target, got, first)
			}
		}
		h.ok(t, crane, "validate", "--remote", ref)
		if said := h.ok(t, upstream, "buildpack", "inspect", ref); !strings.Contains(said, "examples/hello-universe@0.0.1") {
			t.Errorf("upstream says of %s:\n%s", ref, said)
		}
	}
	if kept := listed(t, h); len(kept) != 1 || kept[name] == nil {
		t.Errorf("local storage has %v, want %s alone", kept, name)
	}
	// Somebody else gets the same digest from the same files.
	if first, again := publish(h, oci), publish(newHome(t), oci); again != first {
		t.Errorf("made again it is %s, before it was %s", again, first)
	}
}

// wantConverted looks for a list of images in OCI's types, for all targets.
func wantConverted(tb testing.TB, raw string) {
	tb.Helper()
	var got []string
	for _, d := range parseList(tb, strings.NewReader(raw)).Manifests {
		if d.MediaType != types.OCIManifestSchema1 {
			tb.Errorf("%s has the type %s", d.Digest, d.MediaType)
		}
		got = append(got, d.Platform.String())
	}
	if !slices.Equal(got, targets()) {
		tb.Errorf("the list is for %q, want %q", got, targets())
	}
}

// TestPackagesInRegistry: packages that upstream published one by one, and the
// list that it published of all its targets, are the same sources.
func TestPackagesInRegistry(t *testing.T) {
	t.Parallel()
	upstream, crane := testhelpers.Tool(t, "pack"), testhelpers.Tool(t, "crane")
	host, elsewhere, h := testhelpers.StartDistribution(t), testhelpers.StartDockerRegistry(t), newHome(t)
	helloUniverse(t, h)
	packaged := func(ref string, args ...string) string {
		h.ok(t, upstream, slices.Concat([]string{"buildpack", "package", ref, "--path", "hello-universe", "--publish"}, args)...)
		return ref
	}
	all := packaged(host + "/acme/hello:all")
	var single, want []string
	for _, target := range targets() {
		ref := packaged(host+"/acme/hello:"+strings.ReplaceAll(target, "/", "-"), "--target", target)
		single = append(single, ref)
		want = append(want, target+" "+h.ok(t, crane, "digest", "--platform", target, ref))
	}
	for _, to := range []string{host + "/acme/hello", host + "/acme/other", elsewhere + "/acme/hello"} {
		fromTags := h.manifest(t, slices.Concat([]string{"create", to + ":tags", "--publish", "--format", "oci"}, single)...)
		fromList := h.manifest(t, "create", to+":list", all, "--publish", "--format", "oci")
		// The one is made anew, the other stays what upstream wrote.
		if theirs := h.ok(t, crane, "digest", all); digestIn(t, fromList).String() != theirs || digestIn(t, fromTags).String() == theirs {
			t.Errorf("from tags it is %s, from upstream's list %s, and that is %s", fromTags, fromList, theirs)
		}
		for _, tag := range []string{":tags", ":list"} {
			wantLines(t, to+tag, h.ok(t, crane, "manifest", to+tag), want)
			h.ok(t, crane, "validate", "--remote", to+tag)
		}
		if said := h.ok(t, upstream, "buildpack", "inspect", to+":list"); !strings.Contains(said, "examples/hello-universe@0.0.1") {
			t.Errorf("upstream says of %s:list:\n%s", to, said)
		}
	}
	// Kept here first, and pushed.
	kept := host + "/acme/kept:1"
	created := h.manifest(t, "create", kept, all, "--format", "oci")
	wantLines(t, kept, h.manifest(t, "inspect", kept), want)
	if pushed := h.manifest(t, "push", kept); pushed != created {
		t.Errorf("create printed %s, push %s", created, pushed)
	}
	h.ok(t, crane, "validate", "--remote", kept)
}
