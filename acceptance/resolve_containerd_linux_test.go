//go:build acceptance

package acceptance_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// chains returns the chain ID of each image's layers, by which containerd names
// what it unpacks
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-chainid).
func chains(tb testing.TB, ix v1.ImageIndex) map[string]string {
	tb.Helper()
	m, err := ix.IndexManifest()
	if err != nil {
		tb.Fatal(err)
	}
	chains := map[string]string{}
	for _, d := range m.Manifests {
		img, err := ix.Image(d.Digest)
		if err != nil {
			tb.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			tb.Fatal(err)
		}
		chain := ""
		for _, diffID := range config.RootFS.DiffIDs {
			if chain == "" {
				chain = diffID.String()
				continue
			}
			chain = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(chain+" "+diffID.String())))
		}
		chains[d.Digest.String()] = chain
	}
	return chains
}

// TestResolveContainerd: containerd itself takes what we say, as far as a daemon
// for Linux has to do with the platform: versions of Windows are compared on
// Windows alone.
func TestResolveContainerd(t *testing.T) {
	t.Parallel()
	ctr, address, user := testhelpers.Peer(t, "ctr"), testhelpers.StartContainerd(t), newHome(t)
	old := strings.Contains(user.ok(t, ctr, "--address", address, "version"), " 1.")
	asked := 0
	eachChoice(t, func(t *testing.T, c choice) { //nolint:thelper // it is the test
		_, version, _ := strings.Cut(c.Want, "v8.")
		if strings.Contains(c.Want, ":") || old && version != "" {
			t.Skip("a daemon for Linux does not compare versions; an old one takes no variant with a dot")
		}
		asked++
		want := c.digests["containerd"]
		if at, differs := unpacked()[c.Name()]; differs {
			want = c.digestAt(t, at)
		}
		if at, differs := containerd1()[c.Name()]; old && differs {
			want = c.digestAt(t, at)
		}
		if got, chain := mounted(t, user, ctr, address, c), chains(t, c.Index(t))[want]; got != chain {
			t.Errorf("containerd takes %q, want %q", got, chain)
		}
	})
	if asked < 30 {
		t.Errorf("only %d cases could be asked", asked)
	}
}

// mounted returns the chain ID of what containerd unpacks of a list for the
// platform that is wanted, "" for nothing.
func mounted(tb testing.TB, h *home, ctr, address string, c choice) string {
	tb.Helper()
	dir := shortDir(tb)
	h.ok(tb, ctr, "--address", address, "content", "fetch", "--plain-http", "--all-platforms", c.ref)
	r := h.run(tb, ctr, "--address", address, "images", "mount", "--snapshotter", "native", "--platform", c.Want, c.ref, dir)
	if r.code != 0 {
		if !strings.Contains(r.stderr, "not found") {
			tb.Fatal(r.stderr)
		}
		return ""
	}
	defer func() {
		h.ok(tb, ctr, "--address", address, "images", "unmount", dir)
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			tb.Errorf("%s is still mounted: %v", dir, err)
		}
	}()
	chain, _, _ := strings.Cut(r.stdout, "\n")
	return chain
}

// containerd1 is what containerd 1.6 takes where it differs from later versions,
// whose table of variants has more of arm64.
func containerd1() map[string]int { return map[string]int{"linux/arm64 for linux/arm64/v9": -1} }

// unpacked is what containerd refuses once it has it: it compares the config of
// an entry without platform, which is not in the list.
func unpacked() map[string]int { return map[string]int{"- for linux/arm64": -1} }

// digestAt returns the digest of the entry at a position, "" for -1.
func (c choice) digestAt(tb testing.TB, at int) string {
	tb.Helper()
	if at < 0 {
		return ""
	}
	m, err := c.Index(tb).IndexManifest()
	if err != nil {
		tb.Fatal(err)
	}
	return m.Manifests[at].Digest.String()
}
