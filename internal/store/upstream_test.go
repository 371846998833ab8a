package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// layUpstream leaves a list as upstream does: the layout file, and the list
// itself as index.json, indented by three.
func layUpstream(t *testing.T, root, dir, mediaType string, images ...image) {
	t.Helper()
	var entries []string
	for _, img := range images {
		entries = append(entries, fmt.Sprintf(`
      {
         "mediaType": %q,
         "size": %d,
         "digest": %q,
         "platform": {
            "architecture": "amd64",
            "os": "linux",
            "os.version": %q
         }
      }`, img.entry.MediaType, img.entry.Size, img.entry.Digest, img.entry.Platform.OSVersion))
	}
	raw := fmt.Sprintf("{\n   \"schemaVersion\": 2,\n   \"mediaType\": %q,\n   \"manifests\": [%s\n   ]\n}", mediaType, strings.Join(entries, ","))
	at := filepath.Join(root, dir)
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"oci-layout": "{\n    \"imageLayoutVersion\": \"1.0.0\"\n}", "index.json": raw} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

const ociIndex = "application/vnd.oci.image.index.v1+json"

// versions tells which images a list has by a field that upstream keeps.
func versions(ix index.Index) string {
	var all []string
	for _, e := range ix.Entries() {
		all = append(all, e.Platform.OSVersion)
	}
	return strings.Join(all, " ")
}

func wantVersions(t *testing.T, d *store.Dir, n index.Name, want string) {
	t.Helper()
	if got := versions(get(t, d, n)); got != want {
		t.Errorf("%s has %q, want %q", n, got, want)
	}
}

// newPlaces returns a store and both places where upstream leaves lists.
func newPlaces(t *testing.T) (d *store.Dir, root, runtime string) {
	t.Helper()
	home := t.TempDir()
	root, runtime = filepath.Join(home, "manifests"), filepath.Join(home, "run")
	if err := errors.Join(os.Mkdir(root, 0o755), os.Mkdir(runtime, 0o700)); err != nil {
		t.Fatal(err)
	}
	return store.New(store.Options{Root: root, RuntimeDir: runtime}), root, runtime
}

func wantLists(t *testing.T, d *store.Dir, want ...string) {
	t.Helper()
	names, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range names {
		got = append(got, n.String())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("lists %q, want %q", got, want)
	}
}

// A list of upstream's is read where it is, taken over at the first change, and
// left as it is until it is deleted.
func TestUpstreamListIsTakenOver(t *testing.T) {
	t.Parallel()
	a, b := newImage("a"), newImage("b")
	for _, inRuntime := range []bool{false, true} {
		for _, mediaType := range []string{ociIndex, "application/vnd.docker.distribution.manifest.list.v2+json"} {
			t.Run(fmt.Sprint(inRuntime, mediaType), func(t *testing.T) {
				t.Parallel()
				d, root, runtime := newPlaces(t)
				place := root
				if inRuntime {
					place = runtime
				}
				layUpstream(t, place, "127.0.0.1-5391_acme_hello-multi", mediaType, a)
				n := mustName(t, "127.0.0.1:5391/acme/hello:multi")
				raw := readFile(t, filepath.Join(place, "127.0.0.1-5391_acme_hello-multi", "index.json"))

				wantVersions(t, d, n, "a")
				if got, err := get(t, d, n).RawManifest(); err != nil || string(got) != string(raw) {
					t.Errorf("the list is %s (%v), want %s", got, err, raw)
				}
				if _, err := os.Lstat(filepath.Join(root, "v1")); !errors.Is(err, os.ErrNotExist) {
					t.Error("reading made something")
				}
				added := b
				if mediaType != ociIndex {
					added.entry.MediaType = "application/vnd.docker.distribution.manifest.v2+json"
				}
				update(t, d, n, content(b), add(added))
				wantVersions(t, d, n, "a b")
				if got := readFile(t, filepath.Join(place, "127.0.0.1-5391_acme_hello-multi", "index.json")); string(got) != string(raw) {
					t.Errorf("upstream's list became %s", got)
				}
				wantLists(t, d, n.String())
				if err := d.Delete(t.Context(), n); err != nil {
					t.Fatal(err)
				}
				if _, err := os.Lstat(filepath.Join(place, "127.0.0.1-5391_acme_hello-multi")); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("upstream's list is still there (%v)", err)
				}
				_, err := d.Get(t.Context(), n)
				wantKind(t, err, index.ErrNotFound)
				wantLists(t, d)
			})
		}
	}
}

