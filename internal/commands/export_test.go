package commands

import (
	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
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

// Advice is the command, and what it does not say, that repair a finding of a
// command: its words, the name of the program included. It was about a list that
// is in local storage ("kept"), published, or nowhere.
func Advice(words []string, arguments int, at string, finding index.Finding) (command, sentence string) {
	a := advisor{
		program: "pack manifest", list: words[3], verb: words[2], words: words, args: arguments,
		at: map[string]place{"kept": inStorage, "published": inRegistry, "nowhere": nowhere}[at], format: index.OCI,
	}
	r := a.repair(finding)
	return r.command, r.sentence
}

// Advisor returns what a process advises, of the words that it was started with.
func Advisor(p Process, finding index.Finding) string {
	a := (&factory{process: p, verb: "push"}).advisor("r/a:1")
	return a.repair(finding).command
}
