//go:build acceptance

package acceptance_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// measureVariable names the file that measure writes to.
const measureVariable = "ACCEPTANCE_MEASURE"

// measure runs a program and writes the most memory that it had to a file, in
// units of 1024 bytes. It runs in a small process of its own: Linux counts what
// the process had that started the program, and a test has much.
func measure(file string, args []string) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	usage := reflect.Indirect(reflect.ValueOf(cmd.ProcessState.SysUsage())) // not every system has this member
	figure := strconv.FormatInt(usage.FieldByName("Maxrss").Int(), 10)
	if err := os.WriteFile(file, []byte(figure), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

// measured runs a manifest command that must succeed and returns the most
// memory that it had, in MiB.
func (h *home) measured(tb testing.TB, args ...string) int {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	file := h.path("measured")
	h.with(measureVariable+"="+file).ok(tb, self, slices.Concat([]string{testhelpers.Binary(tb), "manifest"}, args)...)
	kib, err := strconv.Atoi(readFile(tb, file))
	if err != nil {
		tb.Fatal(err)
	}
	return kib / 1024
}

// TestMemory: content is streamed, so that the memory that publishing takes does
// not depend on how much there is to publish.
func TestMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("other systems count memory in other units, or not at all")
	}
	const n, layer, most = 4, 64 << 20, 64
	h, reg := newHome(t), testhelpers.NewRegistry(t)
	var files []string
	for i := range n {
		file := h.path(fmt.Sprintf("large-%d.cnb", i))
		testhelpers.WriteCNB(t, file, testhelpers.Buildpackage(t, testhelpers.PackageSpec{
			Platform: v1.Platform{OS: "linux", Architecture: "amd64", OSVersion: strconv.Itoa(i)},
			Seed:     uint64(i) + 1, LayerSizes: []int64{layer},
		}))
		info, err := os.Stat(file)
		if err != nil || info.Size() < layer {
			t.Fatalf("the file is too small: %v, %v", info, err)
		}
		files = append(files, file)
		runtime.GC() // what made it is not needed any more
	}
	list := reg.Host + "/acme/kept:1"
	for _, work := range []struct {
		name string
		mib  int
	}{
		{"create --publish", h.measured(t, slices.Concat([]string{"create", reg.Host + "/acme/bp:1", "--publish"}, files)...)},
		{"create", h.measured(t, slices.Concat([]string{"create", list}, files)...)},
		{"push", h.measured(t, "push", list)},
		{"inspect", h.measured(t, "inspect", list)},
	} {
		t.Logf("%s of %d images with a layer of %d MiB takes %d MiB", work.name, n, layer>>20, work.mib)
		if work.mib > most || work.mib < 1 {
			t.Errorf("%s takes %d MiB, want %d at most", work.name, work.mib, most)
		}
	}
	for _, repository := range []string{"acme/bp", "acme/kept"} {
		raw, _, _ := reg.Manifest(repository, "1")
		if got := lines(t, string(raw)); len(got) != n {
			t.Errorf("%s has %q", repository, got)
		}
	}
}
