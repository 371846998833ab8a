//go:build unix

package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// runOnUnix does what only these systems know.
func runOnUnix(ctx context.Context, j job, d *store.Dir, n index.Name) error {
	if mask, ok := strings.CutPrefix(j.Do, "umask "); ok {
		bits, err := strconv.ParseUint(mask, 8, 32)
		if err != nil {
			return err
		}
		syscall.Umask(int(bits))
		a := newImage("a")
		return d.Update(ctx, n, content(a), create(a))
	}
	if strings.HasPrefix(j.Do, "files ") {
		return runWithFewFiles(ctx, d, n)
	}
	return errors.New("no such job")
}

// C9: who waits too long is told for whom.
func TestHolderStopped(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	cmd, lines := startHolder(t, root)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	impatient := store.New(store.Options{Root: root, LockTimeout: 50 * time.Millisecond})
	for _, err := range []error{impatient.Update(t.Context(), n, nil, add(newImage("b"))), impatient.Delete(t.Context(), n)} {
		wantKind(t, err, index.ErrConflict, `list "acme/bp:1"`, "50ms", strconv.Itoa(cmd.Process.Pid), "child hold")
	}
	wantSeeds(t, d, n, "a")
	kill(t, cmd, lines)
	wantSeeds(t, d, n, "a")
}

// L14: nobody else may read, whatever the umask, and we may.
func TestModesWhateverTheUmask(t *testing.T) {
	t.Parallel()
	for _, mask := range []string{"000", "022", "077", "777"} {
		t.Run(mask, func(t *testing.T) {
			t.Parallel()
			root := filepath.Join(t.TempDir(), "home", "manifests")
			if out, err := command(t, job{Do: "umask " + mask, Root: root}).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			count := 0
			err := filepath.WalkDir(filepath.Dir(root), func(path string, e fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := e.Info()
				if err != nil {
					return err
				}
				want := fs.FileMode(0o600)
				if info.IsDir() {
					want = 0o700
				}
				if got := info.Mode().Perm(); got != want {
					t.Errorf("%s has mode %o, want %o", path, got, want)
				}
				count++
				return nil
			})
			if err != nil || count < 15 {
				t.Errorf("%d files (%v)", count, err)
			}
		})
	}
}

