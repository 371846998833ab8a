package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

const subject = "acme/bp:1"

// task is a change that something goes wrong with.
type task struct {
	name     string
	prepare  func(t *testing.T, d *store.Dir, n index.Name, root string)
	do       func(ctx context.Context, d *store.Dir, n index.Name) error
	old, new string // the images of the list before and after, "none" for no list
	shownBy  string // what the call has in it by which others see the change
}

// tasks are the changes that lists see.
func tasks() []task {
	a, b := newImage("a"), newImage("b")
	const toHead = " " + subjectDir + "/index.json"
	updating := func(blobs []index.Blob, e edit) func(ctx context.Context, d *store.Dir, n index.Name) error {
		return func(ctx context.Context, d *store.Dir, n index.Name) error { return d.Update(ctx, n, blobs, e) }
	}
	having := func(images ...image) func(t *testing.T, d *store.Dir, n index.Name, root string) {
		return func(t *testing.T, d *store.Dir, n index.Name, _ string) {
			t.Helper()
			update(t, d, n, content(images...), create(images...))
		}
	}
	return []task{
		{"create", func(*testing.T, *store.Dir, index.Name, string) {}, updating(content(a), create(a)), "none", "a", toHead},
		{"add", having(a), updating(content(b), add(b)), "a", "a b", toHead},
		{"annotate", having(a), updating(nil, func(old *index.Index) (index.Index, error) {
			return old.WithOrigins(func(_ int, e index.Entry) index.Origin {
				e.Origin.Ref = "renamed.cnb"
				return e.Origin
			}), nil
		}), "a", "renamed", toHead},
		{"rm", having(a, b), updating(nil, remove(a)), "a b", "b", toHead},
		{"remove", having(a), deleting, "a", "none", " tmp/out-"},
		{"remove hiding others", hiding(a), deleting, "a", "none", " tmp/out-"},
		{"remove upstream's", leaving, deleting, "upstream's first", "none", "/manifests/acme_bp-1/index.json"},
	}
}

func deleting(ctx context.Context, d *store.Dir, n index.Name) error { return d.Delete(ctx, n) }

// hiding makes a list that hides two of upstream's, neither of which may be seen
// instead.
func hiding(images ...image) func(t *testing.T, d *store.Dir, n index.Name, root string) {
	return func(t *testing.T, d *store.Dir, n index.Name, root string) {
		t.Helper()
		update(t, d, n, content(images...), create(images...))
		leaving(t, d, n, root)
	}
}

// leaving leaves two lists of upstream's for one name.
func leaving(t *testing.T, _ *store.Dir, _ index.Name, root string) {
	t.Helper()
	layUpstream(t, root, "acme_bp-1", ociIndex, newImage("first"))
	layUpstream(t, root, "docker.io_acme_bp-1", ociIndex, newImage("second"))
}

// stateOf tells which images the list has, by their origins, or by what upstream
// keeps where they have none. The content of ours must be whole.
func stateOf(t *testing.T, d *store.Dir, n index.Name) string {
	t.Helper()
	ix, err := d.Get(t.Context(), n)
	if errors.Is(err, index.ErrNotFound) {
		return "none"
	}
	if err != nil {
		return "unreadable: " + err.Error()
	}
	var all []string
	for _, e := range ix.Entries() {
		seed := strings.TrimSuffix(e.Origin.Ref, ".cnb")
		all = append(all, seed+theirMark(e))
		if seed != "" {
			wantContent(t, d, n, newImage(e.Platform.OSVersion))
		}
	}
	return strings.Join(all, " ")
}

// theirMark marks an entry that only upstream can have written.
func theirMark(e index.Entry) string {
	if e.Origin != (index.Origin{}) {
		return ""
	}
	return "upstream's " + e.Platform.OSVersion
}

// eachFault runs a task once for each of its calls that counts, with that call
// going wrong, and hands over what came of it.
func eachFault(t *testing.T, tk task, template faults, check func(t *testing.T, f *faults, err error, d *store.Dir, root string)) {
	t.Helper()
	total := runFault(t, tk, template, 0, func(t *testing.T, f *faults, err error, d *store.Dir, _ string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if got := stateOf(t, d, mustName(t, subject)); got != tk.new {
			t.Fatalf("the list has %q, want %q", got, tk.new)
		}
	})
	if total < 3 {
		t.Fatalf("only %d calls", total)
	}
	for at := 1; at <= total; at++ {
		runFault(t, tk, template, at, check)
	}
	t.Logf("%d calls", total)
}

func runFault(t *testing.T, tk task, template faults, at int, check func(t *testing.T, f *faults, err error, d *store.Dir, root string)) int {
	t.Helper()
	o := store.Options{Root: filepath.Join(t.TempDir(), "manifests")}
	n := mustName(t, subject)
	healthy := hasty(o)
	tk.prepare(t, healthy, n, o.Root)
	f := template
	f.mu, f.at = &sync.Mutex{}, at
	err := tk.do(t.Context(), store.NewOn(o, f.open), n)
	check(t, &f, err, healthy, o.Root)
	return len(f.calls)
}

// wantNextWriterToWork changes the list once more and looks at what is left.
func wantNextWriterToWork(t *testing.T, f *faults, d *store.Dir, root string) {
	t.Helper()
	z := newImage("z")
	n := mustName(t, subject)
	before := stateOf(t, d, n)
	err := d.Update(t.Context(), n, content(z), func(old *index.Index) (index.Index, error) {
		if old == nil {
			return create(z)(old)
		}
		return add(z)(old)
	})
	if err != nil {
		t.Errorf("%s: the next writer: %v", f, err)
	}
	if got, want := stateOf(t, d, n), strings.TrimPrefix(before+" z", "none "); got != want {
		t.Errorf("%s: after the next writer the list has %q, want %q", f, got, want)
	}
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("%s: after the next writer there are %q", f, s)
	}
}

