//go:build acceptance

package acceptance_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

const nobody = 65534

// smallDisk gives the user a PACK_HOME that is a disk of its own.
func smallDisk(tb testing.TB, h *home, options string) (disk string) {
	tb.Helper()
	disk = h.path("disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "mode=0700,"+options); err != nil {
		testhelpers.Missing(tb, "the right to mount", "run as root: "+err.Error())
	}
	tb.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			tb.Error(err)
		}
	})
	return disk
}

// asRoot skips a test that another user cannot do.
func asRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		testhelpers.Missing(tb, "root", "run as root")
	}
}

// snapshot is everything below a directory: modes, and contents of files.
func snapshot(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[path] = info.Mode().String()
		if info.Mode().IsRegular() {
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all[path] += " " + string(raw)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// wantSame compares two snapshots but for lock files, which say who came last.
func wantSame(tb testing.TB, what string, before, after map[string]string) {
	tb.Helper()
	for path, was := range before {
		if is := after[path]; is != was && !strings.HasSuffix(path, ".lock") {
			tb.Errorf("%s changed %s from %q to %q", what, path, was, is)
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok && !strings.HasSuffix(path, ".lock") {
			tb.Errorf("%s left %s", what, path)
		}
	}
}

// filler takes space on a disk away, and gives it back.
type filler struct {
	options string
	// fill leaves so many units, of 4096 bytes or of one file.
	fill func(tb testing.TB, dir string, units int)
}

func fillers() map[string]filler {
	return map[string]filler{
		"bytes": {"size=1m", func(tb testing.TB, dir string, units int) {
			tb.Helper()
			file := filepath.Join(dir, "filler")
			raw := make([]byte, 2<<20)
			if err := os.WriteFile(file, raw, 0o600); !errors.Is(err, syscall.ENOSPC) {
				tb.Fatalf("the disk is not full: %v", err)
			}
			info, err := os.Stat(file)
			if err != nil {
				tb.Fatal(err)
			}
			if err := os.Truncate(file, info.Size()-4096*int64(units)); err != nil {
				tb.Fatal(err)
			}
		}},
		"files": {"nr_inodes=100", func(tb testing.TB, dir string, units int) {
			tb.Helper()
			sub := filepath.Join(dir, "filler")
			if err := os.Mkdir(sub, 0o700); err != nil {
				tb.Fatal(err)
			}
			last := -1
			for i := range 200 {
				if err := os.WriteFile(filepath.Join(sub, strconv.Itoa(i)), nil, 0o600); err != nil {
					break
				}
				last = i
			}
			for i := range units {
				if err := os.Remove(filepath.Join(sub, strconv.Itoa(last-i))); err != nil {
					tb.Fatal(err)
				}
			}
		}},
	}
}

// TestDiskFull (L4, H10): a disk that fills at whatever write leaves the list as
// it was and nothing else; it can be read and deleted, and there is a way on.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	asRoot(t)
	for name, f := range fillers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			disk := smallDisk(t, h, f.options)
			h = h.with("PACK_HOME=" + filepath.Join(disk, "pack"))
			files := packages(t, h, 3)
			const list, other = "localhost:1/acme/bp:1", "localhost:1/acme/bp:2"
			h.manifest(t, "create", list, files[0])
			h.manifest(t, "create", other, files[0])
			before := snapshot(t, filepath.Join(disk, "pack"))
			units := 0
			for ; ; units++ {
				f.fill(t, disk, units)
				r := h.run(t, testhelpers.Binary(t), "manifest", "add", list, files[1])
				if err := os.RemoveAll(filepath.Join(disk, "filler")); err != nil {
					t.Fatal(err)
				}
				if r.code == 0 {
					break
				}
				if r.code != 1 || !strings.Contains(r.stderr, "no space left on device") || !strings.Contains(r.stderr, list) {
					t.Errorf("with %d units it exits with %d and says %q", units, r.code, r.stderr)
				}
				wantSame(t, fmt.Sprintf("add with %d units", units), before, snapshot(t, filepath.Join(disk, "pack")))
				if units > 50 {
					t.Fatal("it never fits")
				}
			}
			t.Logf("add works with %d units", units)
			if units < 4 {
				t.Errorf("add works with %d units, so few failures were seen", units)
			}
			if got := lines(t, h.manifest(t, "inspect", list)); !slices.Equal(got, []string{entry(t, 0), entry(t, 1)}) {
				t.Errorf("the list has %q", got)
			}
			f.fill(t, disk, 0)
			if got := listed(t, h); len(got) != 2 {
				t.Errorf("on a full disk list shows %v", got)
			}
			h.manifest(t, "remove", other)
			h.manifest(t, "add", list, files[2]) // with the space of the other one
		})
	}
}

