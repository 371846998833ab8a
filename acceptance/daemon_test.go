//go:build acceptance

package acceptance_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// dockerLab is a user with a Docker daemon and a registry.
type dockerLab struct {
	*home
	t            *testing.T
	docker, host string
}

func newDockerLab(t *testing.T) *dockerLab {
	t.Helper()
	daemon := testhelpers.StartDockerd(t)
	return &dockerLab{home: newHome(t).with("DOCKER_HOST=" + daemon), t: t, docker: dockerClient(t), host: testhelpers.StartDistribution(t)}
}

// load gives the daemon an image, and returns its ID.
func (l *dockerLab) load(ref string, img v1.Image) string {
	l.t.Helper()
	saved := testhelpers.Saved{Image: img, Ref: ref}
	file := l.write(l.t, "load.tar", string(saved.Bytes(l.t)))
	l.ok(l.t, l.docker, "load", "-q", "-i", file)
	id := saved.ID(l.t)
	if got := l.ok(l.t, l.docker, "image", "inspect", "--format", "{{.Id}}", ref); got != id {
		l.t.Fatalf("the daemon has %s as %s, want %s", ref, got, id)
	}
	return id
}

// multilayered makes a package with a layer that is there twice, which docker
// save writes as a link.
func multilayered(tb testing.TB, p v1.Platform, seed uint64) v1.Image {
	tb.Helper()
	img := testhelpers.Buildpackage(tb, testhelpers.PackageSpec{Platform: p, Seed: seed, LayerSizes: []int64{500, 100_000}})
	layers, err := img.Layers()
	if err != nil {
		tb.Fatal(err)
	}
	if img, err = mutate.AppendLayers(img, layers[1]); err != nil {
		tb.Fatal(err)
	}
	return img
}

