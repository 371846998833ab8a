//go:build acceptance

package acceptance_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// child is one image of the lists that peers judge.
type child struct {
	os, arch, variant, osVersion string
}

// children are the platforms of the lists, in their order.
func children() []child {
	return []child{
		{os: "linux", arch: "amd64"},
		{os: "linux", arch: "arm64"},
		{os: "linux", arch: "arm", variant: "v7"},
		{os: "windows", arch: "amd64", osVersion: "10.0.20348.2227"},
	}
}

// platform is the child's platform as crane and we take it.
func (c child) platform() string {
	text := c.os + "/" + c.arch
	if c.variant != "" {
		text += "/" + c.variant
	}
	if c.osVersion != "" {
		text += ":" + c.osVersion
	}
	return text
}

// name is the platform without what podman, regctl and docker have no word for.
func (c child) name() string {
	name, _, _ := strings.Cut(c.platform(), ":")
	return name
}

// source is where the children of a list come from, and of which family they are.
type source struct {
	name string
	oci  bool
	// cnb takes the children from files, which lack what pack leaves out of
	// them: the variant and the version of Windows.
	cnb bool
}

func sources() []source {
	return []source{{name: "cnb", cnb: true}, {name: "docker-tags"}, {name: "oci-tags", oci: true}}
}

// image makes the image of a child; its number tells it from the others.
func (s source) image(tb testing.TB, i int, c child) v1.Image {
	tb.Helper()
	p := v1.Platform{OS: c.os, Architecture: c.arch}
	if !s.cnb {
		p.Variant, p.OSVersion = c.variant, c.osVersion
	}
	return testhelpers.Buildpackage(tb, testhelpers.PackageSpec{Platform: p, OCI: s.oci, Seed: uint64(i) + 1})
}

// offer puts the children where the list's maker finds them, and returns the
// arguments that name them and the digests of their configs.
func (s source) offer(tb testing.TB, h *home, host string) (args []string, configs map[string]v1.Hash) {
	tb.Helper()
	configs = map[string]v1.Hash{}
	for i, c := range children() {
		img := s.image(tb, i, c)
		config, err := img.ConfigName()
		if err != nil {
			tb.Fatal(err)
		}
		configs[c.platform()] = config
		if s.cnb {
			file := testhelpers.WriteCNB(tb, h.path(fmt.Sprintf("%s-%d.cnb", s.name, i)), img)
			args = append(args, c.platform()+"="+file)
			continue
		}
		ref := fmt.Sprintf("%s/parts/%s:%d", host, s.name, i)
		push(tb, ref, img)
		args = append(args, ref)
	}
	return args, configs
}

// registries are the registries that a list must work in.
func registries() map[string]func(testing.TB, ...testhelpers.ServerOption) string {
	return map[string]func(testing.TB, ...testhelpers.ServerOption) string{
		"distribution": testhelpers.StartDistribution, "docker-registry": testhelpers.StartDockerRegistry,
	}
}

// published is a list that we wrote to a registry.
type published struct {
	t                *testing.T // the judge's
	home             *home      // the maker's
	source           source
	host, repository string
	digest           v1.Hash // what we printed
	configs          map[string]v1.Hash
}

func (p published) ref() string { return p.host + "/" + p.repository + ":1" }

// everyList picks all lists.
func everyList(source, string) bool { return true }

// eachList publishes a list of each kind of source in each format, as far as
// picked, to each registry and hands it to the judge.
func eachList(t *testing.T, picked func(s source, format string) bool, judge func(published)) {
	t.Helper()
	for name, start := range registries() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, h := start(t), newHome(t)
			for _, s := range sources() {
				args, configs := s.offer(t, h, host)
				for _, format := range []string{"v2s2", "oci"} {
					if !picked(s, format) {
						continue
					}
					p := published{source: s, host: host, repository: "lists/" + s.name + "-" + format, configs: configs}
					stdout := h.manifest(t, slices.Concat([]string{"create", p.ref()}, args, []string{"--publish", "--format", format})...)
					p.digest = digestIn(t, stdout)
					t.Run(s.name+"-"+format, func(t *testing.T) {
						p.t, p.home = t, h
						judge(p)
					})
				}
			}
		})
	}
}

