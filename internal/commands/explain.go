package commands

import (
	"errors"
	"fmt"
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
	hint func(program, list string, f *index.Fault) string
}

func deniedHint(_, _ string, f *index.Fault) string {
	if strings.HasPrefix(f.Thing, dockerDaemon) {
		return "Docker's socket is for root and the group docker; DOCKER_HOST or a context names another daemon"
	}
	return "log in with 'docker login REGISTRY', or check what CNB_REGISTRY_AUTH grants"
}

func notFoundHint(program, list string, f *index.Fault) string {
	switch {
	case strings.HasPrefix(f.Thing, "list "):
		return fmt.Sprintf("'%s list' shows the lists, '%s create' makes one", program, program)
	case strings.HasPrefix(f.Thing, "image for "):
		return "--platform PLATFORM loads the image for another platform"
	case strings.HasPrefix(f.Thing, "entry "):
		return fmt.Sprintf("'%s inspect %s -o table' shows the entries", program, list)
	}
	return ""
}

func existsHint(program, list string, f *index.Fault) string {
	if !strings.HasPrefix(f.Thing, "list ") {
		return "nothing is overwritten; delete it first, or give another name"
	}
	return fmt.Sprintf("use --amend to add to it, --replace to make it anew, or '%s remove %s' to delete it", program, list)
}

// dockerDaemon begins the name of a daemon in errors.
const dockerDaemon = "Docker daemon"

func unreachableHint(_, _ string, f *index.Fault) string {
	if strings.HasPrefix(f.Thing, dockerDaemon) {
		return "start it, or say where it is by DOCKER_HOST or 'docker context use'"
	}
	if strings.Contains(f.Error(), "plain HTTP") || strings.Contains(f.Error(), "certificate") {
		return "if you trust the network, --insecure allows plain HTTP and TLS that cannot be verified"
	}
	return ""
}

func corruptHint(program, list string, _ *index.Fault) string {
	return fmt.Sprintf("nothing was changed; '%s remove %s' deletes the list, then create it again", program, list)
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
		streams.Tip("%s; the same command does what is left", unfinished.Summary())
	}
	return exitCode(err)
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
// without the listError around them. An error that has several causes and says
// more than they do stays whole.
func flatten(err error) []error {
	switch e := err.(type) { //nolint:errorlint // only the outermost error counts
	case *listError:
		return flatten(e.error)
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
	streams.Error("%s", err)
	fault, ok := errors.AsType[*index.Fault](err)
	if !ok {
		return
	}
	for _, k := range kinds() {
		if k.hint == nil || !errors.Is(err, k.err) {
			continue
		}
		if hint := k.hint(a.program, a.list, fault); hint != "" {
			streams.Tip("%s", hint)
		}
		return
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
