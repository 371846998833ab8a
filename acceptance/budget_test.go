//go:build acceptance

package acceptance_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// The tests of this file do not run beside others: which requests overlap is told
// by when they start and end, and a busy machine starts late what could have
// overlapped. So rounds are those of the best of a few tries, while requests
// must be right in each.

const (
	// roundTrip is how long each request takes, well above what a process waits
	// for its turn.
	roundTrip = 50 * time.Millisecond
	// pings are a TLS hello for nothing and the ping: a loopback host that
	// speaks plain HTTP.
	pings = 2
)

// publishing is a "create --publish" whose requests are counted.
type publishing struct {
	name   string
	n      int  // images
	apart  bool // each image in a repository of its own, and none where the list goes
	bearer bool
	flags  []string

	requests int
	rounds   int // at most; 0 for any number
	inFlight int // exactly, at the busiest moment; 0 for 24 at most
}

// TestBudgetOfPublishing: exactly so many requests, in so many rounds, as the
// work needs: each image's manifest and config, the list and a look at it; with
// the images elsewhere, a mount for each blob and a PUT for each image.
func TestBudgetOfPublishing(t *testing.T) {
	const a = 1 // a token, or several side by side
	for _, p := range []publishing{
		{name: "2 images", n: 2, requests: 2*2 + 2 + pings, rounds: 4 + pings},
		{name: "12 images", n: 12, requests: 2*12 + 2 + pings, rounds: 4 + pings},
		{name: "12 images, tokens", n: 12, bearer: true, requests: 2*12 + 2 + pings + a, rounds: 4 + pings + a},
		{name: "2 images, 2 further tags", n: 2, flags: []string{"--tag=x", "--tag=y"}, requests: 2*2 + 2 + pings + 2, rounds: 4 + pings + 2},
		{name: "12 images, 3 jobs", n: 12, flags: []string{"--jobs", "3"}, requests: 2*12 + 2 + pings, inFlight: 3},
		// A config and a layer for each image.
		{name: "8 repositories", n: 8, apart: true, requests: 3*8 + 16 + 2 + pings, rounds: 6 + pings},
		{name: "8 repositories, tokens", n: 8, apart: true, bearer: true, requests: 3*8 + 16 + 2 + pings + 8 + 1, rounds: 6 + pings + a},
	} {
		t.Run(p.name, func(t *testing.T) {
			const tries = 3
			rounds := 0
			for range tries {
				if rounds = p.try(t); p.rounds == 0 || rounds <= p.rounds {
					return
				}
			}
			t.Errorf("%d rounds in the last of %d tries, want %d at most", rounds, tries, p.rounds)
		})
	}
}

// try publishes once, to a registry of its own, and returns how many rounds it
// took.
func (p publishing) try(t *testing.T) int {
	t.Helper()
	var options []testhelpers.RegistryOption
	if p.bearer {
		options = append(options, testhelpers.WithBearer(user, password))
	}
	reg := testhelpers.NewRegistry(t, append(options, testhelpers.WithDelay(roundTrip))...)
	h := newHome(t)
	login(t, h, reg.Host, password)
	digest := digestIn(t, h.manifest(t, slices.Concat(
		[]string{"create", reg.Host + "/acme/bp:list", "--publish"}, p.flags, p.offer(t, reg))...))
	p.check(t, reg)
	if raw, _, _ := reg.Manifest("acme/bp", "list"); sha256Of(t, raw) != digest || len(lines(t, string(raw))) != p.n {
		t.Errorf("printed %s, and the registry has\n%s", digest, raw)
	}
	return reg.CriticalPath()
}

// offer puts the images into the registry and returns their references. Each is
// for a platform of its own, since a list with one twice is refused.
func (p publishing) offer(tb testing.TB, reg *testhelpers.Registry) []string {
	tb.Helper()
	var refs []string
	for i := range p.n {
		repository := "acme/bp"
		if p.apart {
			repository = fmt.Sprintf("acme/bp-%d", i)
		}
		ref := fmt.Sprintf("%s:%d", repository, i)
		reg.Push(tb, ref, numbered(tb, i))
		refs = append(refs, reg.Host+"/"+ref)
	}
	return refs
}

func (p publishing) check(tb testing.TB, reg *testhelpers.Registry) {
	tb.Helper()
	if got := len(reg.Requests()); got != p.requests {
		tb.Errorf("%d requests, want %d:%s", got, p.requests, tally(reg))
	}
	most := 24
	if p.inFlight > 0 {
		most = p.inFlight
	}
	if got := reg.MaxInFlight(); got > most || p.inFlight > 0 && got < p.inFlight {
		tb.Errorf("%d requests in flight, want %d at most, and no fewer where that many are to be done", got, most)
	}
}

