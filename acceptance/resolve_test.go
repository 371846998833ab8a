//go:build acceptance

package acceptance_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// choice is a published list of the table, and what we say of it.
type choice struct {
	testhelpers.ChoiceCase
	home    *home
	ref     string
	digests map[string]string // by consumer: the entry that we say it takes, "" for none
	configs map[string]string // by entry: the hex of its config
}

// eachChoice publishes every list of the table and asks the program what each
// consumer takes of it.
func eachChoice(t *testing.T, judge func(t *testing.T, c choice)) {
	t.Helper()
	host, h := testhelpers.StartDistribution(t), newHome(t)
	for i, one := range testhelpers.ChoiceCases() {
		t.Run(one.Name(), func(t *testing.T) {
			c := choice{ChoiceCase: one, home: h, ref: fmt.Sprintf("%s/choices/%d:1", host, i)}
			ix := one.Index(t)
			testhelpers.PushIndex(t, c.ref, ix)
			c.configs = configsOf(t, ix)
			c.digests = c.resolved(t)
			judge(t, c)
		})
	}
}

func configsOf(tb testing.TB, ix v1.ImageIndex) map[string]string {
	tb.Helper()
	m, err := ix.IndexManifest()
	if err != nil {
		tb.Fatal(err)
	}
	configs := map[string]string{}
	for _, d := range m.Manifests {
		img, err := ix.Image(d.Digest)
		if err != nil {
			tb.Fatal(err)
		}
		config, err := img.ConfigName()
		if err != nil {
			tb.Fatal(err)
		}
		configs[d.Digest.String()] = config.Hex
	}
	return configs
}

// resolved asks the program. That nobody takes anything has its own exit code.
func (c choice) resolved(tb testing.TB) map[string]string {
	tb.Helper()
	r := c.home.run(tb, testhelpers.Binary(tb), "manifest", "resolve", c.ref, "--platform", c.Want, "-o", "json")
	var said struct {
		Choices []struct{ Consumer, Digest string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &said); err != nil {
		tb.Fatalf("%v in %s%s", err, r.stdout, r.stderr)
	}
	digests, code := map[string]string{}, 5
	for _, s := range said.Choices {
		digests[s.Consumer] = s.Digest
		if s.Digest != "" {
			code = 0
		}
	}
	if r.code != code || len(digests) != 7 {
		tb.Fatalf("exit code %d, want %d: %s%s", r.code, code, r.stdout, r.stderr)
	}
	return digests
}

// TestResolveCrane: crane takes what we say.
func TestResolveCrane(t *testing.T) {
	t.Parallel()
	crane := testhelpers.Tool(t, "crane")
	eachChoice(t, func(t *testing.T, c choice) { //nolint:thelper // it is the test
		got := ""
		if r := c.home.run(t, crane, "digest", "--platform", c.Want, c.ref); r.code == 0 {
			got = strings.TrimSpace(r.stdout)
		} else if !strings.Contains(r.stderr, "no child with platform") {
			t.Fatal(r.stderr)
		}
		if want := c.digests["crane"]; got != want {
			t.Errorf("crane takes %q, we said %q", got, want)
		}
	})
}

// TestResolvePodman: podman takes what we say, as far as it has words for the
// platform.
func TestResolvePodman(t *testing.T) {
	t.Parallel()
	podman := testhelpers.Peer(t, "podman")
	asked := 0
	eachChoice(t, func(t *testing.T, c choice) { //nolint:thelper // it is the test
		if strings.Contains(c.Want, ":") {
			t.Skip("podman takes no version of the operating system")
		}
		asked++
		dir := shortDir(t)
		r := c.home.run(t, podman, "--root", dir+"/root", "--runroot", dir+"/run", "--tmpdir", dir+"/tmp", "--storage-driver", "vfs",
			"pull", "-q", "--tls-verify=false", "--platform", c.Want, c.ref)
		got := strings.TrimSpace(r.stdout)
		if r.code != 0 && !strings.Contains(r.stderr, "no image found in") {
			t.Fatal(r.stderr)
		}
		if want := c.configs[c.digests["podman"]]; got != want {
			t.Errorf("podman takes %q, we said %q", got, want)
		}
	})
	if asked < 30 {
		t.Errorf("only %d cases could be asked", asked)
	}
}

// docker20 is what dockerd 20.10 takes where it differs from later versions: it
// knows neither lower variants nor entries without platform, and where nothing
// is for a variant of arm, the first entry for any arm will do.
func docker20() map[string]int {
	return map[string]int{
		"linux/arm64 for linux/arm64/v9": -1, "linux/arm/v7 for linux/arm64": -1, "linux/arm/v7,linux/arm/v8 for linux/arm64": -1,
		"linux/arm/v7 for linux/arm/v6": 0, "linux/arm/v5,linux/arm/v6 for linux/arm/v7": 0, "linux/arm/v6,linux/arm/v7 for linux/arm/v8": 0,
		"linux/arm for linux/arm/v6": 0,
		"linux/386 for linux/amd64":  -1, "linux/amd64,linux/amd64/v2 for linux/amd64/v3": -1,
		"- for linux/amd64": -1, "- for linux/arm64": -1,
	}
}

// TestResolveDockerd: a Docker daemon for Linux with the classic store takes
// what we say, as far as it has words for the platform. So does one that was
// built of moby v2.0.0-beta.24, but for the one case over which it panics: an
// entry without platform for linux/arm64 (daemon/images/image.go:118).
func TestResolveDockerd(t *testing.T) {
	t.Parallel()
	daemon := "DOCKER_HOST=" + testhelpers.StartDockerd(t)
	docker := dockerClient(t)
	old := strings.HasPrefix(newHome(t).with(daemon).ok(t, docker, "version", "--format", "{{.Server.Version}}"), "20.")
	asked := 0
	eachChoice(t, func(t *testing.T, c choice) { //nolint:thelper // it is the test
		_, version, _ := strings.Cut(c.Want, "v8.")
		if strings.Contains(c.Want, ":") || !strings.HasPrefix(c.Want, "linux/") || old && version != "" {
			t.Skip("the daemon is for Linux and takes no version; an old one takes no variant with a dot")
		}
		asked++
		want := c.configs[c.digests["docker"]]
		if at, differs := docker20()[c.Name()]; old && differs {
			want = c.configAt(t, at)
		}
		if got := pulled(t, c.home.with(daemon), docker, c); got != want {
			t.Errorf("docker takes %q, want %q", got, want)
		}
	})
	if asked < 30 {
		t.Errorf("only %d cases could be asked", asked)
	}
}

// pulled returns the config of what docker takes, "" for nothing.
func pulled(tb testing.TB, h *home, docker string, c choice) string {
	tb.Helper()
	r := h.run(tb, docker, "pull", "-q", "--platform", c.Want, c.ref)
	if r.code != 0 {
		if !strings.Contains(r.stderr, "no matching manifest") {
			tb.Fatal(r.stderr)
		}
		return ""
	}
	defer h.ok(tb, docker, "rmi", c.ref)
	return strings.TrimPrefix(h.ok(tb, docker, "image", "inspect", "--format", "{{.Id}}", c.ref), "sha256:")
}

// configAt returns the config of the entry at a position, "" for -1.
func (c choice) configAt(tb testing.TB, at int) string {
	tb.Helper()
	if at < 0 {
		return ""
	}
	m, err := c.Index(tb).IndexManifest()
	if err != nil {
		tb.Fatal(err)
	}
	return c.configs[m.Manifests[at].Digest.String()]
}
