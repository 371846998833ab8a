package commands

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Process is everything outside the program that it knows: arguments,
// environment, streams and clock.
type Process struct {
	Name    string // what it was started as
	Args    []string
	Version string
	Env     func(string) string
	Temp    string // the system's folder for temporary files
	Out     io.Writer
	Err     io.Writer
	Term    ui.Terminal
	Now     func() time.Time
}

// OSProcess returns the process that runs. This file alone reads the
// environment.
func OSProcess(version string) Process {
	return Process{
		Name: filepath.Base(os.Args[0]), Args: os.Args[1:], Version: version, Env: os.Getenv, Temp: os.TempDir(),
		Out: ui.Console(os.Stdout), Err: ui.Console(os.Stderr), Term: ui.Terminals(os.Stdout, os.Stderr), //nolint:forbidigo // handed on from here
		Now: time.Now,
	}
}

// draws reports whether progress can be drawn where stderr is a terminal: not on
// one that cannot move its cursor, nor on that of a CI system, which keeps what
// is written there.
func (p Process) draws() bool {
	ci := p.Env("CI")
	return p.Env("TERM") != "dumb" && (ci == "" || ci == "false" || ci == "0")
}

// githubFiles returns the files that a workflow of GitHub Actions reads: the
// outputs and the summary of the step
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands).
func (p Process) githubFiles() (output, summary string, err error) {
	output, summary = p.Env("GITHUB_OUTPUT"), p.Env("GITHUB_STEP_SUMMARY")
	if output == "" || summary == "" {
		return "", "", index.Faultf(index.ErrUsage, "--github", "GITHUB_OUTPUT and GITHUB_STEP_SUMMARY are not set; a workflow of GitHub Actions sets them")
	}
	return output, summary, nil
}

// packHome returns the folder of pack's own files: PACK_HOME, or .pack in the
// home folder.
func (p Process) packHome() (string, error) {
	if home := p.Env("PACK_HOME"); home != "" {
		abs, err := filepath.Abs(home)
		if err != nil {
			return "", index.Faultf(index.ErrUsage, "PACK_HOME", "%w", err)
		}
		return abs, nil
	}
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if home := p.Env(name); filepath.IsAbs(home) {
			return filepath.Join(home, ".pack"), nil
		}
	}
	return "", index.Faultf(index.ErrUsage, "PACK_HOME", "it is not set, and HOME names no folder; set one of them")
}

// defaultFormat is the format of new lists where nobody says: "format" in
// manifest.toml of pack's folder, or v2s2.
func (p Process) defaultFormat() (index.Format, error) {
	home, err := p.packHome()
	if err != nil {
		return index.V2S2, nil //nolint:nilerr // no folder, no file
	}
	file := filepath.Join(home, "manifest.toml")
	raw, err := os.ReadFile(file) //nolint:gosec // a file in the folder that the user names
	if errors.Is(err, fs.ErrNotExist) {
		return index.V2S2, nil
	}
	if err != nil {
		return index.V2S2, err // it names the file
	}
	var config struct {
		Format string `toml:"format"`
	}
	if err := toml.Unmarshal(raw, &config); err != nil {
		return index.V2S2, index.Faultf(index.ErrUsage, file, "%w", err)
	}
	if config.Format == "" {
		return index.V2S2, nil
	}
	format, err := index.ParseFormat(config.Format)
	if err != nil {
		return index.V2S2, index.Faultf(index.ErrUsage, file, "%w", err)
	}
	return format, nil
}
