package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/store"
)

// L2, L3: a power cut at any time leaves the old or the new list, and after the
// change has returned the new one, in every state that a disk may be in.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	for _, tk := range tasks() {
		t.Run(tk.name, func(t *testing.T) {
			t.Parallel()
			before, events := record(t, tk)
			seen := map[string]bool{}
			for cut := range len(events) + 1 {
				eachSurvivor(before(), events[:cut], everyLoss, func(how string, disk map[string][]byte) {
					key := fmt.Sprint(cut == len(events), fingerprint(disk))
					if !seen[key] {
						seen[key] = true
						allowed := []string{tk.new, tk.old}
						if cut == len(events) {
							allowed = allowed[:1]
						}
						checkSurvivors(t, disk, allowed, fmt.Sprintf("cut after %d of %d, %s", cut, len(events), how))
					}
				})
			}
			t.Logf("%d cuts, %d states", len(events)+1, len(seen))
			if len(seen) < 10 {
				t.Error("too few to believe")
			}
		})
	}
}

// eachSurvivor hands over all that a disk may be after events and a power cut.
func eachSurvivor(before *node, events []func(m *model), ways func(pending int, rnd *rand.Rand) []lossy, check func(how string, disk map[string][]byte)) {
	m := &model{root: before}
	for _, event := range events {
		event(m)
	}
	number := map[*dirChange]int{}
	pendingIn(m.root, number)
	for _, l := range ways(len(number), rand.New(rand.NewPCG(1, uint64(len(events))))) {
		disk := map[string][]byte{}
		survivors(m.root, ".", l, number, disk)
		check(l.name, disk)
	}
}

// L2: what a killed writer left half done, and no sync has seen, must not make
// the next writer's work less durable.
func TestPowerCutAfterTheWriterThatFollowsAKilledOne(t *testing.T) {
	t.Parallel()
	for _, tk := range tasks()[:2] {
		t.Run(tk.name, func(t *testing.T) {
			t.Parallel()
			states := 0
			for at := 1; ; at++ {
				before, events, done, killed := recordTwice(t, tk, at)
				if !killed {
					break
				}
				if !done {
					continue
				}
				seen := map[string]bool{}
				eachSurvivor(before, events, worstLosses, func(how string, disk map[string][]byte) {
					if key := fingerprint(disk); !seen[key] {
						seen[key] = true
						checkSurvivors(t, disk, []string{tk.new}, fmt.Sprintf("killed before call %d, then done, then %s", at, how))
					}
				})
				states += len(seen)
			}
			t.Logf("%d states", states)
			if states < 20 {
				t.Error("too few to believe")
			}
		})
	}
}

// recordTwice runs a task that is killed before one of its calls, and then in
// full; killed is false where it has no such call, done where it was refused the
// second time, since it had come to its end the first.
func recordTwice(t *testing.T, tk task, at int) (before *node, events []func(m *model), done, killed bool) {
	t.Helper()
	o := store.Options{Root: filepath.Join(t.TempDir(), "manifests")}
	n := mustName(t, subject)
	if err := os.Mkdir(o.Root, 0o700); err != nil {
		t.Fatal(err)
	}
	tk.prepare(t, hasty(o), n, o.Root)
	before = loadModel(t, o.Root)
	f := &faults{mu: &sync.Mutex{}, counts: mutating, err: errKilled, at: at, inner: recordTo(&events)}
	if err := tk.do(t.Context(), store.NewOn(o, f.open), n); err == nil {
		return before, events, true, len(f.calls) >= at
	}
	err := tk.do(t.Context(), store.NewOn(o, recordTo(&events)), n)
	if got := stateOf(t, hasty(o), n); got != tk.new {
		t.Fatalf("the list has %q (%v), want %q", got, err, tk.new)
	}
	return before, events, err == nil, true
}

func checkSurvivors(t *testing.T, disk map[string][]byte, allowed []string, what string) {
	t.Helper()
	root := materialise(t, disk)
	d := hasty(store.Options{Root: root})
	if got := stateOf(t, d, mustName(t, subject)); !slices.Contains(allowed, got) {
		t.Errorf("%s: the list has %q, want one of %q", what, got, allowed)
	}
	wantNextWriterToWork(t, &faults{calls: []string{what}, at: 1}, d, root)
	if err := os.RemoveAll(root); err != nil { // there are thousands
		t.Error(err)
	}
}
