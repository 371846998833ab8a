//go:build acceptance

package acceptance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// twelve are the platforms of a large release.
func twelve() []child {
	return []child{
		{os: "linux", arch: "amd64"},
		{os: "linux", arch: "386"},
		{os: "linux", arch: "arm", variant: "v5"},
		{os: "linux", arch: "arm", variant: "v6"},
		{os: "linux", arch: "arm", variant: "v7"},
		{os: "linux", arch: "arm64", variant: "v8"},
		{os: "linux", arch: "mips64le"},
		{os: "linux", arch: "ppc64le"},
		{os: "linux", arch: "riscv64"},
		{os: "linux", arch: "s390x"},
		{os: "windows", arch: "amd64", osVersion: "10.0.20348.2227"},
		{os: "windows", arch: "arm64", osVersion: "10.0.26100.1"},
	}
}

// release is the packages of twelve platforms, each in all places.
type release struct {
	*dockerLab
	images  []v1.Image
	configs []v1.Hash
	places  map[string][]string // sources by kind, in the order of twelve
}

func newRelease(t *testing.T) *release {
	t.Helper()
	r := &release{dockerLab: newDockerLab(t), places: map[string][]string{}}
	for i, c := range twelve() {
		img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{
			Platform: v1.Platform{OS: c.os, Architecture: c.arch, Variant: c.variant, OSVersion: c.osVersion}, Seed: uint64(i) + 1, LayerSizes: []int64{64, 2000},
		})
		config, err := img.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		r.images, r.configs = append(r.images, img), append(r.configs, config)
		file := testhelpers.WriteCNB(t, r.path(fmt.Sprintf("bp-%d.cnb", i)), img)
		layout := testhelpers.CNB{Images: []v1.Image{img}}.Layout(t, r.path(fmt.Sprintf("layout-%d", i)))
		r.add("files", file)
		r.add("layouts", "oci:"+layout)
		r.add("docker", r.inDocker(i, c, img, file))
	}
	elsewhere := testhelpers.StartDistribution(t)
	for i, img := range r.images {
		ref := fmt.Sprintf("%s/parts/%d:1", elsewhere, i)
		push(t, ref, img)
		r.add("registry", ref)
	}
	for i := range twelve() { // three of each
		r.add("all kinds", r.places[[]string{"files", "docker", "registry", "layouts"}[i%4]][i])
	}
	return r
}

func (r *release) add(kind, source string) { r.places[kind] = append(r.places[kind], source) }

// inDocker loads an image into the daemon, which as one for Linux refuses those
// for Windows: then the file stands in for it.
func (r *release) inDocker(i int, c child, img v1.Image, file string) string {
	r.t.Helper()
	if c.os != "linux" {
		return file
	}
	ref := fmt.Sprintf("acme/bp:%d", i)
	r.load(ref, img)
	return "docker-daemon:" + ref
}

// TestEverySourceToOneList: twelve packages become a published list by one
// command, from files without Docker, from layouts, from a Docker daemon, from
// another registry, and from all of these at once. Whatever they are made from,
// the lists have the same images, which every client finds for every platform.
func TestEverySourceToOneList(t *testing.T) {
	t.Parallel()
	r := newRelease(t)
	same := map[v1.Hash][]string{}
	for _, kind := range []string{"files", "layouts", "docker", "registry", "all kinds"} {
		h := r.home
		if kind == "files" {
			h = h.with("DOCKER_HOST=unix:///no/such/socket", "PATH=/no/such/folder")
		}
		ref := r.host + "/lists/" + strings.ReplaceAll(kind, " ", "-") + ":1"
		digest := digestIn(t, h.manifest(t, slices.Concat([]string{"create", "--publish", "--format", "oci", ref}, r.places[kind])...))
		if kind != "docker" && kind != "all kinds" { // the daemon has no compressed layers to keep
			same[digest] = append(same[digest], kind)
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r.checkList(t, ref, digest)
		})
		if kind == "all kinds" {
			t.Run("podman", func(t *testing.T) { t.Parallel(); r.checkPodman(t, ref) })
			t.Run("docker pull", func(t *testing.T) { t.Parallel(); r.checkPulled(t, ref) })
			t.Run("upstream", func(t *testing.T) { t.Parallel(); r.checkUpstream(t, ref) })
		}
	}
	if len(same) != 1 {
		t.Errorf("the same images give different lists: %v", same)
	}
}

