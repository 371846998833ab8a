package commands

import (
	"errors"
	"slices"
	"strings"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// ExitFailed is the exit code of what has no code of its own.
const ExitFailed = 1

// Interrupt is the cause of a context that a signal ended.
//
//nolint:errname // it is a signal first and an error second
type Interrupt struct {
	Name string // as in "interrupt"
	Code int    // the exit code: 128 and the signal's number
}

// Error says that a signal came.
func (i *Interrupt) Error() string { return i.Name }

// kinds is the table of exit codes and hints, in the order of precedence where
// an error has several kinds.
func kinds() []kind {
	return []kind{
		{index.ErrCorrupt, ExitFailed, corruptHint}, // first: what is corrupt is often invalid, too
		{index.ErrUsage, 2, nil},
		{index.ErrInvalid, 3, nil},
		{index.ErrDenied, 4, deniedHint},
		{index.ErrNotFound, 5, notFoundHint},
		{index.ErrExists, 6, existsHint},
		{index.ErrConflict, 6, nil},
		{index.ErrUnreachable, 7, unreachableHint},
		{index.ErrRefused, 7, nil},
	}
}

type kind struct {
	err  error
	code int
	hint func(a advisor, f *index.Fault) repair
}

func deniedHint(_ advisor, f *index.Fault) repair {
	if strings.HasPrefix(f.Thing, dockerDaemon) {
		return repair{sentence: "Docker's socket is for root and the group docker; DOCKER_HOST or a context names another daemon."}
	}
	r := repair{sentence: "Log in, or check what CNB_REGISTRY_AUTH grants."}
	ref, err := index.ParseReference(f.Thing)
	if err != nil {
		return r
	}
	host := ref.Context().RegistryStr()
	if host == "index.docker.io" {
		host = "docker.io" // as docker calls it
	}
	r.command = "docker login " + shellWord(host)
	return r
}

func notFoundHint(a advisor, f *index.Fault) repair {
	switch {
	case strings.HasPrefix(f.Thing, "list "):
		return repair{command: a.program + " list"}
	case strings.HasPrefix(f.Thing, "image for "):
		return repair{sentence: "--platform PLATFORM loads the image for another platform."}
	case strings.HasPrefix(f.Thing, "entry "):
		return repair{command: a.program + " " + shellWords([]string{"inspect", a.list, "-o", "table"})}
	}
	return repair{}
}

func existsHint(a advisor, f *index.Fault) repair {
	if !strings.HasPrefix(f.Thing, "list ") {
		return repair{sentence: "Nothing is overwritten; delete it first, or give another name."}
	}
	return repair{a.program + " " + shellWords([]string{"remove", a.list}), "Use --amend to add to it, or --replace to make it anew."}
}

// dockerDaemon begins the name of a daemon in errors.
const dockerDaemon = "Docker daemon"

func unreachableHint(a advisor, f *index.Fault) repair {
	if strings.HasPrefix(f.Thing, dockerDaemon) {
		return repair{sentence: "Start it, or say where it is by DOCKER_HOST or 'docker context use'."}
	}
	if strings.Contains(f.Error(), "plain HTTP") || strings.Contains(f.Error(), "certificate") {
		return repair{a.again("--insecure"), "If you trust the network, --insecure allows plain HTTP and TLS that cannot be verified."}
	}
	return repair{}
}

func corruptHint(a advisor, _ *index.Fault) repair {
	return repair{a.program + " " + shellWords([]string{"remove", a.list}), "Nothing was changed; delete the list, then create it again."}
}

// listError remembers the name of the list that a request was about, so that
// hints can name it.
type listError struct {
	list string
	error
}

func (e *listError) Unwrap() error { return e.error }

func inList(err error, list string) error { return &listError{list, err} }

// explain shows an error and how to mend it, and returns the exit code.
func explain(streams *ui.Streams, a advisor, cause, err error) int {
	if err == nil {
		return 0
	}
	if interrupt, ok := errors.AsType[*Interrupt](cause); ok {
		streams.Error("interrupted (%s): %s", interrupt.Name, whatIsDone(err))
		return interrupt.Code
	}
	if about, ok := errors.AsType[*listError](err); ok {
		a.list = about.list
	}
	for _, one := range flatten(err) {
		explainOne(streams, a.rejected(), one)
	}
	if unfinished, ok := errors.AsType[*index.Unfinished](err); ok {
		tellUnfinished(streams, a, unfinished)
	}
	return exitCode(err)
}

// tellUnfinished says how far publishing came and how it goes on. Over what is
// not expected, the same command comes no further.
func tellUnfinished(streams *ui.Streams, a advisor, u *index.Unfinished) {
	if errors.Is(u, index.ErrConflict) {
		streams.Info("%s", u.Summary())
		return
	}
	streams.Info("%s; the same command does what is left", u.Summary())
	tip(streams, a.again())
}

func exitCode(err error) int {
	at := slices.IndexFunc(kinds(), func(k kind) bool { return errors.Is(err, k.err) })
	if at < 0 {
		return ExitFailed
	}
	return kinds()[at].code
}

// whatIsDone says how far an interrupted command came.
func whatIsDone(err error) string {
	if unfinished, ok := errors.AsType[*index.Unfinished](err); ok {
		return unfinished.Summary()
	}
	return "nothing was written"
}

// flatten returns the errors that errors.Join joined, also in the joined ones,
// without what says of all of them which list they are about and how far it came. An error that has several causes and says
// more than they do stays whole.
func flatten(err error) []error {
	switch e := err.(type) { //nolint:errorlint // only the outermost error counts
	case *listError:
		return flatten(e.error)
	case *index.Unfinished:
		return flatten(e.Err)
	case interface{ Unwrap() []error }:
		var all []error
		var texts []string
		for _, one := range e.Unwrap() {
			all = append(all, flatten(one)...)
			texts = append(texts, one.Error())
		}
		if err.Error() == strings.Join(texts, "\n") {
			return all
		}
	}
	return []error{err}
}

func explainOne(streams *ui.Streams, a advisor, err error) {
	if rejected, ok := errors.AsType[*index.Rejection](err); ok {
		explainRejection(streams, a, rejected)
		return
	}
	r := hintOf(a, err)
	streams.Error("%s", withSentence(err.Error(), r.sentence))
	tip(streams, r.command)
}

// hintOf returns how to mend an error that is no finding.
func hintOf(a advisor, err error) repair {
	fault, ok := errors.AsType[*index.Fault](err)
	if !ok {
		return repair{}
	}
	if r := a.asFile(fault); r.command != "" {
		return r
	}
	for _, k := range kinds() {
		if errors.Is(err, k.err) && k.hint != nil {
			return k.hint(a, fault)
		}
	}
	return repair{}
}

// tip shows a command to go on with, if there is one.
func tip(streams *ui.Streams, command string) {
	if command != "" {
		streams.Tip("%s", command)
	}
}

func explainRejection(streams *ui.Streams, a advisor, r *index.Rejection) {
	stops := 0
	for _, f := range r.Findings {
		if f.Severity == index.Error {
			stops++
		}
		tellFinding(streams, a, f)
	}
	streams.Error("the list is not valid: %d error(s), nothing was written", stops)
}
