//go:build acceptance

package acceptance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"go.uber.org/goleak"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// patience is how long a program may take before a test calls it hung.
const patience = 2 * time.Minute

// TestMain looks for goroutines that outlive the tests. Where a test asks for
// it, this process is not a test, but measures another one.
func TestMain(m *testing.M) {
	if file := os.Getenv(measureVariable); file != "" {
		os.Exit(measure(file, os.Args[1:]))
	}
	goleak.VerifyTestMain(m, testhelpers.Lingering())
}

// home is a user: a home directory with a folder of pack's and a Docker
// configuration in it, and an environment without anything of who runs the
// tests.
type home struct {
	dir string
	env []string
}

func newHome(tb testing.TB) *home {
	tb.Helper()
	h := &home{dir: tb.TempDir()}
	h.write(tb, "docker/config.json", "{}")
	if err := os.Mkdir(h.path("tmp"), 0o700); err != nil {
		tb.Fatal(err)
	}
	h.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "PACK_HOME=" + h.path("pack"),
		"DOCKER_CONFIG=" + h.path("docker"), "DOCKER_HOST=unix://" + h.path("no-daemon"),
		"TMPDIR=" + h.path("tmp"), "LC_ALL=C",
	}
	return h
}

// with is the same user with variables added; the last one of a name counts.
func (h *home) with(env ...string) *home {
	return &home{dir: h.dir, env: slices.Concat(h.env, env)}
}

// without is the same user without some variables.
func (h *home) without(names ...string) *home {
	other := &home{dir: h.dir}
	for _, pair := range h.env {
		name, _, _ := strings.Cut(pair, "=")
		if !slices.Contains(names, name) {
			other.env = append(other.env, pair)
		}
	}
	return other
}

func (h *home) path(elem ...string) string {
	return filepath.Join(append([]string{h.dir}, elem...)...)
}

func (h *home) write(tb testing.TB, file, content string) string {
	tb.Helper()
	path := h.path(filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// result is what a program left.
type result struct {
	stdout, stderr string
	code           int // -1 where a signal ended it
}

// command prepares a program to be run in the user's directory.
func (h *home) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = h.dir, h.env, 5*time.Second
	return cmd
}

// run runs a program to its end, whatever that is.
func (h *home) run(tb testing.TB, program string, args ...string) result {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	cmd := h.command(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		tb.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// ok runs a program that must succeed and returns what it printed, without the
// space around.
func (h *home) ok(tb testing.TB, program string, args ...string) string {
	tb.Helper()
	r := h.run(tb, program, args...)
	if r.code != 0 {
		tb.Fatalf("%s %s exits with %d:\n%s%s", filepath.Base(program), strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return strings.TrimSpace(r.stdout)
}

// manifest runs the manifest command under test, which must succeed.
func (h *home) manifest(tb testing.TB, args ...string) string {
	tb.Helper()
	return h.ok(tb, testhelpers.Binary(tb), append([]string{"manifest"}, args...)...)
}

// fails runs the manifest command under test, which must fail with that code.
func (h *home) fails(tb testing.TB, code int, args ...string) result {
	tb.Helper()
	r := h.run(tb, testhelpers.Binary(tb), append([]string{"manifest"}, args...)...)
	if r.code != code {
		tb.Fatalf("manifest %s exits with %d, want %d:\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r
}

// digestIn returns the digest of REPOSITORY@DIGEST, which must be all that was
// printed.
func digestIn(tb testing.TB, stdout string) v1.Hash {
	tb.Helper()
	_, text, _ := strings.Cut(stdout, "@")
	h, err := v1.NewHash(text)
	if err != nil {
		tb.Fatalf("%q is not REPOSITORY@DIGEST: %v", stdout, err)
	}
	return h
}

func sha256Of(tb testing.TB, raw []byte) v1.Hash {
	tb.Helper()
	h, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// getManifest returns what a registry without authentication has under a
// reference's tag or digest, as it came over the wire; ok is false for a 404.
func getManifest(tb testing.TB, host, repository, tagOrDigest string) (raw []byte, ok bool) {
	tb.Helper()
	url := "http://" + host + "/v2/" + repository + "/manifests/" + tagOrDigest
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	for _, mediaType := range []string{
		"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
		"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
	} {
		req.Header.Add("Accept", mediaType)
	}
	resp, err := oneShot().RoundTrip(req)
	if err != nil {
		tb.Fatal(err)
	}
	raw, err = io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		tb.Fatal(err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return raw, true
	case http.StatusNotFound:
		return nil, false
	}
	tb.Fatalf("GET %s: %s\n%s", url, resp.Status, raw)
	return nil, false
}

// oneShot is a transport that keeps no connection.
func oneShot() *http.Transport { return &http.Transport{DisableKeepAlives: true} }

// push puts an image into any registry.
func push(tb testing.TB, ref string, img v1.Image, opts ...remote.Option) {
	tb.Helper()
	testhelpers.Push(tb, ref, img, append(opts, remote.WithTransport(oneShot()))...)
}

// numbered makes the image of a number, for a platform that no other has.
func numbered(tb testing.TB, i int) v1.Image {
	tb.Helper()
	return testhelpers.Buildpackage(tb, testhelpers.PackageSpec{
		Platform: v1.Platform{OS: "linux", Architecture: "amd64", OSVersion: strconv.Itoa(i)}, Seed: uint64(i) + 1,
	})
}

// packages writes a .cnb file for each number and returns the paths.
func packages(tb testing.TB, h *home, n int) []string {
	tb.Helper()
	var files []string
	for i := range n {
		files = append(files, testhelpers.WriteCNB(tb, h.path(fmt.Sprintf("%d.cnb", i)), numbered(tb, i)))
	}
	return files
}

// entry is the line that a number's package has in a list.
func entry(tb testing.TB, i int) string {
	tb.Helper()
	digest, err := numbered(tb, i).Digest()
	if err != nil {
		tb.Fatal(err)
	}
	return fmt.Sprintf("linux/amd64:%d %s", i, digest)
}