// TestDocker: a real Docker daemon with the classic store as a source and as a
// destination. Its parts share the daemon, and so run one after the other.
func TestDocker(t *testing.T) {
	t.Parallel()
	l := newDockerLab(t)
	images := map[string]string{ // reference to ID
		"acme/bp:amd64":       l.load("acme/bp:amd64", multilayered(t, v1.Platform{OS: "linux", Architecture: "amd64"}, 1)),
		"acme/bp:latest":      l.load("acme/bp:latest", multilayered(t, v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, 2)),
		"localhost:1/acme:s1": l.load("localhost:1/acme:s1", multilayered(t, v1.Platform{OS: "linux", Architecture: "s390x"}, 3)),
	}
	for _, part := range []struct {
		name string
		run  func(t *testing.T, l *dockerLab, images map[string]string)
	}{
		{"sources", dockerSources}, {"contexts", dockerContexts}, {"failures", dockerFailures}, {"save", dockerSave}, {"round trip", dockerRoundTrip},
	} {
		t.Run(part.name, func(t *testing.T) {
			own := *l
			own.t = t
			part.run(t, &own, images)
		})
	}
	if left, err := os.ReadDir(l.path("tmp")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

// dockerSources: images of a daemon become lists in either format, and others
// find the daemon's configs and layers in them.
func dockerSources(t *testing.T, l *dockerLab, images map[string]string) {
	t.Helper()
	crane, skopeo := testhelpers.Tool(t, "crane"), testhelpers.Peer(t, "skopeo")
	platforms := map[string]string{"linux/amd64": "acme/bp:amd64", "linux/arm/v7": "acme/bp:latest", "linux/s390x": "localhost:1/acme:s1"}
	for _, format := range []string{"v2s2", "oci"} {
		ref := l.host + "/lists/docker-" + format + ":1"
		digest := digestIn(t, l.manifest(t, "create", ref, "--publish", "--format", format, "--metadata-file", l.path(format+".json"),
			"docker-daemon:acme/bp:amd64", "docker-daemon:acme/bp", "docker-daemon:"+images["localhost:1/acme:s1"]))
		raw, _ := getManifest(t, l.host, "lists/docker-"+format, "1")
		if got := sha256Of(t, raw); got != digest {
			t.Errorf("the registry has %s, want %s", got, digest)
		}
		h := l.without("DOCKER_HOST")
		for _, d := range parseList(t, strings.NewReader(string(raw))).Manifests {
			id := images[platforms[d.Platform.String()]]
			if id == "" {
				t.Fatalf("an entry for %s", d.Platform)
			}
			child := l.host + "/lists/docker-" + format + "@" + d.Digest.String()
			if got := sha256Of(t, []byte(h.run(t, crane, "config", child).stdout)); got.String() != id {
				t.Errorf("crane finds the config %s for %s, want %s", got, d.Platform, id)
			}
			config := h.run(t, skopeo, "inspect", "--config", "--raw", "--tls-verify=false", "docker://"+child).stdout
			if got := sha256Of(t, []byte(config)); got.String() != id {
				t.Errorf("skopeo finds the config %s for %s, want %s", got, d.Platform, id)
			}
			h.ok(t, crane, "validate", "--remote", child) // layers, and the diff IDs of the config
		}
		if said := readFile(t, l.path(format+".json")); strings.Count(said, `"type": "docker-daemon"`) != 6 {
			t.Errorf("the metadata are\n%s", said)
		}
	}
	again := l.run(t, testhelpers.Binary(t), "manifest", "create", l.host+"/lists/docker-oci:1", "--publish", "--format", "oci",
		"docker-daemon:acme/bp:amd64", "docker-daemon:acme/bp", "docker-daemon:localhost:1/acme:s1")
	if again.code != 0 || !strings.Contains(again.stderr, "Skipped 3 image(s)") {
		t.Errorf("the second time it says\n%s", again.stderr)
	}
}

// dockerContexts: contexts that Docker's own client makes are found.
func dockerContexts(t *testing.T, l *dockerLab, _ map[string]string) {
	t.Helper()
	var host string
	for _, pair := range l.env {
		if rest, ok := strings.CutPrefix(pair, "DOCKER_HOST="); ok {
			host = rest
		}
	}
	h := l.without("DOCKER_HOST")
	h.ok(t, l.docker, "context", "create", "works", "--docker", "host="+host)
	h.ok(t, l.docker, "context", "create", "broken", "--docker", "host=unix:///no/such/socket")
	h.with("DOCKER_CONTEXT=works").manifest(t, "create", "acme/by-variable", "docker-daemon:acme/bp")
	r := h.with("DOCKER_CONTEXT=broken").fails(t, 7, "create", "acme/none", "docker-daemon:acme/bp")
	if !strings.Contains(r.stderr, `unix:///no/such/socket (context "broken" of DOCKER_CONTEXT)`) {
		t.Errorf("it says %s", r.stderr)
	}
	h.ok(t, l.docker, "context", "use", "works")
	h.manifest(t, "create", "acme/by-file", "docker-daemon:acme/bp")
	h.with("DOCKER_CONTEXT=none").fails(t, 5, "create", "acme/none", "docker-daemon:acme/bp")
}

// dockerFailures: an absent image, an absent daemon and a daemon of others are
// three different things.
func dockerFailures(t *testing.T, l *dockerLab, _ map[string]string) {
	t.Helper()
	r := l.fails(t, 5, "create", "acme/none", "docker-daemon:acme/none:1")
	if !strings.Contains(r.stderr, `image "acme/none:1": the Docker daemon at unix://`) {
		t.Errorf("it says %s", r.stderr)
	}
	l.with("DOCKER_HOST=unix:///no/such/socket").fails(t, 7, "create", "acme/none", "docker-daemon:acme/bp")
	if left, err := filepath.Glob(l.path("pack", "manifests", "v1", "*none*")); err != nil || len(left) > 0 {
		t.Errorf("kept: %v, %v", left, err)
	}
}

// dockerSave: the image that docker pull would take, or that which was asked
// for, is in the daemon afterwards, with its ID.
func dockerSave(t *testing.T, l *dockerLab, _ map[string]string) {
	t.Helper()
	amd := testhelpers.Buildpackage(t, testhelpers.PackageSpec{Platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH}, Seed: 7, LayerSizes: []int64{10, 5000}})
	other := testhelpers.Buildpackage(t, testhelpers.PackageSpec{Platform: v1.Platform{OS: "linux", Architecture: "s390x"}, Seed: 8, OCI: true})
	push(t, l.host+"/parts/saved:own", amd)
	file := testhelpers.WriteCNB(t, l.path("other.cnb"), other)
	list := l.host + "/lists/saved:1"
	l.manifest(t, "create", list, file, l.host+"/parts/saved:own", "--format", "oci")
	for platform, img := range map[string]v1.Image{"": amd, "linux/s390x": other} {
		args := []string{"manifest", "save", list, "--docker"}
		if platform != "" {
			args = append(args, "--platform", platform)
		}
		r := l.run(t, testhelpers.Binary(t), args...)
		if r.code != 0 || !strings.Contains(r.stderr, "Left out: linux/") {
			t.Errorf("exit %d:\n%s", r.code, r.stderr)
		}
		digest := digestIn(t, strings.TrimSpace(r.stdout))
		if raw := l.manifest(t, "inspect", list); !strings.Contains(raw, digest.String()) {
			t.Errorf("it prints %s, and the list is\n%s", digest, raw)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		id, err := img.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		var seen []struct {
			ID, Os, Architecture string
			RootFS               struct{ Layers []string }
			Config               struct{ Labels map[string]string }
		}
		if err := json.Unmarshal([]byte(l.ok(t, l.docker, "image", "inspect", list)), &seen); err != nil {
			t.Fatal(err)
		}
		var diffIDs []string
		for _, d := range config.RootFS.DiffIDs {
			diffIDs = append(diffIDs, d.String())
		}
		if seen[0].ID != id.String() || seen[0].Architecture != config.Architecture || !slices.Equal(seen[0].RootFS.Layers, diffIDs) ||
			seen[0].Config.Labels[testhelpers.PackageLabel] == "" {
			t.Errorf("the daemon has %+v, want %s", seen[0], id)
		}
	}
	r := l.fails(t, 5, "save", list, "--docker", "--platform", "linux/arm64")
	if !strings.Contains(r.stderr, "--platform") {
		t.Errorf("it says %s", r.stderr)
	}
}

// dockerRoundTrip: a list is made of what was loaded; its image has the same
// config and labels, and upstream pack reads it.
func dockerRoundTrip(t *testing.T, l *dockerLab, _ map[string]string) {
	t.Helper()
	upstream := testhelpers.Tool(t, "pack")
	img := numbered(t, 42)
	file := testhelpers.WriteCNB(t, l.path("42.cnb"), img)
	list := l.host + "/acme/trip:1"
	l.manifest(t, "create", list, file)
	l.manifest(t, "save", list, "--docker", "--platform", "linux/amd64")
	digestIn(t, l.manifest(t, "create", "--publish", l.host+"/acme/trip:2", "docker-daemon:"+list))
	id, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	raw := l.ok(t, testhelpers.Tool(t, "crane"), "manifest", "--platform", "linux/amd64", l.host+"/acme/trip:2")
	if got := configIn(t, raw); got != id {
		t.Errorf("the config is %s, and was %s", got, id)
	}
	if said := l.ok(t, upstream, "buildpack", "inspect", l.host+"/acme/trip:2"); !strings.Contains(said, "acme/hello@1.2.3") {
		t.Errorf("upstream says\n%s", said)
	}
}

// TestBuildx143Exporters (docker/buildx issue 143): the nodes of a build leave
// what they built where their exporters put it, in a registry, in Docker, and in
// an OCI tarball; one command makes one list of it.
func TestBuildx143Exporters(t *testing.T) {
	t.Parallel()
	l := newDockerLab(t)
	crane := testhelpers.Tool(t, "crane")
	nodes := []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}, {OS: "linux", Architecture: "s390x"}}
	images := make([]v1.Image, len(nodes))
	for i, p := range nodes {
		images[i] = testhelpers.Buildpackage(t, testhelpers.PackageSpec{Platform: p, Seed: uint64(i) + 1, OCI: true})
	}
	push(t, l.host+"/acme/node:1", images[0])
	l.load("acme/node:2", images[1])
	tarball := testhelpers.CNB{Images: images[2:], Names: testhelpers.RelativeNames}.Write(t, l.path("node3.tar"))
	list := l.host + "/acme/bp:1"
	digest := digestIn(t, l.manifest(t, "create", "--publish", "--format", "oci", list, l.host+"/acme/node:1", "docker-daemon:acme/node:2", "oci-archive:"+tarball))
	if got := l.ok(t, crane, "digest", list); got != digest.String() {
		t.Errorf("crane says %s, we said %s", got, digest)
	}
	for i, p := range nodes {
		want, err := images[i].ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		if got := configIn(t, l.ok(t, crane, "manifest", "--platform", p.String(), list)); got != want {
			t.Errorf("the config for %s is %s, want %s", p, got, want)
		}
		l.ok(t, crane, "validate", "--platform", p.String(), "--remote", list)
	}
}

// TestMemoryDocker: images of a daemon are never in memory.
func TestMemoryDocker(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("other systems count memory in other units, or not at all")
	}
	const n, most = 3, 48
	d, reg := testhelpers.NewDaemon(t), testhelpers.NewRegistry(t)
	h := newHome(t).with("DOCKER_HOST=" + d.Host)
	args := []string{"create", "--publish", reg.Host + "/acme/bp:1"}
	for i := range n {
		ref := fmt.Sprintf("acme/large:%d", i)
		testhelpers.Saved{Ref: ref, Image: testhelpers.Buildpackage(t, testhelpers.PackageSpec{
			Platform: v1.Platform{OS: "linux", Architecture: "amd64", OSVersion: strconv.Itoa(i)}, Seed: uint64(i) + 1, LayerSizes: []int64{1 << 10, 16 << 20, 16 << 20, 16 << 20},
		})}.In(t, d)
		args = append(args, "docker-daemon:"+ref)
	}
	mib := h.measured(t, args...)
	t.Logf("create --publish of %d images of 48 MiB in Docker takes %d MiB", n, mib)
	if mib > most || mib < 1 {
		t.Errorf("it takes %d MiB, want %d at most", mib, most)
	}
}