// L9: what is no file and no directory is refused, and a pipe stops nobody.
func TestLinksAndPipesAreRefused(t *testing.T) {
	t.Parallel()
	a := newImage("a")
	const list = "v1/index.docker.io+acme+bp~~1"
	link := func(t *testing.T, name string) {
		t.Helper()
		away := filepath.Join(t.TempDir(), "away")
		for _, err := range []error{os.Rename(name, away), os.Symlink(away, name)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	inside := func(t *testing.T, name string) {
		t.Helper()
		for _, err := range []error{os.Rename(name, name+"-away"), os.Symlink(filepath.Base(name)+"-away", name)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	pipe := func(t *testing.T, name string) {
		t.Helper()
		for _, err := range []error{os.Remove(name), syscall.Mkfifo(name, 0o600)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	blob := list + "/blobs/sha256/" + a.entry.Digest.Hex
	cases := []struct {
		name, path string
		do         func(t *testing.T, name string)
		corrupt    bool // the list is corrupt, and can be deleted
		blobOnly   bool // only the blob is
	}{
		{"store linked", "", link, false, false},
		{"lists linked", "v1", link, false, false},
		{"lists linked inside", "v1", inside, false, false},
		{"locks linked inside", "locks", inside, false, false},
		{"list linked", list, link, true, false},
		{"list linked inside", list, inside, true, false},
		{"index.json linked inside", list + "/index.json", inside, true, false},
		{"index.json linked", list + "/index.json", link, true, false},
		{"index.json a pipe", list + "/index.json", pipe, true, false},
		{"blobs linked inside", list + "/blobs", inside, true, false},
		{"sha256 linked inside", list + "/blobs/sha256", inside, true, false},
		{"blob linked inside", blob, inside, true, true},
		{"blob a pipe", blob, pipe, true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, root := newDir(t)
			n := mustName(t, subject)
			update(t, d, n, content(a), create(a))
			c.do(t, filepath.Join(root, c.path))
			_, err := d.Get(t.Context(), n)
			if c.blobOnly {
				_, err = d.Blob(t.Context(), n, a.entry.Digest)
			}
			if !c.corrupt {
				wantText(t, err, root)
				wantText(t, d.Update(t.Context(), n, nil, add(newImage("b"))), root)
				return
			}
			wantKind(t, err, index.ErrCorrupt, `list "acme/bp:1"`)
			if !c.blobOnly {
				wantKind(t, d.Update(t.Context(), n, nil, add(newImage("b"))), index.ErrCorrupt)
			}
			names, err := d.List(t.Context())
			if err != nil || !slices.Contains(names, n) {
				t.Errorf("lists %v (%v)", names, err)
			}
			if err := d.Delete(t.Context(), n); err != nil {
				t.Error(err)
			}
			_, err = d.Get(t.Context(), n)
			wantKind(t, err, index.ErrNotFound)
		})
	}
}

func TestLockFileThatIsNone(t *testing.T) {
	t.Parallel()
	a := newImage("a")
	for name, replace := range map[string]func(name string) error{
		"pipe": func(name string) error { return syscall.Mkfifo(name, 0o600) },
		"link": func(name string) error { return os.Symlink("/dev/null", name) },
		"dir":  func(name string) error { return os.Mkdir(name, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, root := newDir(t)
			n := mustName(t, subject)
			update(t, d, n, content(a), create(a))
			lock := filepath.Join(root, "locks", "index.docker.io+acme+bp~~1.lock")
			if err := errors.Join(os.Remove(lock), replace(lock)); err != nil {
				t.Fatal(err)
			}
			wantText(t, d.Update(t.Context(), n, nil, add(newImage("b"))), lock, "not a regular file")
			wantSeeds(t, d, n, "a")
		})
	}
}

// A store that others can change is refused, and the error says what to do.
func TestStoreOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	a := newImage("a")
	cases := map[string]struct {
		spoil func(root string) error
		want  string
	}{
		"written by others":        {func(root string) error { return os.Chmod(root, 0o702) }, "chmod go-w "},
		"written by a group":       {func(root string) error { return os.Chmod(root, 0o770) }, "chmod go-w "},
		"home written by everyone": {func(root string) error { return os.Chmod(filepath.Dir(root), 0o777) }, "chmod o-w "},
		"of another user":          {func(root string) error { return os.Chown(root, 12345, -1) }, "belongs to user 12345"},
		"a file":                   {func(root string) error { return errors.Join(os.RemoveAll(root), os.WriteFile(root, nil, 0o600)) }, "not a directory"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, root := newDir(t)
			n := mustName(t, subject)
			update(t, d, n, content(a), create(a))
			if err := c.spoil(root); errors.Is(err, fs.ErrPermission) {
				t.Skip("only root can give a directory away")
			} else if err != nil {
				t.Fatal(err)
			}
			_, err := d.Get(t.Context(), n)
			wantText(t, err, filepath.Dir(root), c.want)
			wantText(t, d.Update(t.Context(), n, nil, add(a)), filepath.Dir(root), c.want)
			_, err = d.List(t.Context())
			wantText(t, err, c.want)
		})
	}
}

// A directory like /tmp, where everybody may write and nobody may rename what is
// not theirs, may hold a store.
func TestStoreInAStickyDirectory(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	if err := os.Chmod(filepath.Dir(root), 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	a := newImage("a")
	update(t, d, mustName(t, subject), content(a), create(a))
	wantSeeds(t, d, mustName(t, subject), "a")
}

// L15: too few files to open is an error and changes nothing.
func TestTooFewFiles(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	out, err := command(t, job{Do: "files 8", Root: root}).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "too many open files") {
		t.Errorf("%v: %s", err, out)
	}
	wantSeeds(t, d, n, "a")
	b := newImage("b")
	update(t, d, n, content(b), add(b))
	if s := strays(t, root); len(s) > 0 {
		t.Errorf("left over: %q", s)
	}
}

// runWithFewFiles opens files until only few more can be, fewer each time, and
// adds an image: the errors come from every place that opens a file.
func runWithFewFiles(ctx context.Context, d *store.Dir, n index.Name) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = 64
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	var open []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		open = append(open, f)
	}
	b := newImage("b")
	var all error
	for _, f := range open[:4] {
		if err := d.Update(ctx, n, content(b), add(b)); err != nil {
			all = errors.Join(all, err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return all
}
