package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// The crash model keeps apart what a disk was told and what it must keep, as
// SQLite's tests do (https://www.sqlite.org/atomiccommit.html): bytes of a file
// last after its sync, names in a directory after the sync of that directory.
// Until then each change of a directory may have come to the disk or not,
// independently of all others, and a file may be empty, half there, or zeros.

// node is a file or a directory of the model.
type node struct {
	entries map[string]*node // what is seen; nil for a file
	lasting map[string]*node // what a power cut leaves
	pending []*dirChange     // from lasting to entries
	data    []byte
	synced  bool // data came to the disk
}

// dirChange is one change of a directory that may be lost: names that come and
// go together.
type dirChange struct {
	gone string
	name string
	now  *node
}

// model is a disk.
type model struct {
	root *node
}

func newDirNode() *node { return &node{entries: map[string]*node{}, lasting: map[string]*node{}} }

// loadModel reads a directory, all of which lasts.
func loadModel(t *testing.T, dir string) *node {
	t.Helper()
	n := newDirNode()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		name := filepath.Join(dir, e.Name())
		if e.IsDir() {
			n.entries[e.Name()] = loadModel(t, name)
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n.entries[e.Name()] = &node{data: raw, synced: true}
	}
	n.lasting = maps.Clone(n.entries)
	return n
}

func (m *model) at(name string) *node {
	n := m.root
	for part := range strings.SplitSeq(path.Clean(name), "/") {
		if part != "." && n != nil {
			n = n.entries[part]
		}
	}
	return n
}

// change changes one directory.
func (m *model) change(dir string, c *dirChange) {
	d := m.at(dir)
	d.pending = append(d.pending, c)
	c.apply(d.entries)
}

func (c *dirChange) apply(entries map[string]*node) {
	if c.gone != "" {
		delete(entries, c.gone)
	}
	if c.name != "" {
		entries[c.name] = c.now
	}
}

func (m *model) link(name string, n *node) {
	m.change(path.Dir(name), &dirChange{name: path.Base(name), now: n})
}

func (m *model) unlink(name string) { m.change(path.Dir(name), &dirChange{gone: path.Base(name)}) }

func (m *model) rename(from, to string) {
	n := m.at(from)
	if path.Dir(from) == path.Dir(to) {
		m.change(path.Dir(from), &dirChange{gone: path.Base(from), name: path.Base(to), now: n})
		return
	}
	m.unlink(from)
	m.link(to, n)
}

func (m *model) syncDir(name string) {
	d := m.at(name)
	d.lasting, d.pending = maps.Clone(d.entries), nil
}

// recorder is a real disk on which every change is noted for the model.
type recorder struct {
	store.Disk
	mu  *sync.Mutex
	log *[]func(m *model)
}

func (r recorder) note(err error, event func(m *model)) error {
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		*r.log = append(*r.log, event)
	}
	return err
}

func (r recorder) Mkdir(name string) error {
	return r.note(r.Disk.Mkdir(name), func(m *model) { m.link(name, newDirNode()) })
}

func (r recorder) Create(name string) (store.WriteFile, error) {
	f, err := r.Disk.Create(name)
	// Whoever writes on does so to the file, wherever its name has gone.
	file := func(m *model) *node { return m.at(name) }
	return recordedFile{f, r, file}, r.note(err, func(m *model) { m.link(name, &node{}) })
}

func (r recorder) Rename(from, to string) error {
	return r.note(r.Disk.Rename(from, to), func(m *model) { m.rename(from, to) })
}

func (r recorder) Remove(name string) error {
	return r.note(r.Disk.Remove(name), func(m *model) { m.unlink(name) })
}

func (r recorder) SyncDir(name string) error {
	return r.note(nil, func(m *model) { m.syncDir(name) })
}

func (r recorder) OpenLock(name string) (store.LockFile, error) {
	f, err := r.Disk.OpenLock(name)
	return f, r.note(err, func(m *model) {
		if m.at(name) == nil {
			m.link(name, &node{})
		}
	})
}

type recordedFile struct {
	store.WriteFile
	r    recorder
	file func(m *model) *node
}

func (f recordedFile) Write(p []byte) (int, error) {
	n, err := f.WriteFile.Write(p)
	data := slices.Clone(p[:n])
	return n, f.r.note(err, func(m *model) {
		file := f.file(m)
		file.data, file.synced = append(slices.Clone(file.data), data...), false
	})
}

func (f recordedFile) Sync() error {
	return f.r.note(nil, func(m *model) { f.file(m).synced = true })
}

