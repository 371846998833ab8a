//go:build acceptance

package acceptance_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// original is an image as somebody made it, in a registry.
type original struct {
	maker, repository string
	digest            v1.Hash
	format            string // v2s2 or oci
}

// originals are images of upstream pack, of our test fixtures, of skopeo and of
// crane, as far as each makes them of both families.
func originals(t *testing.T, h *home, host string) []original {
	t.Helper()
	upstream, crane, skopeo := testhelpers.Tool(t, "pack"), testhelpers.Tool(t, "crane"), testhelpers.Peer(t, "skopeo")
	helloUniverse(t, h)
	h.ok(t, upstream, "buildpack", "package", "hello", "--format", "file", "--path", "hello-universe", "--target", "linux/amd64")
	file := h.path("hello.cnb")
	h.manifest(t, "create", host+"/from/pack:1", file, "--publish", "--format", "v2s2")
	h.ok(t, upstream, "buildpack", "package", host+"/from/pack-registry:1", "--path", "hello-universe", "--target", "linux/amd64", "--publish")
	push(t, host+"/from/docker:1", source{}.image(t, 0, children()[0]))
	push(t, host+"/from/oci:1", source{oci: true}.image(t, 0, children()[0]))
	copied := func(format, from, to string) {
		h.ok(t, skopeo, "--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--format", format,
			"docker://"+host+"/from/"+from, "docker://"+host+"/from/"+to)
	}
	copied("oci", "docker:1", "skopeo-oci:1")
	copied("v2s2", "oci:1", "skopeo-docker:1")
	appended := func(to string, args ...string) {
		h.ok(t, crane, slices.Concat([]string{"append", "-f", file, "-t", host + "/from/" + to}, args)...)
		h.ok(t, crane, "mutate", "--set-platform", "linux/amd64", "-t", host+"/from/"+to, host+"/from/"+to)
	}
	appended("crane-docker:1")
	appended("crane-oci:1", "--oci-empty-base")
	all := []original{{maker: "pack", digest: packedIn(t, file), format: "v2s2"}}
	for _, o := range []original{
		{maker: "pack-registry", format: "oci"},
		{maker: "docker", format: "v2s2"},
		{maker: "oci", format: "oci"},
		{maker: "skopeo-docker", format: "v2s2"},
		{maker: "skopeo-oci", format: "oci"},
		{maker: "crane-docker", format: "v2s2"},
		{maker: "crane-oci", format: "oci"},
	} {
		digest, err := v1.NewHash(h.ok(t, crane, "digest", "--platform", "linux/amd64", host+"/from/"+o.maker+":1"))
		if err != nil {
			t.Fatal(err)
		}
		o.digest = digest
		all = append(all, o)
	}
	for i, o := range all {
		all[i].repository = host + "/from/" + o.maker
	}
	return all
}

// readers read the manifest of an image in a registry, each with a program of
// somebody else's.
func readers(t *testing.T, h *home, host string) map[string]func(ref string) string {
	t.Helper()
	crane, regctl, skopeo := testhelpers.Tool(t, "crane"), testhelpers.Tool(t, "regctl"), testhelpers.Peer(t, "skopeo")
	read := func(program string, args ...string) string {
		r := h.run(t, program, args...)
		if r.code != 0 {
			t.Fatalf("%s %q: %s", program, args, r.stderr)
		}
		return r.stdout
	}
	return map[string]func(string) string{
		"crane": func(ref string) string { return read(crane, "manifest", ref) },
		"skopeo": func(ref string) string {
			return read(skopeo, "inspect", "--raw", "--tls-verify=false", "docker://"+ref)
		},
		"regctl": func(ref string) string {
			return read(regctl, "--host", "reg="+host+",tls=disabled", "manifest", "get", "--format", "raw-body", ref)
		},
	}
}

// content is what a manifest refers to: the config, then the layers, with their
// sizes and the URLs where they are.
func content(tb testing.TB, raw string) []string {
	tb.Helper()
	m, err := v1.ParseManifest(strings.NewReader(raw))
	if err != nil {
		tb.Fatalf("%v in %s", err, raw)
	}
	var texts []string
	for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		texts = append(texts, strings.Join(append([]string{d.Digest.String(), strconv.FormatInt(d.Size, 10)}, d.URLs...), " "))
	}
	return texts
}

// family is the family that all media types of an image's manifest are of, ""
// where they are mixed.
func family(tb testing.TB, raw string) string {
	tb.Helper()
	m, err := v1.ParseManifest(strings.NewReader(raw))
	if err != nil {
		tb.Fatalf("%v in %s", err, raw)
	}
	oci := m.MediaType == types.OCIManifestSchema1
	for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if strings.HasPrefix(string(d.MediaType), "application/vnd.oci.image.") != oci {
			return ""
		}
	}
	return map[bool]string{true: "oci", false: "v2s2"}[oci]
}

// onlyChild returns the one entry of a list in a registry.
func onlyChild(tb testing.TB, h *home, ref string) v1.Descriptor {
	tb.Helper()
	list := parseList(tb, strings.NewReader(h.ok(tb, testhelpers.Tool(tb, "crane"), "manifest", ref)))
	if len(list.Manifests) != 1 {
		tb.Fatalf("%s has %d entries", ref, len(list.Manifests))
	}
	return list.Manifests[0]
}

// TestConversionKeepsContent: whoever made an image, the one of the other family
// that we make of it has its config and layers, in the eyes of three others, and
// the way back gives the first bytes.
func TestConversionKeepsContent(t *testing.T) {
	t.Parallel()
	crane := testhelpers.Tool(t, "crane")
	host, h := testhelpers.StartDistribution(t), newHome(t)
	other := map[string]string{"v2s2": "oci", "oci": "v2s2"}
	for _, o := range originals(t, h, host) {
		t.Run(o.maker, func(t *testing.T) {
			t.Parallel()
			from := o.repository + "@" + o.digest.String()
			converted, back := host+"/converted/"+o.maker, host+"/back/"+o.maker
			h.manifest(t, "create", converted+":1", from, "--publish", "--format", other[o.format])
			h.manifest(t, "create", back+":1", converted+":1", "--publish", "--format", o.format)
			child, first := onlyChild(t, h, converted+":1"), onlyChild(t, h, back+":1")
			if child.Digest == o.digest || first.Digest != o.digest {
				t.Errorf("%s became %s and that %s", o.digest, child.Digest, first.Digest)
			}
			for name, read := range readers(t, h, host) {
				before, after, again := read(from), read(converted+"@"+child.Digest.String()), read(back+"@"+first.Digest.String())
				if family(t, before) != o.format || family(t, after) != other[o.format] {
					t.Errorf("%s reads\n%s\nof %s, which was\n%s", name, after, o.maker, before)
				}
				if got, want := content(t, after), content(t, before); !slices.Equal(got, want) || len(want) < 2 {
					t.Errorf("%s finds the content\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				if again != before {
					t.Errorf("%s reads\n%s\nand back again\n%s", name, before, again)
				}
			}
			for _, ref := range []string{converted + "@" + child.Digest.String(), back + "@" + first.Digest.String()} {
				h.ok(t, crane, "validate", "--remote", ref)
			}
		})
	}
}
