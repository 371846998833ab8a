package store_test

// child does what a test wants done in a process of its own, and returns how to
// exit.
func child(string) int { return 1 }
