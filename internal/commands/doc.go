// Package commands is the command line: it turns arguments into requests to
// pkg/client, results into output, and errors into hints and exit codes. Each
// command has a file of its own; what all share is here: root.go has the tree
// and the global flags, env.go reads the environment, explain.go is the one
// table of exit codes and hints, report.go tells of what happens on the way.
//
// It does no work of its own: nothing here opens a connection or a list.
package commands
