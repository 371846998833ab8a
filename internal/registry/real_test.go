package registry_test

import (
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestRealRegistries publishes from one registry of the field to the other, from
// a repository beside it and from a file.
func TestRealRegistries(t *testing.T) {
	t.Parallel()
	starters := map[string]func(testing.TB, ...testhelpers.ServerOption) string{
		"distribution v3":      testhelpers.StartDistribution,
		"docker-registry v2.8": testhelpers.StartDockerRegistry,
	}
	for name, start := range starters {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := start(t, testhelpers.WithHtpasswd("u", canary))
			far := testhelpers.NewRegistry(t)
			login := remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "u", Password: canary}))
			testhelpers.PushIndex(t, host+"/a/source:0", testhelpers.Attested(t, image(t, 0)), login)
			testhelpers.Push(t, host+"/a/list:1", image(t, 1), login)
			far.Push(t, "a/source:2", image(t, 2))
			file, _ := local(t, image(t, 3))
			c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(host, canary)))
			ms := resolve(t, c, host+"/a/source:0", host+"/a/list:1", far.Host+"/a/source:2")
			pub := publication(t, append(ms, file), host+"/a/list:latest", host+"/a/list:more")
			steps := mustPublish(t, c, pub)
			if got := kinds(steps); got["mount"] == 0 || got["upload"] == 0 || got["child"] != 4 || got["child skipped"] != 1 {
				t.Errorf("steps %v", got)
			}
			sameEverywhere(t, c, pub)
			again := newClient(t, env("CNB_REGISTRY_AUTH="+basic(host, canary)))
			pub.Fresh = false
			want := map[string]int{"child skipped": 5, "list skipped": 1, "verify skipped": 1, "tag skipped": 1}
			if got := kinds(mustPublish(t, again, pub)); !maps.Equal(got, want) {
				t.Errorf("again: steps %v, want %v", got, want)
			}
			_, err := newClient(t).Resolve(t.Context(), host+"/a/list:latest")
			wants(t, err, index.ErrDenied, host, "401")
			_, err = c.Resolve(t.Context(), host+"/a/list:absent")
			wants(t, err, index.ErrNotFound, "MANIFEST_UNKNOWN")
		})
	}
}

// sameEverywhere fails the test unless each tag has the list.
func sameEverywhere(t *testing.T, c *registry.Client, pub index.Publication) {
	t.Helper()
	want, err := pub.Index.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range pub.To {
		got, _, digest, err := c.Fetch(t.Context(), tag.Name())
		if err != nil || string(got) != string(want) || digest != pub.Index.Digest() {
			t.Errorf("%s holds %s, %v", tag, got, err)
		}
		if ms := resolve(t, c, tag.Name()); len(ms) != len(pub.Children) {
			t.Errorf("%s has %d images", tag, len(ms))
		}
	}
}

// TestBlobsAreStreamed: the size of a layer is not the size of the process. It
// is not parallel, since it counts what the process allocates.
func TestBlobsAreStreamed(t *testing.T) {
	const size = 24 << 20
	from, reg := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	from.Push(t, "a/source:0", testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true, LayerSizes: []int64{size}}))
	c := newClient(t)
	pub := publication(t, resolve(t, c, from.Host+"/a/source:0"), reg.Host+"/a/list:1")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	mustPublish(t, c, pub)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > size/4 {
		t.Errorf("%d bytes were allocated to copy %d", got, size)
	}
	has(t, reg, "a/list", "1", pub.Index)
}

// TestRegistryThatTakesOneBlobAtATime: go-containerregistry's registry lets
// nobody read while it takes a blob, and does not mount. What comes from another
// of its repositories is there before the upload begins.
func TestRegistryThatTakesOneBlobAtATime(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	for i := range 3 {
		testhelpers.Push(t, host+"/a/source:"+strconv.Itoa(i), image(t, i))
	}
	c := newClient(t)
	pub := publication(t, resolve(t, c, host+"/a/source:0", host+"/a/source:1", host+"/a/source:2"), host+"/a/list:1")
	mustPublish(t, c, pub)
	sameEverywhere(t, c, pub)
}