// record runs a task on a real store and returns the events and what was there
// before.
func record(t *testing.T, tk task) (before func() *node, events []func(m *model)) {
	t.Helper()
	o := store.Options{Root: filepath.Join(t.TempDir(), "manifests")}
	n := mustName(t, subject)
	if err := os.Mkdir(o.Root, 0o700); err != nil {
		t.Fatal(err)
	}
	tk.prepare(t, hasty(o), n, o.Root)
	copied := filepath.Join(t.TempDir(), "before")
	if err := os.CopyFS(copied, os.DirFS(o.Root)); err != nil {
		t.Fatal(err)
	}
	d := store.NewOn(o, recordTo(&events))
	if err := tk.do(t.Context(), d, n); err != nil {
		t.Fatal(err)
	}
	return func() *node { return loadModel(t, copied) }, events
}

func recordTo(events *[]func(m *model)) func(dir string) (store.Disk, error) {
	var mu sync.Mutex
	return func(dir string) (store.Disk, error) {
		dk, err := openHasty(dir)
		return recorder{dk, &mu, events}, err
	}
}

// lossy is one way in which a disk loses what it need not keep.
type lossy struct {
	name string
	kept func(i, n int) bool // of the i-th of n pending changes
	data func(raw []byte) []byte
}

// everyLoss has the ways that are tried: the all-or-nothing ones, each change alone
// lost or alone kept, all up to one, and some at random; times what becomes of
// the bytes of files.
func everyLoss(pending int, rnd *rand.Rand) []lossy {
	kept := map[string]func(i, n int) bool{
		"none": func(int, int) bool { return false },
		"all":  func(int, int) bool { return true },
	}
	for k := range pending {
		kept[fmt.Sprint("only ", k)] = func(i, _ int) bool { return i == k }
		kept[fmt.Sprint("all but ", k)] = func(i, _ int) bool { return i != k }
		kept[fmt.Sprint("up to ", k)] = func(i, _ int) bool { return i <= k }
	}
	for k := range 8 {
		mask := rnd.Uint64()
		kept[fmt.Sprint("random ", k)] = func(i, _ int) bool { return mask>>(i%64)&1 == 1 }
	}
	return times(kept)
}

// worstLosses has those that nearly all mistakes show in: nothing but what was
// synced, and something at random.
func worstLosses(_ int, rnd *rand.Rand) []lossy {
	mask := rnd.Uint64()
	return times(map[string]func(i, n int) bool{
		"none":   func(int, int) bool { return false },
		"random": func(i, _ int) bool { return mask>>(i%64)&1 == 1 },
	})
}

// times combines which changes are kept with what becomes of unsynced bytes.
func times(kept map[string]func(i, n int) bool) []lossy {
	data := map[string]func([]byte) []byte{
		"full":  func(raw []byte) []byte { return raw },
		"empty": func([]byte) []byte { return nil },
		"half":  func(raw []byte) []byte { return raw[:len(raw)/2] },
		"zeros": func(raw []byte) []byte { return make([]byte, len(raw)) },
	}
	var all []lossy
	for _, k := range slices.Sorted(maps.Keys(kept)) {
		for _, d := range slices.Sorted(maps.Keys(data)) {
			all = append(all, lossy{k + ", files " + d, kept[k], data[d]})
		}
	}
	return all
}

// pendingIn numbers the changes that may be lost, by directory.
func pendingIn(n *node, number map[*dirChange]int) {
	for _, c := range n.pending {
		number[c] = len(number)
	}
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		if child := n.entries[name]; child.entries != nil {
			pendingIn(child, number)
		}
	}
}

// survivors returns what is on the disk after a power cut: path and bytes, a
// directory with a slash at its end.
func survivors(n *node, at string, l lossy, number map[*dirChange]int, into map[string][]byte) {
	if n.entries == nil {
		into[at] = n.data
		if !n.synced {
			into[at] = l.data(n.data)
		}
		return
	}
	into[at+"/"] = nil
	left := maps.Clone(n.lasting)
	for _, c := range n.pending {
		if i, ok := number[c]; ok && l.kept(i, len(number)) {
			c.apply(left)
		}
	}
	for name, child := range left {
		survivors(child, path.Join(at, name), l, number, into)
	}
}

// fingerprint tells disks apart.
func fingerprint(disk map[string][]byte) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(disk)) {
		fmt.Fprintf(&b, "%s %s\n", name, index.DigestOf(disk[name]))
	}
	return index.DigestOf([]byte(b.String())).Hex
}

func materialise(t *testing.T, disk map[string][]byte) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "manifests")
	for _, name := range slices.Sorted(maps.Keys(disk)) {
		var err error
		if at := filepath.Join(root, name); strings.HasSuffix(name, "/") {
			err = os.MkdirAll(at, 0o700)
		} else {
			err = os.WriteFile(at, disk[name], 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}
