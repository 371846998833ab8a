package commands

import (
	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
)

// Explain is explain.
func Explain(streams *ui.Streams, cause, err error) int {
	words := []string{"pack", "manifest", "push", "ghcr.io/acme/bp:1"}
	return explain(streams, advisor{program: "pack manifest", list: "LIST", verb: "push", words: words, args: 1}, cause, err)
}

// InList is inList.
func InList(err error, list string) error { return inList(err, list) }

// NewRoot returns the tree of commands of a process.
func NewRoot(p Process) *cobra.Command {
	return newRoot(&factory{process: p, streams: ui.New(p.Out, p.Err, p.Term, p.Now)})
}

// ShellWords is shellWords.
func ShellWords(words []string) string { return shellWords(words) }
