package store_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// job is what a process of its own does for a test.
type job struct {
	Do   string // "add", "hold", "task", "loop" or what child_unix_test.go knows
	Root string
	Seed string // of the image to add, or the name of the task
	Kill int    // the call before which the process kills itself
}

// child runs a job and returns how to exit.
func child(text string) int {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return 3
	}
	n, err := index.ParseName(subject)
	if err != nil {
		return 3
	}
	if err := j.run(n); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (j job) run(n index.Name) error {
	ctx := context.Background()
	o := store.Options{Root: j.Root, Command: "child " + j.Do, LockTimeout: time.Minute}
	d := store.New(o)
	switch j.Do {
	case "add":
		return d.Update(ctx, n, content(newImage(j.Seed)), add(newImage(j.Seed)))
	case "hold":
		return d.Update(ctx, n, nil, hold)
	case "loop":
		return j.loop(ctx, d, n)
	case "task":
		f := &faults{mu: &sync.Mutex{}, counts: mutating, err: errKilled, at: j.Kill, before: killSelf}
		for _, tk := range tasks() {
			if tk.name == j.Seed {
				return tk.do(ctx, store.NewOn(o, f.open), n)
			}
		}
	}
	return runOnUnix(ctx, j, d, n)
}

// hold keeps the lock until the end of the input.
func hold(old *index.Index) (index.Index, error) {
	fmt.Println("locked")
	_, err := io.Copy(io.Discard, os.Stdin)
	return *old, err
}

// loop adds and removes an image again and again.
func (j job) loop(ctx context.Context, d *store.Dir, n index.Name) error {
	img := newImage(j.Seed)
	for {
		if err := d.Update(ctx, n, content(img), add(img)); err != nil {
			return err
		}
		fmt.Println("added")
		if err := d.Update(ctx, n, nil, remove(img)); err != nil {
			return err
		}
	}
}

func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

// command returns the process that does a job.
func command(t *testing.T, j job) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+string(text))
	return cmd
}

// C1, B19, H3: what 64 processes add at once is all there.
func TestB19ManyProcessesAdd(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	update(t, d, n, nil, create())
	want := map[string]bool{}
	var group sync.WaitGroup
	for i := range 64 {
		seed := fmt.Sprintf("s%02d", i)
		want[seed] = true
		cmd := command(t, job{Do: "add", Root: root, Seed: seed})
		group.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", seed, err, out)
			}
		})
	}
	group.Wait()
	wantAll(t, d, n, want)
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

func wantAll(t *testing.T, d *store.Dir, n index.Name, want map[string]bool) {
	t.Helper()
	got := strings.Fields(seeds(get(t, d, n)))
	if len(got) != len(want) {
		t.Errorf("%d entries, want %d: %q", len(got), len(want), got)
	}
	for _, seed := range got {
		if !want[seed] {
			t.Errorf("entry %s is too many", seed)
		}
		wantContent(t, d, n, newImage(seed))
	}
}

