// Package testhelpers is what the tests of this module share: a registry that
// counts, waits, asks for credentials and misbehaves on request; registries and
// a Docker daemon as processes; buildpackage images and .cnb files as they occur
// in the field; golden files; the built program.
//
// Everything listens on loopback only, and ends with the test that started it. A
// helper that cannot do its work ends the test; one that misses a program says
// how to get it and skips the test, unless CI is set to "true", where a missing
// program is a failure. Nothing here is meant for code that is not a test.
package testhelpers