// TestInteropRegistryClients: crane, regctl and skopeo find the child of each
// platform, and everything that it refers to is there.
func TestInteropRegistryClients(t *testing.T) {
	t.Parallel()
	crane, regctl, skopeo := testhelpers.Tool(t, "crane"), testhelpers.Tool(t, "regctl"), testhelpers.Peer(t, "skopeo")
	eachList(t, everyList, func(p published) {
		t, h := p.t, p.home
		for _, c := range children() {
			want := p.configs[c.platform()]
			for _, found := range []struct {
				by     string
				config v1.Hash
			}{
				{"crane manifest", configIn(t, h.ok(t, crane, "manifest", "--platform", c.platform(), p.ref()))},
				{"crane config", sha256Of(t, []byte(h.ok(t, crane, "config", "--platform", c.platform(), p.ref())))},
				{"regctl", configIn(t, h.ok(t, regctl, "--host", "reg="+p.host+",tls=disabled", "manifest", "get",
					"--platform", c.name(), "--format", "raw-body", p.ref()))},
				{"skopeo", sha256Of(t, []byte(h.ok(t, skopeo, "inspect", "--config", "--raw", "--tls-verify=false",
					"--override-os", c.os, "--override-arch", c.arch, "--override-variant", c.variant, "docker://"+p.ref())))},
			} {
				if found.config != want {
					t.Errorf("%s finds the config %s for %s, want %s", found.by, found.config, c.platform(), want)
				}
			}
			checkConfig(t, c, h.ok(t, crane, "config", "--platform", c.platform(), p.ref()))
			h.ok(t, crane, "validate", "--platform", c.platform(), "--remote", p.ref())
		}
		// The whole is valid to crane only if configs say all that entries say.
		if !p.source.cnb {
			h.ok(t, crane, "validate", "--remote", p.ref())
		}
	})
}

// configIn returns the digest of the config of an image's manifest.
func configIn(tb testing.TB, raw string) v1.Hash {
	tb.Helper()
	m, err := v1.ParseManifest(strings.NewReader(raw))
	if err != nil {
		tb.Fatalf("%v in %s", err, raw)
	}
	return m.Config.Digest
}

func checkConfig(tb testing.TB, c child, raw string) {
	tb.Helper()
	var config v1.ConfigFile
	if err := json.Unmarshal([]byte(raw), &config); err != nil {
		tb.Fatal(err)
	}
	if config.OS != c.os || config.Architecture != c.arch {
		tb.Errorf("the config for %s says %s/%s", c.platform(), config.OS, config.Architecture)
	}
}

// TestInteropOneDigest: the digest that we print is that of the bytes that the
// registry serves, and every client prints the same.
func TestInteropOneDigest(t *testing.T) {
	t.Parallel()
	crane, regctl, skopeo := testhelpers.Tool(t, "crane"), testhelpers.Tool(t, "regctl"), testhelpers.Peer(t, "skopeo")
	eachList(t, everyList, func(p published) {
		t, h := p.t, p.home
		raw, ok := getManifest(t, p.host, p.repository, "1")
		if got := sha256Of(t, raw); !ok || got != p.digest {
			t.Errorf("the registry serves %s, we printed %s", got, p.digest)
		}
		byDigest, _ := getManifest(t, p.host, p.repository, p.digest.String())
		if string(byDigest) != string(raw) {
			t.Errorf("by digest the registry serves\n%s\nand by tag\n%s", byDigest, raw)
		}
		if ours := h.manifest(t, "inspect", p.ref()); ours != string(raw) {
			t.Errorf("inspect shows\n%s\nand the registry serves\n%s", ours, raw)
		}
		if got := h.ok(t, crane, "digest", p.ref()); got != p.digest.String() {
			t.Errorf("crane says %s, we said %s", got, p.digest)
		}
		if got := h.ok(t, regctl, "--host", "reg="+p.host+",tls=disabled", "manifest", "head", p.ref()); got != p.digest.String() {
			t.Errorf("regctl says %s, we said %s", got, p.digest)
		}
		seen := h.run(t, skopeo, "inspect", "--raw", "--tls-verify=false", "docker://"+p.ref())
		if got := sha256Of(t, []byte(seen.stdout)); got != p.digest {
			t.Errorf("skopeo reads %s, we printed %s", got, p.digest)
		}
		h.ok(t, skopeo, "inspect", "--tls-verify=false", "docker://"+p.host+"/"+p.repository+"@"+p.digest.String())
	})
}

// TestInteropPodman: podman pulls the image of the platform that it is asked
// for.
func TestInteropPodman(t *testing.T) {
	t.Parallel()
	podman := testhelpers.Peer(t, "podman")
	family := func(s source, format string) bool { return s.cnb && format == "v2s2" || s.oci && format == "oci" }
	eachList(t, family, func(p published) {
		t, h := p.t, p.home
		dir := shortDir(t)
		store := []string{"--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--storage-driver", "vfs"}
		for _, c := range children() {
			id := h.ok(t, podman, append(store, "pull", "-q", "--tls-verify=false", "--platform", c.name(), p.ref())...)
			if id != p.configs[c.platform()].Hex {
				t.Errorf("podman pulls %s for %s, want %s", id, c.name(), p.configs[c.platform()])
			}
		}
	})
}

// shortDir returns a directory of the test with a path of less than 50 bytes,
// which is podman's limit.
func shortDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "podman-") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return dir
}