// C1 and C2 in one process.
func TestManyGoroutinesAdd(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	update(t, d, n, nil, create())
	want := map[string]bool{}
	var group sync.WaitGroup
	for i := range 64 {
		img := newImage(fmt.Sprintf("s%02d", i))
		want[fmt.Sprintf("s%02d", i)] = true
		group.Go(func() {
			if err := d.Update(t.Context(), n, content(img), add(img)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wantAll(t, d, n, want)
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

// C3: many add and remove at once; each that succeeded is seen in the result.
func TestMixedChanges(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	update(t, d, n, nil, create())
	want := map[string]bool{}
	var group sync.WaitGroup
	for i := range 8 {
		want[fmt.Sprintf("s%d-4", i)] = true
		group.Go(func() {
			for k := range 5 {
				img, last := newImage(fmt.Sprintf("s%d-%d", i, k)), newImage(fmt.Sprintf("s%d-%d", i, k-1))
				if err := d.Update(t.Context(), n, content(img), add(img)); err != nil {
					t.Error(err)
				}
				if k == 0 {
					continue
				}
				if err := d.Update(t.Context(), n, nil, remove(last)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	wantAll(t, d, n, want)
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

// C4, H3: of many that create one list one does.
func TestOneCreatorWins(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		d, _ := newDir(t)
		n := mustName(t, subject)
		won := make(chan string, 8)
		var group sync.WaitGroup
		for i := range 8 {
			img := newImage(fmt.Sprintf("s%d", i))
			group.Go(func() {
				err := d.Update(t.Context(), n, content(img), create(img))
				if err == nil {
					won <- fmt.Sprintf("s%d", i)
				} else if err != index.ErrExists { //nolint:errorlint // the edit's own error
					t.Error(err)
				}
			})
		}
		group.Wait()
		if len(won) != 1 {
			t.Fatalf("round %d: %d winners", round, len(won))
		}
		wantSeeds(t, d, n, <-won)
	}
}

// C6: readers never see a change half done.
func TestReadersDuringWrites(t *testing.T) {
	t.Parallel()
	d, _ := newDir(t)
	n := mustName(t, subject)
	a, b := newImage("a"), newImage("b")
	update(t, d, n, content(a), create(a))
	var stop atomic.Bool
	var writers, readers sync.WaitGroup
	writers.Go(func() {
		for !stop.Load() {
			update(t, d, n, content(b), add(b))
			update(t, d, n, nil, remove(b))
		}
	})
	for range 4 {
		readers.Go(func() {
			for range 2500 {
				ix, err := d.Get(t.Context(), n)
				if got := seeds(ix); err != nil || got != "a" && got != "a b" {
					t.Errorf("read %q (%v)", got, err)
				}
			}
		})
	}
	readers.Wait()
	stop.Store(true)
	writers.Wait()
}

// C5: a list that comes and goes is there or not.
func TestReadersDuringDeletes(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	a := newImage("a")
	var stop atomic.Bool
	var writers, readers sync.WaitGroup
	writers.Go(func() {
		for !stop.Load() {
			update(t, d, n, content(a), create(a))
			if err := d.Delete(t.Context(), n); err != nil {
				t.Error(err)
			}
		}
	})
	there := make(chan bool, 2000)
	for range 2 {
		readers.Go(func() {
			for range 1000 {
				ix, err := d.Get(t.Context(), n)
				there <- err == nil
				if got := seeds(ix); err == nil && got != "a" || err != nil && !isNotFound(err) {
					t.Errorf("read %q (%v)", got, err)
				}
			}
		})
	}
	readers.Wait()
	stop.Store(true)
	writers.Wait()
	found := 0
	for range cap(there) {
		if <-there {
			found++
		}
	}
	if found == 0 {
		t.Error("the list was never seen")
	}
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

// L1: real processes, really killed, before each of their calls.
func TestProcessKilledBeforeEachCall(t *testing.T) {
	t.Parallel()
	for _, tk := range tasks() {
		t.Run(tk.name, func(t *testing.T) {
			t.Parallel()
			kills := 0
			for at := 1; ; at++ {
				root := filepath.Join(t.TempDir(), "manifests")
				d := hasty(store.Options{Root: root})
				tk.prepare(t, d, mustName(t, subject), root)
				out, err := command(t, job{Do: "task", Root: root, Seed: tk.name, Kill: at}).CombinedOutput()
				got := stateOf(t, d, mustName(t, subject))
				if err == nil {
					if got != tk.new {
						t.Errorf("the list has %q, want %q", got, tk.new)
					}
					break
				}
				kills++
				if len(out) > 0 || got != tk.old && got != tk.new {
					t.Errorf("killed before call %d: the list has %q, want %q or %q: %s", at, got, tk.old, tk.new, out)
				}
				wantNextWriterToWork(t, &faults{}, d, root)
			}
			if kills < 10 {
				t.Errorf("killed %d times only", kills)
			}
		})
	}
}

// L1: a process that writes all the time is killed at any moment.
func TestProcessKilledAtRandom(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	for i := range 40 {
		cmd := command(t, job{Do: "loop", Root: root, Seed: "b"})
		lines := start(t, cmd)
		for range i%5 + 1 {
			lines.Scan()
		}
		kill(t, cmd, lines)
		if got := stateOf(t, d, n); got != "a" && got != "a b" {
			t.Fatalf("the list has %q", got)
		}
	}
	z := newImage("z")
	update(t, d, n, content(z), add(z))
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

// start starts a process and returns what it says.
func start(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(out)
}

func kill(t *testing.T, cmd *exec.Cmd, lines *bufio.Scanner) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		continue
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process ended before it was killed")
	}
}
