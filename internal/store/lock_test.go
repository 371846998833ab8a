package store_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

// startHolder starts a process that has the lock of the list.
func startHolder(t *testing.T, root string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := command(t, job{Do: "hold", Root: root})
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	lines := start(t, cmd)
	if !lines.Scan() || lines.Text() != "locked" {
		t.Fatalf("the holder says %q", lines.Text())
	}
	return cmd, lines
}

// C8: a lock does not outlive its holder.
func TestHolderKilled(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	a, b := newImage("a"), newImage("b")
	update(t, d, n, content(a), create(a))
	cmd, lines := startHolder(t, root)
	done := make(chan error)
	go func() { done <- d.Update(t.Context(), n, content(b), add(b)) }()
	kill(t, cmd, lines)
	killed := time.Now()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(killed); waited > time.Second {
		t.Errorf("the lock was free after %v", waited)
	}
	wantSeeds(t, d, n, "a b")
}

func TestWaitingForALockCanBeCancelled(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	n := mustName(t, subject)
	a := newImage("a")
	update(t, d, n, content(a), create(a))
	cmd, lines := startHolder(t, root)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Update(ctx, n, nil, add(newImage("b"))) }()
	cancel()
	wantKind(t, <-done, context.Canceled)
	wantSeeds(t, d, n, "a") // nor do readers wait
	kill(t, cmd, lines)
}

// Another list is not locked.
func TestListsAreLockedApart(t *testing.T) {
	t.Parallel()
	d, root := newDir(t)
	a := newImage("a")
	update(t, d, mustName(t, subject), content(a), create(a))
	cmd, lines := startHolder(t, root)
	other := mustName(t, "acme/other:1")
	update(t, d, other, content(a), create(a))
	wantSeeds(t, d, other, "a")
	kill(t, cmd, lines)
}
