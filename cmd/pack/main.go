// Command pack has the manifest commands of Cloud Native Buildpacks' pack.
package main

import (
	"context"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/commands"
)

// version is set by the linker: see the Makefile.
var version = "dev"

func main() {
	spendMemory()
	ctx, cancel := context.WithCancelCause(context.Background())
	go interrupt(cancel)
	os.Exit(commands.Main(ctx, commands.OSProcess(version)))
}

// spendMemory lets garbage lie until there is much of it, since most commands end
// before, and collects early from 32 MiB on, so that the program stays below its
// 48 MiB. An annotate in a list of 1000 entries takes a third less of the processor.
func spendMemory() {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return // GOMEMLIMIT is set
	}
	const percent, limit = 400, 32 << 20
	debug.SetGCPercent(percent)
	debug.SetMemoryLimit(limit)
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
