//go:build acceptance && unix

package acceptance_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestCrashNothingIsLostByManyAdds (C1, B19): 64 processes add to one list at
// once; each says that it did, and each did.
func TestCrashNothingIsLostByManyAdds(t *testing.T) {
	t.Parallel()
	const n = 64
	h := newHome(t)
	files := packages(t, h, n+1)
	const list = "localhost:1/acme/bp:1"
	h.manifest(t, "create", list, files[n])
	var all sync.WaitGroup
	results := make([]result, n)
	for i := range n {
		all.Go(func() { results[i] = h.run(t, testhelpers.Binary(t), "manifest", "add", list, files[i]) })
	}
	all.Wait()
	want := []string{entry(t, n)}
	for i, r := range results {
		if r.code != 0 {
			t.Errorf("add of %d exits with %d:\n%s", i, r.code, r.stderr)
		}
		want = append(want, entry(t, i))
	}
	got := lines(t, h.manifest(t, "inspect", list))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d entries, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	checkTidy(t, h, len(want))
}

// checkTidy counts what is in local storage: a list with entries that have a
// manifest, a config and a layer each, and nothing left over.
func checkTidy(tb testing.TB, h *home, entries int) {
	tb.Helper()
	count := func(pattern string) int {
		found, err := filepath.Glob(h.path("pack", "manifests", filepath.FromSlash(pattern)))
		if err != nil {
			tb.Fatal(err)
		}
		return len(found)
	}
	for pattern, want := range map[string]int{
		"*":                 4, // store.json, locks, tmp, v1
		"tmp/*":             0,
		"locks/*":           2, // the store's and the list's
		"v1/*":              1,
		"v1/*/*":            3,             // oci-layout, index.json, blobs
		"v1/*/blobs/*":      1,             // sha256
		"v1/*/blobs/*/*":    3*entries + 2, // the list and where its entries are from
		"v1/*/blobs/*/*/*":  0,
		"v1/*/index.json.*": 0,
	} {
		if got := count(pattern); got != want {
			tb.Errorf("%d files like %s, want %d", got, pattern, want)
		}
	}
}

// dice are seeded by the clock, and the seed is told, so that a run can be
// repeated.
func dice(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := uint64(time.Now().UnixNano())
	tb.Logf("the seed is %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// typical returns how long a command takes that nobody kills.
func typical(tb testing.TB, run func()) time.Duration {
	tb.Helper()
	const runs = 3
	began := time.Now()
	for range runs {
		run()
	}
	return time.Since(began) / runs
}

// killed runs a command, kills it after a time if it still runs, and reports
// whether it came to its end.
func (h *home) killed(tb testing.TB, after time.Duration, args ...string) (ended bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	cmd := h.command(ctx, testhelpers.Binary(tb), append([]string{"manifest"}, args...)...)
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	timer := time.AfterFunc(after, func() {
		_ = cmd.Process.Kill() //nolint:errcheck // it has ended then
	})
	defer timer.Stop()
	err := cmd.Wait()
	if ctx.Err() != nil {
		tb.Fatalf("%q hangs", args)
	}
	if state := cmd.ProcessState; state.Exited() && err != nil {
		tb.Fatalf("%q exits with %d", args, state.ExitCode())
	}
	return err == nil
}

// TestCrashKilledAdds (L1, B25): a list is the old one or the new one after
// kill -9 at whatever moment, the next command works, and what a killed one left
// goes away.
func TestCrashKilledAdds(t *testing.T) {
	t.Parallel()
	const runs, warm = 200, 4
	h, d := newHome(t), dice(t)
	files := packages(t, h, runs+warm+1)
	const list = "localhost:1/acme/bp:1"
	h.manifest(t, "create", list, files[0])
	next := 1
	usual := typical(t, func() { h.manifest(t, "add", list, files[next]); next++ })
	have := lines(t, h.manifest(t, "inspect", list))
	dead, news := 0, 0
	for range runs {
		after := time.Duration(d.Int64N(int64(usual)))
		ended := h.killed(t, after, "add", list, files[next])
		now := lines(t, h.manifest(t, "inspect", list))
		changed := slices.Concat(have, []string{entry(t, next)})
		switch {
		case slices.Equal(now, changed):
			news++
			have = now
		case !slices.Equal(now, have):
			t.Fatalf("killed after %v, the list has\n%s\nbefore it had\n%s", after, strings.Join(now, "\n"), strings.Join(have, "\n"))
		case ended:
			t.Fatalf("add of %d said that it did, and did not", next)
		}
		if !ended {
			dead++
		}
		next++
	}
	t.Logf("of %d commands that take %v, %d were killed; %d made the new list", runs, usual, dead, news)
	if dead < runs/10 {
		t.Errorf("only %d of %d commands were killed", dead, runs)
	}
	h.manifest(t, "add", list, files[next])
	checkTidy(t, h, len(have)+1)
}

// TestCrashKilledPublishing: after kill -9 at whatever moment the tag is not
// there, or it is the whole list; the same command again finishes the work.
func TestCrashKilledPublishing(t *testing.T) {
	t.Parallel()
	const runs, n = 20, 4
	h, d := newHome(t), dice(t)
	reg := testhelpers.NewRegistry(t, testhelpers.WithDelay(5*time.Millisecond))
	files := packages(t, h, n)
	var want []string
	for i := range n {
		want = append(want, entry(t, i))
	}
	create := func(repository string) []string {
		return slices.Concat([]string{"create", reg.Host + "/" + repository + ":1", "--publish"}, files)
	}
	warm := 0
	usual := typical(t, func() { warm++; h.manifest(t, create(fmt.Sprintf("acme/warm-%d", warm))...) })
	whole := func(repository string) bool {
		raw, _, ok := reg.Manifest(repository, "1")
		if !ok {
			return false
		}
		wantLines(t, repository, string(raw), want)
		for _, m := range parseList(t, bytes.NewReader(raw)).Manifests {
			checkImage(t, reg, repository, m.Digest)
		}
		return true
	}
	dead, tagged := 0, 0
	for i := range runs {
		repository := fmt.Sprintf("acme/bp-%d", i)
		ended := h.killed(t, time.Duration(d.Int64N(int64(usual))), create(repository)...)
		there := whole(repository)
		if ended && !there {
			t.Fatalf("publishing to %s said that it did, and did not", repository)
		}
		if !ended {
			dead++
		}
		if there {
			tagged++
			continue
		}
		h.manifest(t, create(repository)...)
		if !whole(repository) {
			t.Errorf("the second try left no list in %s", repository)
		}
	}
	t.Logf("of %d commands that take %v, %d were killed; %d left the list", runs, usual, dead, tagged)
	if dead < runs/10 {
		t.Errorf("only %d of %d commands were killed", dead, runs)
	}
}

// checkImage looks for an image and all that it refers to.
func checkImage(tb testing.TB, reg *testhelpers.Registry, repository string, digest v1.Hash) {
	tb.Helper()
	raw, _, ok := reg.Manifest(repository, digest.String())
	if !ok {
		tb.Errorf("%s lacks the image %s", repository, digest)
		return
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		tb.Fatal(err)
	}
	for _, d := range append(m.Layers, m.Config) {
		if !reg.HasBlob(repository, d.Digest) {
			tb.Errorf("%s lacks %s of the image %s", repository, d.Digest, digest)
		}
	}
}