// TestInteropDockerd: a Docker daemon pulls the image of the platform that it is
// asked for. It is a daemon for Linux, so it refuses Windows.
func TestInteropDockerd(t *testing.T) {
	t.Parallel()
	daemon := "DOCKER_HOST=" + testhelpers.StartDockerd(t)
	docker := dockerClient(t)
	eachList(t, everyList, func(p published) {
		t, h := p.t, p.home.with(daemon)
		for _, c := range children() {
			if c.os != "linux" {
				continue
			}
			h.ok(t, docker, "pull", "-q", "--platform", c.name(), p.ref())
			got := h.ok(t, docker, "image", "inspect", "--format", "{{.Id}} {{.Os}} {{.Architecture}}", p.ref())
			if want := fmt.Sprintf("%s %s %s", p.configs[c.platform()], c.os, c.arch); got != want {
				t.Errorf("docker pulls %s for %s, want %s", got, c.name(), want)
			}
			h.ok(t, docker, "rmi", p.ref())
		}
	})
}

// dockerClient prefers the system's client, which fits the system's daemon.
func dockerClient(tb testing.TB) string {
	tb.Helper()
	const system = "/usr/bin/docker"
	if _, err := os.Stat(system); err == nil {
		return system
	}
	return testhelpers.Peer(tb, "docker")
}

// TestInteropDockerManifest: docker manifest inspect sees every entry with its
// platform and the config behind it.
func TestInteropDockerManifest(t *testing.T) {
	t.Parallel()
	docker := dockerClient(t)
	// Not every version of docker manifest reads OCI's types.
	docker20 := func(s source, format string) bool { return format == "v2s2" && !s.oci }
	eachList(t, docker20, func(p published) {
		t, h := p.t, p.home.with("DOCKER_CLI_EXPERIMENTAL=enabled")
		raw := h.ok(t, docker, "manifest", "inspect", "--insecure", "-v", p.ref())
		var seen []struct {
			Descriptor       v1.Descriptor
			SchemaV2Manifest v1.Manifest
		}
		if err := json.Unmarshal([]byte(raw), &seen); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		var got, want []string
		for _, e := range seen {
			got = append(got, fmt.Sprint(e.Descriptor.Platform, " ", e.SchemaV2Manifest.Config.Digest))
		}
		for _, c := range children() {
			platform := v1.Platform{OS: c.os, Architecture: c.arch, Variant: c.variant, OSVersion: c.osVersion}
			want = append(want, fmt.Sprint(&platform, " ", p.configs[c.platform()]))
		}
		if !slices.Equal(got, want) {
			t.Errorf("docker sees\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestInteropLocalLayout: a list in local storage is an OCI layout that others
// read, with the bytes whose digest we printed, and can be published from there
// by others, too.
func TestInteropLocalLayout(t *testing.T) {
	t.Parallel()
	crane, regctl, skopeo := testhelpers.Tool(t, "crane"), testhelpers.Tool(t, "regctl"), testhelpers.Peer(t, "skopeo")
	host := testhelpers.StartDistribution(t)
	for _, format := range []string{"v2s2", "oci"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			args, configs := source{name: "cnb", cnb: true}.offer(t, h, host)
			name := host + "/lists/local-" + format + ":1"
			digest := digestIn(t, h.manifest(t, slices.Concat([]string{"create", name, "--format", format}, args)...))
			dir := layoutOf(t, h)
			// skopeo looks only for OCI's types by name.
			from := "oci:" + dir
			if format == "oci" {
				from += ":" + name
			}
			if got := sha256Of(t, []byte(h.run(t, skopeo, "inspect", "--raw", from).stdout)); got != digest {
				t.Errorf("skopeo reads %s from %s, want %s", got, dir, digest)
			}
			raw := h.run(t, regctl, "manifest", "get", "--format", "raw-body", "ocidir://"+dir+":1").stdout
			if got := sha256Of(t, []byte(raw)); got != digest {
				t.Errorf("regctl reads %s from %s, want %s", got, dir, digest)
			}
			copied := host + "/copies/" + format + ":1"
			h.ok(t, crane, "push", dir, copied)
			if got := h.ok(t, crane, "digest", copied); got != digest.String() {
				t.Errorf("crane publishes %s from %s, want %s", got, dir, digest)
			}
			for _, c := range children() {
				h.ok(t, crane, "validate", "--platform", c.platform(), "--remote", copied)
				config := h.ok(t, skopeo, "inspect", "--config", "--raw", "--override-os", c.os, "--override-arch", c.arch,
					"--override-variant", c.variant, from)
				if got := sha256Of(t, []byte(config)); got != configs[c.platform()] {
					t.Errorf("skopeo finds the config %s for %s, want %s", got, c.platform(), configs[c.platform()])
				}
			}
		})
	}
}

// layoutOf returns the directory of the only list in local storage.
func layoutOf(tb testing.TB, h *home) string {
	tb.Helper()
	dirs, err := filepath.Glob(h.path("pack", "manifests", "v1", "*"))
	if err != nil || len(dirs) != 1 {
		tb.Fatalf("lists in local storage: %q, %v; want one", dirs, err)
	}
	return dirs[0]
}
