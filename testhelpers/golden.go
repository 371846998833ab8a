package testhelpers

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

//nolint:gochecknoglobals // the flag package knows no other way
var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// Golden compares got with a file, to be named relative to the test's directory
// and kept in testdata. With -update it writes the file, for people to review.
func Golden(tb testing.TB, file string, got []byte) {
	tb.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			tb.Fatalf("write a golden file: %v", err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			tb.Fatalf("write a golden file: %v", err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		tb.Fatalf("%v; -update writes it", err)
	}
	if !bytes.Equal(got, want) {
		tb.Errorf("%s differs; -update accepts it\n--- got\n%s\n--- want\n%s", file, got, want)
	}
}
