//go:build acceptance

package acceptance_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestDockerOfOthers: the socket of a daemon that the user may not open is
// denied, which is neither absent nor unreachable.
func TestDockerOfOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	dir, err := os.MkdirTemp("", "denied-") //nolint:usetesting // the folders above a test's own are for its user alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	program := filepath.Join(dir, "pack")
	if err := os.WriteFile(program, []byte(readFile(t, testhelpers.Binary(t))), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	d := testhelpers.NewDaemon(t)
	socket := strings.TrimPrefix(d.Host, "unix://")
	if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := newHome(t).with("DOCKER_HOST="+d.Host, "HOME="+dir, "DOCKER_CONFIG="+dir, "PACK_HOME="+filepath.Join(dir, "home"), "TMPDIR="+dir).
		command(ctx, program, "manifest", "create", "acme/bp", "docker-daemon:acme/bp")
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 4 {
		t.Errorf("%v, want exit 4:\n%s", err, stderr.String())
	}
	for _, text := range []string{"Docker daemon at " + d.Host + " (DOCKER_HOST)", "permission denied", "group docker"} {
		if !strings.Contains(stderr.String(), text) {
			t.Errorf("it does not say %q:\n%s", text, stderr.String())
		}
	}
	if asked := d.Asked(); len(asked) > 0 {
		t.Errorf("the daemon was asked %q", asked)
	}
}
