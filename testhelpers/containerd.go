package testhelpers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// StartContainerd starts the system's containerd with state of its own and
// returns the address that ctr's --address takes. It has no network and starts
// no containers.
func StartContainerd(tb testing.TB) (address string) {
	tb.Helper()
	program := Peer(tb, "containerd")
	if os.Geteuid() != 0 {
		Missing(tb, "containerd", "run as root: it mounts the images that it unpacks")
	}
	dir, err := os.MkdirTemp("", "containerd-") //nolint:usetesting // the path of a socket is 107 bytes at most
	if err != nil {
		tb.Fatalf("start containerd: %v", err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("tidy after containerd: %v", err)
		}
	})
	address = filepath.Join(dir, "sock")
	config := fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = %q
`, filepath.Join(dir, "root"), filepath.Join(dir, "state"), address)
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		tb.Fatalf("configure containerd: %v", err)
	}
	cmd := exec.Command(program, "--config", file)
	startProcess(tb, cmd, func(_ context.Context, wrote string) bool { return strings.Contains(wrote, "successfully booted") })
	return address
}