// Upstream names a list as it was typed; each spelling is found.
func TestUpstreamSpellings(t *testing.T) {
	t.Parallel()
	for dir, name := range map[string]string{
		"nginx":                                 "nginx",
		"nginx-latest":                          "nginx",
		"library_nginx":                         "nginx",
		"docker.io_library_nginx-latest":        "nginx",
		"index.docker.io_library_nginx-latest":  "nginx",
		"docker.io_nginx":                       "nginx",
		"acme_bp-1.2.3":                         "acme/bp:1.2.3",
		"docker.io_acme_bp-1.2.3":               "acme/bp:1.2.3",
		"localhost-5000_bp":                     "localhost:5000/bp",
		"localhost-5000_bp-latest":              "localhost:5000/bp",
		"ghcr.io_a_b-c_d":                       "ghcr.io/a/b:c_d",
		"cnbs_sample-package-hello-multi-arch":  "cnbs/sample-package:hello-multi-arch",
		"registry.example.com-443_acme_bp-v1.0": "registry.example.com:443/acme/bp:v1.0",
	} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			d, root, _ := newPlaces(t)
			layUpstream(t, root, dir, ociIndex, newImage("a"))
			wantVersions(t, d, mustName(t, name), "a")
			// And whatever name it is listed under is found.
			names, err := d.List(t.Context())
			if err != nil || len(names) != 1 {
				t.Fatalf("lists %v (%v)", names, err)
			}
			wantVersions(t, d, names[0], "a")
			if err := d.Delete(t.Context(), names[0]); err != nil {
				t.Error(err)
			}
			wantLists(t, d)
		})
	}
}

func TestUpstreamNamesAreGuessed(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{
		"nginx":                            "index.docker.io/library/nginx:latest",
		"acme_bp-1.2.3":                    "index.docker.io/acme/bp:1.2.3",
		"acme_bp-1.2.3-rc.1":               "index.docker.io/acme/bp:1.2.3-rc.1",
		"acme_sample-package-v2":           "index.docker.io/acme/sample-package:v2",
		"127.0.0.1-5391_acme_hello-multi":  "127.0.0.1:5391/acme/hello:multi",
		"localhost-5000_a_b_c-latest":      "localhost:5000/a/b/c:latest",
		"ghcr.io_acme_my-bp-latest":        "ghcr.io/acme/my-bp:latest",
		"my-registry.example.com_acme_a-b": "my-registry.example.com/acme/a:b",
		"acme_bp-RC1":                      "index.docker.io/acme/bp:RC1",
	} {
		n, ok := store.GuessName(dir)
		if !ok || n.String() != want {
			t.Errorf("%s is guessed to be %v (%v), want %s", dir, n, ok, want)
		}
	}
	for _, dir := range []string{"", ".", "..", "-rf", "Foo Bar", "v1 ", ".config", "a..b", "_"} {
		if n, ok := store.GuessName(dir); ok {
			t.Errorf("%q is guessed to be %s", dir, n)
		}
	}
}

func FuzzUpstreamName(f *testing.F) {
	for _, seed := range []string{"nginx", "acme_bp-1.2.3", "127.0.0.1-5391_acme_hello-multi", "..", "a/b:c", "[__1]-5_a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := store.GuessName(s); ok && !slices.Contains(store.TheirDirs(n), s) {
			t.Errorf("%q is guessed to be %s, which is not found there", s, n)
		}
		n, err := index.ParseName(s)
		if err != nil {
			return
		}
		dirs := store.TheirDirs(n)
		if !slices.Contains(dirs, store.SafeName(n.String())) {
			t.Errorf("%s is not found where upstream keeps it in full: %q", n, dirs)
		}
		for _, dir := range dirs {
			if strings.ContainsAny(dir, "/\\") || dir == "." || dir == ".." || dir == "" {
				t.Errorf("%s leads to %q", n, dir)
			}
			if _, ok := store.GuessName(dir); !ok {
				t.Errorf("no name of %q, where %s is", dir, n)
			}
		}
	})
}

// Both names lead to the one directory that upstream has for them.
func TestUpstreamListOfTwoNames(t *testing.T) {
	t.Parallel()
	d, root, _ := newPlaces(t)
	layUpstream(t, root, "a_b-1", ociIndex, newImage("a"))
	wantVersions(t, d, mustName(t, "a/b:1"), "a")
	wantVersions(t, d, mustName(t, "a_b-1"), "a")
	wantLists(t, d, "index.docker.io/a/b:1")
	update(t, d, mustName(t, "a_b-1"), nil, add(newImage("b")))
	wantVersions(t, d, mustName(t, "a_b-1"), "a b")
	wantVersions(t, d, mustName(t, "a/b:1"), "a")
}