// tally counts the requests of each kind.
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

// TestBudgetOfPushingAgain: where nothing changed, each image and the list are
// asked for, and nothing is written.
func TestBudgetOfPushingAgain(t *testing.T) {
	const n, a = 12, 1
	reg := testhelpers.NewRegistry(t, testhelpers.WithDelay(roundTrip), testhelpers.WithBearer(user, password))
	h := newHome(t)
	login(t, h, reg.Host, password)
	list := reg.Host + "/acme/bp:list"
	h.manifest(t, slices.Concat([]string{"create", list}, publishing{n: n, apart: true}.offer(t, reg))...)
	first := h.manifest(t, "push", list)
	if reg.Writes() == 0 {
		t.Fatal("the first push wrote nothing")
	}
	reg.Reset()
	if again := h.manifest(t, "push", list); again != first {
		t.Errorf("pushed again it is %s, before it was %s", again, first)
	}
	if got, most := len(reg.Requests()), n+2+pings+a; got > most {
		t.Errorf("%d requests, want %d at most:%s", got, most, tally(reg))
	}
	if got := reg.Writes(); got != 0 {
		t.Errorf("%d writes, want none:%s", got, tally(reg))
	}
}

// TestBudgetOfLocalWork (B12, B13): what is kept here is changed and shown
// without a registry.
func TestBudgetOfLocalWork(t *testing.T) {
	reg, h := testhelpers.NewRegistry(t), newHome(t)
	list, oci := reg.Host+"/acme/bp:list", reg.Host+"/acme/bp:oci"
	refs := publishing{n: 3}.offer(t, reg)
	h.manifest(t, slices.Concat([]string{"create", list}, refs)...)
	h.manifest(t, slices.Concat([]string{"create", oci, "--format", "oci"}, refs)...)
	reg.Reset()
	for _, args := range [][]string{
		{"list"},
		{"inspect", list},
		{"inspect", list, "-o", "table"},
		{"annotate", list, refs[0], "--variant", "v2"},
		{"annotate", oci, refs[1], "--annotation", "k=v"},
		{"annotate", oci, "--index", "--annotation", "k=v"},
		{"rm", list, refs[1]},
		{"remove", list},
	} {
		h.manifest(t, args...)
		if requests := reg.Requests(); len(requests) != 0 {
			t.Errorf("%s made requests:%s", args[0], tally(reg))
			reg.Reset()
		}
	}
	if got := h.manifest(t, "inspect", oci, "-o", "json"); strings.Count(got, `"k": "v"`) != 2 {
		t.Errorf("the annotations are not in\n%s", got)
	}
}

// TestBudgetOfFiles: what comes from files is sent once, in at most three
// requests a blob, whatever of it is shared.
func TestBudgetOfFiles(t *testing.T) {
	reg, h := testhelpers.NewRegistry(t, testhelpers.WithDelay(roundTrip)), newHome(t)
	args := []string{"create", reg.Host + "/acme/bp:list", "--publish"}
	blobs := map[v1.Hash]int64{}
	const n = 6
	for i := range n {
		img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{
			Platform: v1.Platform{OS: "linux", Architecture: "amd64", OSVersion: strconv.Itoa(i)},
			Seed:     uint64(i) + 1, SharedSeed: 99, LayerSizes: []int64{10_000, 20_000},
		})
		args = append(args, testhelpers.WriteCNB(t, h.path(fmt.Sprintf("%d.cnb", i)), img))
		manifest, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range append(manifest.Layers, manifest.Config) {
			blobs[d.Digest] = d.Size
		}
	}
	h.manifest(t, args...)
	var want, got int64
	for digest, size := range blobs {
		want += size
		if !reg.HasBlob("acme/bp", digest) {
			t.Errorf("%s is missing", digest)
		}
	}
	for _, r := range reg.Requests() {
		if r.Kind == "upload" {
			got += r.BytesIn
		}
	}
	if got != want {
		t.Errorf("%d bytes sent, want %d", got, want)
	}
	if got, most := len(reg.Requests()), 3*len(blobs)+2*n+2+pings; got > most {
		t.Errorf("%d requests for %d blobs, want %d at most:%s", got, len(blobs), most, tally(reg))
	}
	t.Logf("%d requests for %d blobs of %d images:%s", len(reg.Requests()), len(blobs), n, tally(reg))
}
