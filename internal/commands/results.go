package commands

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// resultFlags say where the result of publishing is written besides stdout.
type resultFlags struct {
	metadata, digest  string
	noSources, github bool
}

func (r *resultFlags) names() []string {
	return []string{"metadata-file", "digest-file", "no-sources", "github"}
}

func (r *resultFlags) addFlags(cmd *cobra.Command, front string) {
	flags := cmd.Flags()
	flags.StringVar(&r.metadata, "metadata-file", "", front+"Write tags, digests, sources and findings to this `FILE`, as JSON")
	flags.StringVar(&r.digest, "digest-file", "", front+"Write the digest of the list to this `FILE`")
	flags.BoolVar(&r.noSources, "no-sources", false, "Leave the sources out of the metadata and of the summary")
	flags.BoolVar(&r.github, "github", false, front+"Set the outputs digest and reference of the step in GitHub Actions, and add to its summary")
	completeValues(cmd, "if-tag", "absent")
}

// making is what the commands have in common that make a list and deliver the
// result.
type making struct {
	list    string // as typed
	reach   reach
	results resultFlags
	dryRun  bool
	make    func(*client.Client) (client.ListResult, error)
	tell    func(client.ListResult) // of what was made, unless it is a dry run
}

// making makes a list. That the result can be delivered is made sure of before.
func (f *factory) making(m making) (err error) {
	if m.dryRun {
		m.results = resultFlags{} // nothing is written
	}
	files, err := f.prepare(m.results)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.discard()) }()
	c, err := f.client(m.reach, m.list)
	if err != nil {
		return err
	}
	defer c.Close()
	result, err := m.make(c)
	if err != nil {
		return inList(err, m.list)
	}
	if m.dryRun {
		f.streams.Info("Nothing was written: this was a dry run")
	} else {
		m.tell(result)
	}
	return f.deliver(files, m.list, result)
}

// resultFiles are files that are known to be writable and not written yet. Its
// zero value has none.
type resultFiles struct {
	pending         map[string]*pendingFile // by flag
	output, summary string
	noSources       bool
}

// prepare makes sure, before anything is published, that what the flags name
// can be written.
func (f *factory) prepare(r resultFlags) (*resultFiles, error) {
	files := &resultFiles{pending: map[string]*pendingFile{}, noSources: r.noSources}
	if r.metadata != "" && r.metadata == r.digest {
		return files, index.Faultf(index.ErrUsage, "", "--metadata-file and --digest-file name the same file %q", r.metadata)
	}
	var faults []error
	if r.github {
		var err error
		files.output, files.summary, err = f.process.githubFiles()
		faults = append(faults, err)
	}
	for _, path := range []string{files.output, files.summary} {
		faults = append(faults, appendTo(path, ""))
	}
	for _, file := range []struct{ flag, path string }{{"--metadata-file", r.metadata}, {"--digest-file", r.digest}} {
		if file.path == "" {
			continue
		}
		pending, err := newPendingFile(file.path)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", file.flag, err))
			continue
		}
		files.pending[file.flag] = pending
	}
	if err := errors.Join(faults...); err != nil {
		return files, errors.Join(err, files.discard())
	}
	return files, nil
}

// discard removes what was prepared and not written.
func (r *resultFiles) discard() error {
	var faults []error
	for _, p := range r.pending {
		faults = append(faults, p.discard())
	}
	return errors.Join(faults...)
}

// deliver writes the result to stdout and to all files. What cannot be written
// keeps nothing else from being.
func (f *factory) deliver(files *resultFiles, list string, result client.ListResult) error {
	err := f.streams.Data([]byte(strings.Join(result.References(), "\n") + "\n"))
	if fault := f.fill(files, list, result); fault != nil {
		err = errors.Join(err, fmt.Errorf("the list is published, but not all of its result is written: %w", fault))
	}
	return err
}

// fill writes the result to the files.
func (f *factory) fill(files *resultFiles, list string, result client.ListResult) error {
	var faults []error
	if files.noSources {
		result = withoutSources(result)
	}
	a := f.advisor(list)
	if files.noSources {
		a.words = nil // they name the sources
	}
	views := findingViews(a, result.Findings)
	if p := files.pending["--metadata-file"]; p != nil {
		raw, err := metadata(result, views)
		if err == nil {
			err = p.commit(raw)
		}
		faults = append(faults, err)
	}
	if p := files.pending["--digest-file"]; p != nil {
		faults = append(faults, p.commit([]byte(result.Index.Digest().String())))
	}
	output := fmt.Sprintf("digest=%s\nreference=%s\n", result.Index.Digest(), result.Reference()) // neither can have the end of a line in it
	faults = append(faults, appendTo(files.output, output), appendTo(files.summary, summary(result)))
	return errors.Join(faults...)
}

// withoutSources returns the result with nothing that says where images came
// from.
func withoutSources(result client.ListResult) client.ListResult {
	result.Images, result.Findings = slices.Clone(result.Images), slices.Clone(result.Findings)
	for i := range result.Images {
		result.Images[i].Origin = index.Origin{}
	}
	for i := range result.Findings {
		result.Findings[i].Entry.Origin = index.Origin{}
	}
	return result
}

// appendTo appends to a file that may have content of others; no path is no
// file.
func appendTo(path, text string) (err error) {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the user names it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = file.WriteString(text)
	return err
}

// summary is the result as Markdown.
func summary(result client.ListResult) string {
	sources := slices.ContainsFunc(result.Images, func(i client.Image) bool { return i.Origin.Ref != "" })
	var b strings.Builder
	for _, reference := range result.References() {
		fmt.Fprintf(&b, "**%s**\n\n", markdown(reference))
	}
	columns := []string{"Platform", "Digest", "Size"}
	if sources {
		columns = append(columns, "Source")
	}
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, image := range result.Images {
		cells := []string{markdown(orNone(image.PlatformString())), markdown(image.Digest.String()), ui.Bytes(image.Size)}
		if sources {
			cells = append(cells, markdown(orNone(image.Origin.Ref)))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String() + "\n"
}

// markdown returns text that shows as it is in Markdown
// (https://github.github.com/gfm/#backslash-escapes).
func markdown(text string) string {
	var b strings.Builder
	for _, r := range ui.Escape(text) {
		if strings.ContainsRune("\\`*_{}[]<>()#+!|~&\"'$", r) {
			b.WriteByte('\\')
		}
		if r == '\n' || r == '\r' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}