// Of a list that hides others all go, so that none comes to light.
func TestDeleteFindsEverySpelling(t *testing.T) {
	t.Parallel()
	d, root, runtime := newPlaces(t)
	n := mustName(t, "nginx")
	layUpstream(t, root, "nginx", ociIndex, newImage("a"))
	layUpstream(t, root, "docker.io_library_nginx-latest", ociIndex, newImage("b"))
	layUpstream(t, runtime, "nginx-latest", ociIndex, newImage("c"))
	wantVersions(t, d, n, "a")
	update(t, d, n, nil, add(newImage("z")))
	if err := d.Delete(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	_, err := d.Get(t.Context(), n)
	wantKind(t, err, index.ErrNotFound)
	wantKind(t, d.Delete(t.Context(), n), index.ErrNotFound)
	for _, place := range []string{root, runtime} {
		left, err := filepath.Glob(filepath.Join(place, "*nginx*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left: %q (%v)", left, err)
		}
	}
}

// H1, B7: what is in the runtime directory and is no list of upstream's is not
// read, not listed and never deleted, whatever its name.
func TestH1ForeignDirectoriesAreLeftAlone(t *testing.T) {
	t.Parallel()
	d, root, runtime := newPlaces(t)
	a := newImage("a")
	for _, place := range []string{root, runtime} {
		mkdirs(t, filepath.Join(place, "systemd", "units"))
		mkdirs(t, filepath.Join(place, "onlyindex"))
		writeFile(t, filepath.Join(place, "onlyindex", "index.json"), []byte(`{"schemaVersion":2,"manifests":[]}`))
		mkdirs(t, filepath.Join(place, "onlylayout"))
		writeFile(t, filepath.Join(place, "onlylayout", "oci-layout"), []byte(`{}`))
		layUpstream(t, place, "broken", ociIndex, a)
		writeFile(t, filepath.Join(place, "broken", "index.json"), []byte(`{`))
		layUpstream(t, place, "alayout", ociIndex, a)
		mkdirs(t, filepath.Join(place, "alayout", "blobs"))
		layUpstream(t, filepath.Dir(place), "linked", ociIndex, a)
		if err := os.Symlink("../linked", filepath.Join(place, "linked")); err != nil {
			t.Fatal(err)
		}
		layUpstream(t, place, "filelinked", ociIndex, a)
		head := filepath.Join(place, "filelinked", "index.json")
		if err := errors.Join(os.Rename(head, head+"-away"), os.Symlink("index.json-away", head)); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(place, "bus"), nil)
	}
	before := tree(t, runtime)
	for _, s := range []string{"systemd", "onlyindex", "onlylayout", "broken", "alayout", "linked", "filelinked", "bus", "v1", "locks", "tmp"} {
		n := mustName(t, s)
		_, err := d.Get(t.Context(), n)
		wantKind(t, err, index.ErrNotFound)
		wantKind(t, d.Delete(t.Context(), n), index.ErrNotFound)
		update(t, d, n, content(a), create(a))
		wantSeeds(t, d, n, "a")
		if err := d.Delete(t.Context(), n); err != nil {
			t.Error(err)
		}
	}
	wantLists(t, d)
	if after := tree(t, runtime); !slices.Equal(before, after) {
		t.Errorf("the runtime directory became %q, was %q", after, before)
	}
	for _, s := range []string{"systemd/units", "broken/index.json", "alayout/index.json", "linked/index.json", "bus"} {
		if _, err := os.Lstat(filepath.Join(root, s)); err != nil {
			t.Error(err)
		}
	}
}

// A file that somebody put beside upstream's list stays.
func TestDeleteLeavesForeignFiles(t *testing.T) {
	t.Parallel()
	d, _, runtime := newPlaces(t)
	layUpstream(t, runtime, "acme_bp-1", ociIndex, newImage("a"))
	writeFile(t, filepath.Join(runtime, "acme_bp-1", "precious"), []byte("x"))
	if err := d.Delete(t.Context(), mustName(t, "acme/bp:1")); err != nil {
		t.Fatal(err)
	}
	if got := string(readFile(t, filepath.Join(runtime, "acme_bp-1", "precious"))); got != "x" {
		t.Errorf("it has %q", got)
	}
	wantLists(t, d)
}

func TestRuntimeDirectoriesThatAreIgnored(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	shared := filepath.Join(home, "shared")
	layUpstream(t, shared, "acme_bp-1", ociIndex, newImage("a"))
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, "file")
	writeFile(t, file, nil)
	for _, runtime := range []string{"", "relative", filepath.Join(home, "none"), file, shared} {
		d := store.New(store.Options{Root: filepath.Join(home, "manifests"), RuntimeDir: runtime})
		_, err := d.Get(t.Context(), mustName(t, "acme/bp:1"))
		wantKind(t, err, index.ErrNotFound)
		wantLists(t, d)
	}
}

func mkdirs(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(name, 0o755); err != nil {
		t.Fatal(err)
	}
}

// tree returns the names below a directory and when they changed.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			all = append(all, fmt.Sprint(path, info.Mode(), info.ModTime().UnixNano()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
