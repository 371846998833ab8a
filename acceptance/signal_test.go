//go:build acceptance && unix

package acceptance_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestSignals (S1): a signal ends a command that waits for a registry, with
// the signal's exit code and one line on what is done.
func TestSignals(t *testing.T) {
	t.Parallel()
	phases := []struct {
		name, method, match string // what hangs
		says                string
		tagged              bool
	}{
		{"resolve", "GET", "/manifests/0$", "nothing was written", false},
		{"upload", "PUT", "/blobs/uploads/", "nothing was written", false},
		{"children", "PUT", "/manifests/sha256:", "no tag was written", false},
		{"list", "PUT", "/manifests/list$", "whether the list was written is not known", false},
		{"look", "GET", "/manifests/list$", "the list was written", true},
	}
	for _, signal := range []struct {
		os.Signal
		name string
		code int
	}{
		{syscall.SIGINT, "interrupt", 130}, {syscall.SIGTERM, "terminated", 143}, {syscall.SIGHUP, "hangup", 129},
	} {
		for _, phase := range phases {
			t.Run(signal.name+"/"+phase.name, func(t *testing.T) {
				t.Parallel()
				reg, elsewhere, h := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t), newHome(t)
				elsewhere.Push(t, "acme/bp:0", numbered(t, 0))
				for _, r := range []*testhelpers.Registry{reg, elsewhere} {
					r.Inject(testhelpers.Fault{Method: phase.method, Match: phase.match, Do: testhelpers.Hang()})
				}
				hangs := func() bool { return reg.Faulted()+elsewhere.Faulted() > 0 }
				r := h.interrupted(t, signal.Signal, hangs,
					"-q", "create", reg.Host+"/acme/bp:list", elsewhere.Host+"/acme/bp:0", "--publish")
				if r.code != signal.code {
					t.Errorf("it exits with %d, want %d", r.code, signal.code)
				}
				want := "ERROR: interrupted (" + signal.name + "): "
				if strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, want) || !strings.Contains(r.stderr, phase.says) {
					t.Errorf("it says %q, want one line that begins with %q and says %q", r.stderr, want, phase.says)
				}
				if r.stdout != "" {
					t.Errorf("it prints %q", r.stdout)
				}
				reg.ClearFaults()
				if _, _, ok := reg.Manifest("acme/bp", "list"); ok != phase.tagged {
					t.Errorf("the tag is there: %v", ok)
				}
			})
		}
	}
}

// interrupted runs a manifest command, sends a signal when the time has come,
// and returns what it left. More than two seconds after that are too many.
func (h *home) interrupted(tb testing.TB, signal os.Signal, now func() bool, args ...string) result {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	cmd := h.command(ctx, testhelpers.Binary(tb), append([]string{"manifest"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	var err error
	go func() { err = cmd.Wait(); close(ended) }()
	for !now() {
		select {
		case <-ended:
			tb.Fatalf("it ended before the signal: %v\n%s", err, stderr.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := cmd.Process.Signal(signal); err != nil {
		tb.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(2 * time.Second):
		cancel()
		<-ended
		tb.Fatal("it still runs two seconds after the signal")
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// TestSignalEndsHelper (S6): a credential helper that waits ends with the
// command.
func TestSignalEndsHelper(t *testing.T) {
	t.Parallel()
	reg, h := testhelpers.NewRegistry(t, testhelpers.WithBasicAuth(user, password)), newHome(t)
	h = helperFor(t, h, `{"credsStore": "x"}`)
	h.write(t, "bin/docker-credential-x", fmt.Sprintf("#!/bin/sh\necho $$ >%q\nexec sleep 60\n", h.path("pid")))
	waits := func() bool {
		raw, err := os.ReadFile(h.path("pid"))
		return err == nil && len(raw) > 0
	}
	r := h.interrupted(t, syscall.SIGINT, waits, "inspect", reg.Host+"/acme/bp:1")
	if r.code != 130 {
		t.Errorf("it exits with %d, want 130:\n%s", r.code, r.stderr)
	}
	pid := strings.TrimSpace(readFile(t, h.path("pid")))
	deadline := time.Now().Add(5 * time.Second)
	for exec.Command("kill", "-0", pid).Run() == nil {
		if time.Now().After(deadline) {
			t.Fatalf("the helper, process %s, still runs", pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestSignalDocker: a signal ends a command that waits for a Docker daemon, and
// nothing of the image is left.
func TestSignalDocker(t *testing.T) {
	t.Parallel()
	d, waits := testhelpers.NewDaemon(t), make(chan struct{})
	testhelpers.Saved{Ref: "acme/bp:1", Image: numbered(t, 0)}.In(t, d)
	d.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/images/get") {
			return false
		}
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		close(waits)
		<-r.Context().Done()
		return true
	}
	now := func() bool {
		select {
		case <-waits:
			return true
		default:
			return false
		}
	}
	h := newHome(t).with("DOCKER_HOST=" + d.Host)
	r := h.interrupted(t, syscall.SIGINT, now, "create", "acme/bp:1", "docker-daemon:acme/bp:1")
	if r.code != 130 || r.stdout != "" || r.stderr != "ERROR: interrupted (interrupt): nothing was written\n" {
		t.Errorf("it exits with %d, prints %q and says %q", r.code, r.stdout, r.stderr)
	}
	if left, err := os.ReadDir(h.path("tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestSignalClosedPipe (S3): who reads only the beginning hears nothing more.
func TestSignalClosedPipe(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	const list = "localhost:1/acme/bp:1"
	h.manifest(t, "create", list, packages(t, h, 1)[0])
	for _, args := range [][]string{{"inspect", list}, {"inspect", list, "-o", "table"}, {"list"}, {"create", "--help"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		cmd := h.command(t.Context(), testhelpers.Binary(t), append([]string{"manifest"}, args...)...)
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &stderr
		err = cmd.Run()
		if err == nil || stderr.Len() > 0 {
			t.Errorf("%q: %v, and it says %q", args, err, stderr.String())
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := listed(t, h)[list]; len(got) != 1 {
		t.Errorf("afterwards the list is %q", got)
	}
}
