package testhelpers_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestBinaryIsBuiltOnce(t *testing.T) {
	t.Parallel()
	path := testhelpers.Binary(t)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), path, "--version").CombinedOutput(); err != nil || len(out) == 0 {
		t.Errorf("%s --version: %v\n%s", path, err, out)
	}
	again, err := os.Stat(testhelpers.Binary(t))
	if err != nil || !os.SameFile(before, again) {
		t.Errorf("it was built twice: %v", err)
	}
}

// recorder is a test that notes what becomes of it.
type recorder struct {
	testing.TB
	failed, skipped bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true }
func (r *recorder) Skipf(string, ...any)  { r.skipped = true }

func TestMissingIsAFailureInCIAlone(t *testing.T) {
	for _, c := range []struct {
		ci              string
		failed, skipped bool
	}{{"true", true, false}, {"", false, true}} {
		t.Setenv("CI", c.ci)
		r := &recorder{TB: t}
		testhelpers.Missing(r, "a thing", "get it")
		if r.failed != c.failed || !c.failed && r.skipped != c.skipped {
			t.Errorf("with CI=%q it failed: %v, was skipped: %v", c.ci, r.failed, r.skipped)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "golden")
	if err := os.WriteFile(path, []byte("as it was"), 0o600); err != nil {
		t.Fatal(err)
	}
	for got, failed := range map[string]bool{"as it was": false, "as it is": true} {
		r := &recorder{TB: t}
		testhelpers.Golden(r, path, []byte(got))
		if r.failed != failed {
			t.Errorf("%q failed: %v", got, r.failed)
		}
	}
}
