// Command pack has the manifest commands of Cloud Native Buildpacks' pack.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/commands"
)

// version is set by the linker: see the Makefile.
var version = "dev"

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	go interrupt(cancel)
	os.Exit(commands.Main(ctx, commands.OSProcess(version)))
}

// interrupt ends ctx at the first signal, and the program with it within a
// second even if something hangs. A second signal is the default action.
func interrupt(cancel context.CancelCauseFunc) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	got := <-signals
	signal.Stop(signals)
	code := commands.ExitFailed
	if number, ok := got.(syscall.Signal); ok {
		code = 128 + int(number)
	}
	cancel(&commands.Interrupt{Name: got.String(), Code: code})
	time.Sleep(900 * time.Millisecond)
	os.Exit(code)
}