// checkList asks clients of registries for each platform.
func (r *release) checkList(t *testing.T, ref string, digest v1.Hash) {
	t.Helper()
	crane, regctl, skopeo := testhelpers.Tool(t, "crane"), testhelpers.Tool(t, "regctl"), testhelpers.Peer(t, "skopeo")
	if got := r.ok(t, crane, "digest", ref); got != digest.String() {
		t.Errorf("crane says %s, we said %s", got, digest)
	}
	r.ok(t, crane, "validate", "--remote", ref) // every layer of every image
	for i, c := range twelve() {
		for by, got := range map[string]v1.Hash{
			"crane": configIn(t, r.ok(t, crane, "manifest", "--platform", c.platform(), ref)),
			"regctl": configIn(t, r.ok(t, regctl, "--host", "reg="+r.host+",tls=disabled", "manifest", "get",
				"--platform", c.name(), "--format", "raw-body", ref)),
			"skopeo": sha256Of(t, []byte(r.run(t, skopeo, "inspect", "--config", "--raw", "--tls-verify=false",
				"--override-os", c.os, "--override-arch", c.arch, "--override-variant", c.variant, "docker://"+ref).stdout)),
		} {
			if got != r.configs[i] {
				t.Errorf("%s finds the config %s for %s, want %s", by, got, c.platform(), r.configs[i])
			}
		}
	}
}

func (r *release) checkPodman(t *testing.T, ref string) {
	t.Helper()
	podman, dir := testhelpers.Peer(t, "podman"), shortDir(t)
	for i, c := range twelve() {
		id := r.ok(t, podman, "--root", dir+"/root", "--runroot", dir+"/run", "--tmpdir", dir+"/tmp", "--storage-driver", "vfs",
			"pull", "-q", "--tls-verify=false", "--platform", c.name(), ref)
		if id != r.configs[i].Hex {
			t.Errorf("podman pulls %s for %s, want %s", id, c.name(), r.configs[i])
		}
	}
}

func (r *release) checkPulled(t *testing.T, ref string) {
	t.Helper()
	for i, c := range twelve() {
		if c.os != "linux" {
			continue
		}
		r.ok(t, r.docker, "pull", "-q", "--platform", c.name(), ref)
		if got := r.ok(t, r.docker, "image", "inspect", "--format", "{{.Id}}", ref); got != r.configs[i].String() {
			t.Errorf("docker pulls %s for %s, want %s", got, c.name(), r.configs[i])
		}
	}
}

// checkUpstream has upstream pack read each child, and the list saved as one
// .cnb file.
func (r *release) checkUpstream(t *testing.T, ref string) {
	t.Helper()
	upstream, repository := testhelpers.Tool(t, "pack"), strings.TrimSuffix(ref, ":1")
	raw := r.manifest(t, "inspect", ref)
	children := parseList(t, strings.NewReader(raw)).Manifests
	if len(children) != len(twelve()) {
		t.Fatalf("%d children", len(children))
	}
	r.manifest(t, "save", ref, "-o", r.path("saved.cnb"))
	for _, packages := range []string{repository + "@" + children[4].Digest.String(), repository + "@" + children[11].Digest.String(), r.path("saved.cnb")} {
		if said := r.ok(t, upstream, "buildpack", "inspect", packages); !strings.Contains(said, "acme/hello@1.2.3") {
			t.Errorf("upstream says of %s:\n%s", packages, said)
		}
	}
}