// TestDiskReadOnly (L6): lists on a disk that cannot be written to are read and
// published; a change says why it cannot be made.
func TestDiskReadOnly(t *testing.T) {
	t.Parallel()
	asRoot(t)
	h, reg := newHome(t), testhelpers.NewRegistry(t)
	disk := smallDisk(t, h, "size=1m")
	h = h.with("PACK_HOME=" + filepath.Join(disk, "pack"))
	files := packages(t, h, 2)
	list := reg.Host + "/acme/bp:1"
	created := h.manifest(t, "create", list, files[0])
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, h); len(got[list]) != 1 {
		t.Errorf("list shows %v", got)
	}
	if got := lines(t, h.manifest(t, "inspect", list)); !slices.Equal(got, []string{entry(t, 0)}) {
		t.Errorf("inspect shows %q", got)
	}
	if pushed := h.manifest(t, "push", list); pushed != created {
		t.Errorf("create printed %s, push %s", created, pushed)
	}
	h.manifest(t, "create", reg.Host+"/acme/bp:2", files[0], "--publish")
	before := snapshot(t, disk)
	for _, args := range [][]string{
		{"add", list, files[1]},
		{"annotate", list, "linux/amd64", "--variant", "v2"},
		{"rm", list, "linux/amd64"},
		{"remove", list},
		{"create", list, files[1], "--replace"},
		{"create", reg.Host + "/acme/new:1", files[1]},
	} {
		r := h.fails(t, 1, args...)
		if !strings.Contains(r.stderr, "read-only file system") || !strings.Contains(r.stderr, "/acme/") {
			t.Errorf("%s says %q", args[0], r.stderr)
		}
	}
	wantSame(t, "a change", before, snapshot(t, disk))
}

// asNobody makes the user one who is not root, with a copy of the program where
// that user can read it.
func asNobody(tb testing.TB, h *home) (run func(args ...string) result) {
	tb.Helper()
	asRoot(tb)
	program := h.path("program")
	raw, err := os.ReadFile(testhelpers.Binary(tb))
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(program, raw, 0o755); err != nil {
		tb.Fatal(err)
	}
	setpriv := testhelpers.Peer(tb, "setpriv")
	return func(args ...string) result {
		return h.run(tb, setpriv, slices.Concat([]string{"--reuid=65534", "--regid=65534", "--clear-groups", program, "manifest"}, args)...)
	}
}

func chown(tb testing.TB, paths ...string) {
	tb.Helper()
	for _, path := range paths {
		if err := os.Chown(path, nobody, nobody); err != nil {
			tb.Fatal(err)
		}
	}
}

// TestDiskForbidden (L6, L13): a PACK_HOME that the user cannot write to, cannot
// enter, or that belongs to somebody else.
func TestDiskForbidden(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	run := asNobody(t, h)
	files := packages(t, h, 1)
	chown(t, files[0])
	const list = "localhost:1/acme/bp:1"
	home := h.path("pack")
	if err := os.Mkdir(home, 0o500); err != nil {
		t.Fatal(err)
	}
	chown(t, filepath.Dir(h.dir), h.dir, h.path("docker"), h.path("docker", "config.json"), home)
	for _, mode := range []os.FileMode{0o500, 0} {
		if err := os.Chmod(home, mode); err != nil {
			t.Fatal(err)
		}
		r := run("create", list, files[0])
		if r.code != 1 || !strings.Contains(r.stderr, "permission denied") || !strings.Contains(r.stderr, home) {
			t.Errorf("create in a PACK_HOME of mode %v exits with %d and says %q", mode, r.code, r.stderr)
		}
	}
	// A store of root's, who could put anything into it.
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	h.manifest(t, "create", list, files[0])
	if err := os.Chmod(filepath.Join(home, "manifests"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, home)
	for _, args := range [][]string{{"list"}, {"inspect", list}, {"create", list, files[0]}, {"remove", list}} {
		r := run(args...)
		if r.code != 1 || !strings.Contains(r.stderr, "belongs to user 0") {
			t.Errorf("%s in root's store exits with %d and says %q", args[0], r.code, r.stderr)
		}
	}
	wantSame(t, "another user", before, snapshot(t, home))
}
