package commands_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/internal/commands"
	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

var errPlain = errors.New("disk on fire")

func digest() v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)} }

// finding is one of the rule, about an image for linux whose architecture is not
// known.
func finding(rule index.RuleID, severity index.Severity) index.Finding {
	arch := "amd64"
	patch := index.PlatformPatch{}
	if rule == index.PlatformMissing {
		patch.Architecture = &arch
	}
	entry := index.Entry{
		Descriptor: v1.Descriptor{Digest: digest(), MediaType: types.DockerManifestSchema2, Platform: &v1.Platform{OS: "linux"}},
		Origin:     index.Origin{Ref: "acme/bp:linux"},
	}
	return index.Finding{Rule: rule, Severity: severity, Entry: entry, Patch: patch, Message: "the cause of " + string(rule)}
}

func rejection(findings ...index.Finding) error { return &index.Rejection{Findings: findings} }

func steps(kinds ...index.StepKind) []index.Step {
	all := make([]index.Step, len(kinds))
	for i, kind := range kinds {
		all[i].Kind = kind
	}
	return all
}

// explained is an error and what a user reads of it.
type explained struct {
	name       string
	cause, err error
}

func errorsOfEveryKind() []explained {
	fault := func(kind error, thing, cause string) error {
		return &index.Fault{Kind: kind, Thing: thing, Cause: errors.New(cause)}
	}
	return []explained{
		{name: "nothing", err: nil},
		{name: "an error without a kind", err: errPlain},
		{name: "usage", err: index.Faultf(index.ErrUsage, "--format", "want this or that")},
		{name: "usage, without a thing", err: index.Faultf(index.ErrUsage, "", "want a list")},
		{name: "denied", err: fault(index.ErrDenied, "ghcr.io/acme/bp:1", "401 Unauthorized")},
		{name: "denied by Docker Hub", err: fault(index.ErrDenied, "acme/bp:1", "401 Unauthorized")},
		{name: "denied, without a reference", err: fault(index.ErrDenied, "the registry", "401 Unauthorized")},
		{name: "no such list", err: fault(index.ErrNotFound, `list "acme/bp:1"`, "it is not in local storage")},
		{name: "no such entry", err: fault(index.ErrNotFound, `entry "linux/s390x"`, "no entry of the list is meant by it")},
		{name: "no such image", err: fault(index.ErrNotFound, "ghcr.io/acme/bp:1", "404 Not Found")},
		{name: "exists", err: fault(index.ErrExists, `list "acme/bp:1"`, "it already exists in local storage")},
		{name: "conflict", err: fault(index.ErrConflict, "ghcr.io/acme/bp:1", "the tag moved")},
		{name: "plain HTTP", err: fault(index.ErrUnreachable, "r:5000/acme/bp:1", "it answers in plain HTTP")},
		{name: "a certificate", err: fault(index.ErrUnreachable, "r:5000/acme/bp:1", "x509: certificate signed by unknown authority")},
		{name: "unreachable", err: fault(index.ErrUnreachable, "r:5000/acme/bp:1", "connection refused")},
		{name: "refused", err: fault(index.ErrRefused, "ghcr.io/acme/bp:1", "500 Internal Server Error")},
		{name: "corrupt", err: fault(index.ErrCorrupt, `list "acme/bp:1"`, "its index.json is cut")},
		{name: "corrupt and therefore invalid", err: fmt.Errorf("%w: %w", index.ErrCorrupt, index.ErrInvalid)},
		{name: "invalid", err: fault(index.ErrInvalid, "bp.cnb", "it is no archive")},
		{name: "wrapped", err: fmt.Errorf("source %q: %w", "bp.cnb", fault(index.ErrNotFound, "bp.cnb", "there is no such file"))},
		{name: "a Docker daemon that is not there", err: fault(index.ErrUnreachable, "Docker daemon at unix:///run/docker.sock (DOCKER_HOST)", "no such file")},
		{name: "a Docker daemon of others", err: fault(index.ErrDenied, "Docker daemon at unix:///run/docker.sock (the default)", "permission denied")},
		{name: "no image for the daemon", err: fault(index.ErrNotFound, "image for linux/arm64", "the list has none")},
		{name: "two errors, the graver one decides", err: errors.Join(
			fault(index.ErrUnreachable, "r:5000/acme/bp:1", "connection refused"),
			fault(index.ErrNotFound, `list "acme/bp:2"`, "it is not in local storage"),
		)},
		{name: "joined in a joined one", err: errors.Join(errors.Join(errPlain, nil, errPlain), errPlain)},
		{name: "text around several causes stays", err: fmt.Errorf("put %w in place of %w", errPlain, index.ErrRefused)},
		{name: "a rejection", err: rejection(
			finding(index.PlatformMissing, index.Error), finding(index.MediaTypeMixed, index.Warning), finding(index.PlatformDuplicate, index.Error),
		)},
		{name: "a rejection of the list itself", err: rejection(index.Finding{Rule: index.EmptyList, Severity: index.Error, Message: "the list has no image"})},
		{name: "a rejection among others", err: errors.Join(rejection(finding(index.PlatformMismatch, index.Error)), errPlain)},
		{name: "stopped on the way", err: &index.Unfinished{
			Done: steps(index.StepUpload), Left: steps(index.StepList), Err: fault(index.ErrRefused, "ghcr.io/acme/bp:1", "507 Insufficient Storage"),
		}},
		{name: "interrupted before anything", cause: &commands.Interrupt{Name: "interrupt", Code: 130}, err: context.Canceled},
		{name: "interrupted before the list", cause: &commands.Interrupt{Name: "terminated", Code: 143}, err: &index.Unfinished{
			Done: steps(index.StepUpload, index.StepChild), Left: steps(index.StepChild, index.StepList, index.StepVerify), Err: context.Canceled,
		}},
		{name: "interrupted after the list", cause: &commands.Interrupt{Name: "hangup", Code: 129}, err: &index.Unfinished{
			Done: steps(index.StepUpload, index.StepChild, index.StepList), Left: steps(index.StepVerify, index.StepTag), Err: context.Canceled,
		}},
		{name: "a signal that came too late", cause: &commands.Interrupt{Name: "interrupt", Code: 130}, err: nil},
		{name: "escapes", err: index.Faultf(index.ErrRefused, "r/\x1b[2J", "\u009b31m\u202e")},
	}
}