// L1, B25, H2: a change whose process is killed before any of its calls that
// change something has happened or has not.
func TestKilledBeforeEachCall(t *testing.T) {
	t.Parallel()
	for _, tk := range tasks() {
		t.Run(tk.name, func(t *testing.T) {
			t.Parallel()
			eachFault(t, tk, faults{counts: mutating, err: errKilled}, func(t *testing.T, f *faults, err error, d *store.Dir, root string) {
				t.Helper()
				got := stateOf(t, d, mustName(t, subject))
				if got != tk.old && got != tk.new || err == nil && got != tk.new {
					t.Errorf("%s: the list has %q (%v), want %q or %q", f, got, err, tk.old, tk.new)
				}
				wantNextWriterToWork(t, f, d, root)
			})
		})
	}
}

// L4, L5, L6, H10: a call that fails leaves the old state, the next writer works,
// and nothing is left over.
func TestEachCallFails(t *testing.T) {
	t.Parallel()
	kinds := map[string]faults{
		"EIO":           {err: syscall.EIO},
		"ENOSPC":        {err: syscall.ENOSPC},
		"ENOSPC for on": {err: syscall.ENOSPC, lasting: true},
		"EACCES":        {err: syscall.EACCES},
		"short write":   {err: syscall.ENOSPC, short: true},
	}
	for kind, template := range kinds {
		template.counts = mutating
		for _, tk := range tasks() {
			t.Run(tk.name+" "+kind, func(t *testing.T) {
				t.Parallel()
				eachFault(t, tk, template, func(t *testing.T, f *faults, err error, d *store.Dir, root string) {
					t.Helper()
					checkFailed(t, tk, f, err, d, root)
				})
			})
		}
	}
}

func checkFailed(t *testing.T, tk task, f *faults, err error, d *store.Dir, root string) {
	t.Helper()
	got := stateOf(t, d, mustName(t, subject))
	want := tk.old
	if err == nil || committed(tk, f) {
		want = tk.new
	}
	if got != want {
		t.Errorf("%s: the list has %q (%v), want %q", f, got, err, want)
	}
	if err != nil {
		wantText(t, err, root, f.err.Error())
	}
	if s := strays(t, root); len(s) > 0 && !f.lasting && !committed(tk, f) && !strings.HasPrefix(f.calls[f.at-1], "remove") {
		t.Errorf("%s: left over: %q", f, s)
	}
	wantNextWriterToWork(t, f, d, root)
}

// committed reports whether the call that failed came after the one by which
// the change is seen, so that the old state is not there any more.
func committed(tk task, f *faults) bool {
	for i, c := range f.calls {
		if i == f.at-1 && !f.lasting {
			return false
		}
		changes := strings.HasPrefix(c, "rename ") || strings.HasPrefix(c, "remove ")
		if i != f.at-1 && changes && strings.Contains(c, tk.shownBy) {
			return true
		}
	}
	return false
}

// L5: what cannot be read is an error, never a list that is not there.
func TestEachReadFails(t *testing.T) {
	t.Parallel()
	for _, tk := range tasks() {
		t.Run(tk.name, func(t *testing.T) {
			t.Parallel()
			eachFault(t, tk, faults{counts: reading, err: syscall.EIO}, func(t *testing.T, f *faults, err error, d *store.Dir, root string) {
				t.Helper()
				got := stateOf(t, d, mustName(t, subject))
				if err == nil && got != tk.new || err != nil && got != tk.old && !committed(tk, f) {
					t.Errorf("%s: the list has %q (%v)", f, got, err)
				}
				wantNextWriterToWork(t, f, d, root)
			})
		})
	}
}

func TestEachReadOfAReaderFails(t *testing.T) {
	t.Parallel()
	a := newImage("a")
	reads := map[string]func(ctx context.Context, d *store.Dir, n index.Name) error{
		"Get": func(ctx context.Context, d *store.Dir, n index.Name) error {
			ix, err := d.Get(ctx, n)
			if err == nil && seeds(ix) != "a" {
				return errors.New("it has no origins")
			}
			return err
		},
		"Blob": func(ctx context.Context, d *store.Dir, n index.Name) error {
			b, err := d.Blob(ctx, n, a.entry.Digest)
			if err != nil {
				return err
			}
			_, err = readBlob(b)
			return err
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := store.Options{Root: filepath.Join(t.TempDir(), "manifests")}
			n := mustName(t, subject)
			update(t, store.New(o), n, content(a), create(a))
			count := &faults{mu: &sync.Mutex{}, counts: reading}
			if err := read(t.Context(), store.NewOn(o, count.open), n); err != nil {
				t.Fatal(err)
			}
			for at := range count.calls {
				f := &faults{mu: &sync.Mutex{}, counts: reading, err: syscall.EIO, at: at + 1}
				err := read(t.Context(), store.NewOn(o, f.open), n)
				if !errors.Is(err, syscall.EIO) || errors.Is(err, index.ErrNotFound) || errors.Is(err, index.ErrCorrupt) {
					t.Errorf("%s: error %v, want EIO", f, err)
				}
			}
		})
	}
}
