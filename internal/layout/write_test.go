package layout_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// saved returns an index.json for images and all that they consist of, with
// blobs that are named twice.
func saved(t *testing.T, images ...v1.Image) (index.Index, []index.Blob) {
	t.Helper()
	var entries []index.Entry
	var blobs []index.Blob
	for _, m := range resolve(t, testhelpers.CNB{Images: images}.Write(t, file(t))) {
		entries = append(entries, m.Entry)
		blobs = append(blobs, m.Blobs()...)
	}
	ix, _, err := index.New(index.OCI).Apply(index.Add(entries...))
	if err != nil {
		t.Fatal(err)
	}
	return ix, append(blobs, blobs...)
}

type writer func(ctx context.Context, dest string, ix index.Index, blobs []index.Blob) error

func writers() map[string]writer {
	return map[string]writer{"oci-archive": layout.Writers{}.WriteArchive, "oci": layout.Writers{Jobs: 3}.WriteDirectory}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	images := []v1.Image{linux(t), windows(t)}
	for scheme, write := range writers() {
		ix, blobs := saved(t, images...)
		dest := filepath.Join(t.TempDir(), "saved")
		if err := write(t.Context(), dest, ix, blobs); err != nil {
			t.Fatal(err)
		}
		got := transport(t, scheme+":"+dest)
		if len(got) != 2 {
			t.Fatalf("%d images", len(got))
		}
		for i, m := range got {
			same(t, m, images[i])
		}
		onlyThere(t, dest)
	}
}

// onlyThere checks that a folder has nothing but the file or folder.
func onlyThere(t *testing.T, path string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left[0].Name() != filepath.Base(path) {
		t.Errorf("the folder has %v", left)
	}
}

func TestArchivesAreReproducible(t *testing.T) {
	t.Parallel()
	var archives [][]byte
	for range 2 {
		ix, blobs := saved(t, linux(t), windows(t))
		slices.Reverse(blobs)
		dest := filepath.Join(t.TempDir(), "saved.tar")
		if err := (layout.Writers{}).WriteArchive(t.Context(), dest, ix, blobs); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(dest)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, raw)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two runs differ")
	}
	var names []string
	for r := tar.NewReader(bytes.NewReader(archives[0])); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		mode := map[byte]int64{tar.TypeReg: 0o644, tar.TypeDir: 0o755}[h.Typeflag]
		if h.Mode != mode || h.Uid != 0 || h.Gid != 0 || h.Uname+h.Gname != "" || h.ModTime.Unix() != 0 ||
			h.Format != tar.FormatUSTAR || len(h.PAXRecords) > 0 {
			t.Errorf("header %+v", h)
		}
	}
	if !slices.IsSorted(names) || names[0] != "blobs/" || names[len(names)-1] != "oci-layout" {
		t.Errorf("members %q", names)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	ix, blobs := saved(t, linux(t))
	for _, write := range writers() {
		for name, make := range map[string]func(string) error{
			"file":   func(path string) error { return os.WriteFile(path, []byte("mine"), 0o600) },
			"folder": func(path string) error { return os.Mkdir(path, 0o700) },
			"link":   func(path string) error { return os.Symlink("nowhere", path) },
		} {
			dest := filepath.Join(t.TempDir(), name)
			if err := make(dest); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(dest)
			if err != nil {
				t.Fatal(err)
			}
			if err := write(t.Context(), dest, ix, blobs); !errors.Is(err, index.ErrExists) || !strings.Contains(err.Error(), dest) {
				t.Errorf("error %v", err)
			}
			after, err := os.Lstat(dest)
			if err != nil || !os.SameFile(before, after) {
				t.Errorf("%s is not what it was: %v", dest, err)
			}
			onlyThere(t, dest)
		}
		absent := filepath.Join(t.TempDir(), "absent", "x")
		if err := write(t.Context(), absent, ix, blobs); !errors.Is(err, index.ErrNotFound) || !strings.Contains(err.Error(), absent) {
			t.Errorf("error %v", err)
		}
	}
}

// content is a blob of the text, said to be another's.
func content(text string, of index.Blob) index.Blob {
	of.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	return of
}

var errOpen = errors.New("it cannot be opened")

func TestNothingIsWrittenOfBlobsThatLie(t *testing.T) {
	t.Parallel()
	ix, blobs := saved(t, linux(t))
	small := index.BytesBlob(index.DigestOf([]byte("hello")), []byte("hello"))
	for want, lie := range map[string]index.Blob{
		"has the digest sha256:":   content("hallo", small),
		"ends after 4 of 5 bytes":  content("hell", small),
		"goes on after 5 bytes":    content("hello!", small),
		"it cannot be opened":      {Digest: small.Digest, Size: 5, Open: func() (io.ReadCloser, error) { return nil, errOpen }},
		`unsupported hash: "md17"`: {Digest: v1.Hash{Algorithm: "md17", Hex: "00"}, Open: small.Open},
	} {
		for scheme, write := range writers() {
			dest := filepath.Join(t.TempDir(), "saved")
			err := write(t.Context(), dest, ix, append([]index.Blob{lie}, blobs...))
			if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, errOpen) && !errors.Is(err, index.ErrInvalid) {
				t.Errorf("%s: error %v, want %q", scheme, err, want)
			}
			if left, err := os.ReadDir(filepath.Dir(dest)); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		}
	}
}

func TestWritingIsGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	ix, blobs := saved(t, linux(t))
	blobs[0].Open = func() (io.ReadCloser, error) {
		cancel()
		return io.NopCloser(strings.NewReader("")), nil
	}
	dest := filepath.Join(t.TempDir(), "saved")
	if err := (layout.Writers{}).WriteArchive(ctx, dest, ix, blobs[:1]); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Lstat(dest); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
}

// output runs a program with a home of its own and returns what it prints.
func output(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+home, "PACK_HOME="+home, "DOCKER_HOST=unix:///nonexistent")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v", program, args, err)
	}
	return out
}

func TestSkopeoReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	skopeo := testhelpers.Peer(t, "skopeo")
	img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true})
	for scheme, write := range writers() {
		ix, blobs := saved(t, img)
		dest := filepath.Join(t.TempDir(), "saved")
		if err := write(t.Context(), dest, ix, blobs); err != nil {
			t.Fatal(err)
		}
		var seen struct{ Digest v1.Hash }
		if err := json.Unmarshal(output(t, skopeo, "inspect", scheme+":"+dest), &seen); err != nil {
			t.Fatal(err)
		}
		want, err := img.Digest()
		if err != nil || seen.Digest != want {
			t.Errorf("%s: skopeo sees %s, want %s (%v)", scheme, seen.Digest, want, err)
		}
		copied := filepath.Join(t.TempDir(), "copy")
		output(t, skopeo, "--insecure-policy", "copy", scheme+":"+dest, "oci:"+copied+":x")
		same(t, transport(t, "oci:"+copied)[0], img)
	}
}