// The table of exit codes and hints, for people to read in review.
func TestExplain(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	for _, c := range errorsOfEveryKind() {
		if c.err != nil {
			c.err = commands.InList(c.err, "ghcr.io/acme/bp:1")
		}
		fmt.Fprintf(&got, "# %s\n", c.name)
		code := commands.Explain(ui.New(nil, &got, ui.Terminal{}, clock), c.cause, c.err)
		fmt.Fprintf(&got, "exit %d\n\n", code)
	}
	testhelpers.Golden(t, filepath.Join("testdata", "explain.txt"), got.Bytes())
	if bytes.ContainsAny(got.Bytes(), "\x1b\u009b\u202e") {
		t.Error("something drives the terminal")
	}
}

// Every rule's finding, and the command that repairs it where there is one.
func TestEveryRuleIsExplained(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	table := index.RuleTable()
	if len(table) < 20 {
		t.Fatalf("%d rules", len(table))
	}
	for _, rule := range table {
		var one bytes.Buffer
		err := commands.InList(rejection(finding(rule.ID, index.Error)), "ghcr.io/acme/bp:1")
		if code := commands.Explain(ui.New(nil, &one, ui.Terminal{}, clock), nil, err); code != 3 {
			t.Errorf("%s exits with %d", rule.ID, code)
		}
		if !strings.Contains(one.String(), "\nTip: ") {
			t.Errorf("%s: nobody is told how to repair it", rule.ID)
		}
		got.Write(one.Bytes())
	}
	testhelpers.Golden(t, filepath.Join("testdata", "rules.txt"), got.Bytes())
}

// Quiet leaves the errors.
func TestExplainQuietly(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	streams := ui.New(nil, &got, ui.Terminal{}, clock)
	streams.Quiet = true
	code := commands.Explain(streams, nil, errors.Join(index.Faultf(index.ErrExists, "list", "there"), rejection(finding(index.PlatformMissing, index.Error))))
	want := "ERROR: list: there. Nothing is overwritten; delete it first, or give another name.\n" +
		"ERROR: acme/bp:linux (" + digest().String() + "): the cause of platform-missing. If it is not for linux/amd64, name what it is for. [platform-missing]\n" +
		"ERROR: the list is not valid: 1 error(s), nothing was written\n"
	if got.String() != want || code != 3 {
		t.Errorf("exit %d, got\n%s\nwant\n%s", code, got.String(), want)
	}
}
