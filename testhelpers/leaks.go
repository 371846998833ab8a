package testhelpers

import "go.uber.org/goleak"

// Lingering lets a goroutine pass that net/http's server ends by itself: for half
// a second it keeps a connection open whose request it did not read to its end
// (rstAvoidanceDelay), longer than goleak waits.
func Lingering() goleak.Option {
	return goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait")
}
