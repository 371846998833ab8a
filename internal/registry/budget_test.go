package registry_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

const delay = 50 * time.Millisecond

// attempts is how often a critical path is measured: a busy machine makes it
// longer, never shorter.
const attempts = 5

// work is one publishing whose requests are counted. The registry speaks plain
// HTTP with tokens, so p is 2 (a TLS hello for nothing, and the ping).
type work struct {
	name           string
	n              int  // images
	ownRepository  bool // each image in one, and not where the list goes
	tags           int  // further tags
	tls            bool // then p is 1
	requests, path int
}

// TestBudgets holds the budgets that the design gives for publishing. It is not
// parallel, since it measures time.
func TestBudgets(t *testing.T) {
	const p, a = 2, 1
	for _, w := range []work{
		{name: "n=2", n: 2, requests: 2*2 + 2 + p + a, path: 4 + p + a},
		{name: "n=12", n: 12, requests: 2*12 + 2 + p + a, path: 4 + p + a},
		{name: "n=12, TLS", n: 12, tls: true, requests: 2*12 + 2 + 1 + a, path: 4 + 1 + a},
		{name: "n=12, 3 tags", n: 12, tags: 2, requests: 2*12 + 2 + p + a + 2, path: 4 + p + a + 2},
		// b is 17: a config and a layer for each, and one layer that all share.
		{name: "8 repositories", n: 8, ownRepository: true, requests: 3*8 + 17 + 2 + p + 9, path: 6 + p + a},
	} {
		t.Run(w.name, func(t *testing.T) {
			w.measure(t, func() *testhelpers.Registry {
				opts := []testhelpers.RegistryOption{testhelpers.WithDelay(delay), testhelpers.WithBearer("u", "canary")}
				if w.tls {
					opts = append(opts, testhelpers.WithTLS())
				}
				reg := testhelpers.NewRegistry(t, opts...)
				c, refs, to := w.prepare(t, reg)
				pub := publication(t, resolve(t, c, refs...), to...)
				mustPublish(t, c, pub)
				has(t, reg, "a/list", "latest", pub.Index)
				return reg
			})
		})
	}
}

func (w work) prepare(t *testing.T, reg *testhelpers.Registry) (c *registry.Client, refs, to []string) {
	t.Helper()
	var from []name.Repository
	for i := range w.n {
		repository := "a/list"
		if w.ownRepository {
			repository = fmt.Sprintf("a/image-%d", i)
		}
		ref := fmt.Sprintf("%s:%d", repository, i)
		reg.Push(t, ref, image(t, i))
		refs = append(refs, reg.Host+"/"+ref)
		from = append(from, tagOf(t, reg.Host+"/"+ref).Repository)
	}
	to = []string{reg.Host + "/a/list:latest"}
	for i := range w.tags {
		to = append(to, fmt.Sprintf("%s/a/list:tag-%d", reg.Host, i))
	}
	c = newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, "canary")), jobs(24), trust(reg))
	c.WillPublish(tagOf(t, to[0]).Repository, from)
	return c, refs, to
}

// measure does the work until its critical path is as it should be.
func (w work) measure(t *testing.T, do func() *testhelpers.Registry) {
	t.Helper()
	var paths []int
	for range attempts {
		reg := do()
		if got := len(reg.Requests()); got != w.requests {
			t.Fatalf("%d requests, want %d: %s", got, w.requests, tally(reg))
		}
		if got := reg.MaxInFlight(); got > 24 {
			t.Fatalf("%d requests in flight, want 24 at most", got)
		}
		if paths = append(paths, reg.CriticalPath()); paths[len(paths)-1] <= w.path {
			break
		}
	}
	if got := slices.Min(paths); got != w.path {
		t.Errorf("critical paths of %v, want %d", paths, w.path)
	}
}

func tally(reg *testhelpers.Registry) string {
	n := map[string]int{}
	for _, r := range reg.Requests() {
		n[r.Method+" "+r.Kind]++
	}
	var text strings.Builder
	for _, k := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&text, " %s=%d", k, n[k])
	}
	return text.String()
}

// TestPublishAgain: nothing is written where nothing changed.
func TestPublishAgain(t *testing.T) {
	reg := testhelpers.NewRegistry(t, testhelpers.WithDelay(delay), testhelpers.WithBearer("u", "canary"))
	w := work{n: 12, ownRepository: true, tags: 2}
	c, refs, to := w.prepare(t, reg)
	pub := publication(t, resolve(t, c, refs...), to...)
	mustPublish(t, c, pub)

	pub.Fresh = false
	// One HEAD for each child and one GET for each tag: one less than the budget
	// of n+2, since the first tag's bytes are compared as they are found.
	work{requests: 12 + 1 + 2 + 2 + 1, path: 1 + 1 + 2 + 1}.measure(t, func() *testhelpers.Registry {
		reg.Reset()
		again := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, "canary")))
		steps := mustPublish(t, again, pub)
		want := map[string]int{"child skipped": 12, "list skipped": 1, "verify skipped": 1, "tag skipped": 2}
		if got := kinds(steps); !maps.Equal(got, want) {
			t.Errorf("steps %v, want %v", got, want)
		}
		if reg.Writes() != 0 {
			t.Errorf("%d writes, want none", reg.Writes())
		}
		return reg
	})
}

// TestJobs: never more requests in flight than asked for, and not one by one.
func TestJobs(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithDelay(5*time.Millisecond))
			w := work{n: 10, ownRepository: true}
			_, refs, to := w.prepare(t, reg)
			c := newClient(t, jobs(n))
			pub := publication(t, resolve(t, c, refs...), to...)
			mustPublish(t, c, pub)
			has(t, reg, "a/list", "latest", pub.Index)
			if got := reg.MaxInFlight(); got != n {
				t.Errorf("%d requests in flight, want %d", got, n)
			}
		})
	}
}

// TestLocalContentIsReadOnce: what comes from files is read once and sent once.
func TestLocalContentIsReadOnce(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	m, opened := local(t, image(t, 0))
	pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
	steps := mustPublish(t, newClient(t), pub)
	has(t, reg, "a/list", "1", pub.Index)
	if want := map[string]int{"upload": 3, "child": 1, "list": 1, "verify": 1}; !maps.Equal(kinds(steps), want) {
		t.Errorf("steps %v, want %v", kinds(steps), want)
	}
	for digest, n := range opened() {
		if n != 1 {
			t.Errorf("%s was read %d times, want once", digest, n)
		}
		if !reg.HasBlob("a/list", digest) {
			t.Errorf("%s was not sent", digest)
		}
	}
	if got := reg.Count("PUT", "/blobs/uploads/"); got != 3 {
		t.Errorf("%d blobs sent, want 3", got)
	}
}
