package commands

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// reporter tells of events on stderr, a line each.
type reporter struct {
	streams *ui.Streams
	advisor advisor
	there   map[string]int // images that a repository had, by its name

	progress *ui.Progress // nil where it is told in lines only
}

func (r *reporter) event(e client.Event) {
	switch {
	case e.Finding != nil:
		a := r.advisor
		if e.Rejected {
			a = a.rejected()
		}
		tellFinding(r.streams, a, *e.Finding)
	case e.Step != nil:
		r.step(*e.Step)
	case e.Begin != nil:
		r.progress = r.streams.Progress(e.Begin.Blobs, e.Begin.Bytes, "blobs")
	case e.Sent != nil:
		if r.progress != nil { // it comes often
			r.progress.At(transferred(*e.Sent), e.Sent.Bytes)
		}
	case e.Saved != nil:
		r.progress.Done(transferred(*e.Saved))
		r.streams.Info("Read %s (%s)", e.Saved.Digest, ui.Bytes(e.Saved.Size))
	case e.End:
		r.progress.End()
	case e.Lost != nil:
		r.streams.Warn("%d signature(s) or other referrers of the list %s are not copied: the new list has another digest", e.Lost.Referrers, e.Lost.List)
	case e.Unkept != nil:
		r.streams.Warn("%d signature(s) or other referrers of %s are not kept with the list; create it with --publish --with-referrers to copy them",
			e.Unkept.Referrers, e.Unkept.List)
	case e.Planned != nil:
		tellPlanned(r.streams, *e.Planned)
	case e.Unasked != nil:
		r.streams.Warn("%s; what it has is not known, so this is what would be done if it has nothing", e.Unasked)
	case e.Taken != nil:
		tellTaken(r.streams, *e.Taken)
	case e.Converted != nil:
		m := e.Converted
		f, _ := index.FormatOf(m.MediaType)
		r.streams.Info("Converted image %s to %s: %s is now %s", orNone(m.PlatformString()), f, m.Converted, m.Digest)
	}
}

// tellTaken says what a new list keeps of the list that is its only source, whose
// format need not be the default one.
func tellTaken(streams *ui.Streams, t client.Taken) {
	if t.Whole {
		streams.Info("Took the list %s as it is, in its format %s: %s", t.Source, t.Format, t.Digest)
		return
	}
	streams.Info("Kept the format %s of the list %s", t.Format, t.Source)
}

func (r *reporter) step(s index.Step) {
	switch s.Kind {
	case index.StepMount, index.StepUpload:
		r.blob(s)
	case index.StepChild:
		r.child(s)
	case index.StepReferrer:
		r.referrer(s)
	case index.StepReferrers:
		r.referrers(s)
	case index.StepList:
		r.listStep(s)
	case index.StepVerify:
		r.streams.Detail("Read %s:%s back: it has the digest %s", s.To.Name(), s.Tag, s.Digest)
	case index.StepTag:
		r.tag(s)
	}
}

// transferred is a blob as progress shows it: the beginning of its digest, and
// what it is for and from, as far as that is known.
func transferred(t client.Transfer) ui.Item {
	name := t.Digest.Hex[:min(len(t.Digest.Hex), 12)]
	if t.Entry != nil {
		name += " " + t.Entry.PlatformString()
		if ref := t.Entry.Origin.Ref; ref != "" {
			name += " " + path.Base(filepath.ToSlash(ref))
		}
	}
	return ui.Item{ID: t.To + "@" + t.Digest.String(), Name: name, Size: t.Size, Unplanned: t.Unplanned}
}

func (r *reporter) blob(s index.Step) {
	r.progress.Done(transferred(client.Transfer{
		Digest: s.Digest, Size: s.Size, To: s.To.Name(), Entry: s.Entry, Unplanned: s.Kind == index.StepMount,
	}))
	switch {
	case s.Skipped:
		r.streams.Detail("Found %s in %s already", s.Digest, s.To.Name())
	case s.Kind == index.StepMount:
		r.streams.Info("Mounted %s from %s", s.Digest, s.From.Name())
	default:
		r.streams.Info("Uploaded %s (%s)", s.Digest, ui.Bytes(s.Size))
	}
}

func (r *reporter) child(s index.Step) {
	platform, source := "", ""
	if s.Entry != nil {
		platform, source = s.Entry.PlatformString(), s.Entry.Origin.Ref
	}
	if s.Skipped {
		if r.there == nil {
			r.there = map[string]int{}
		}
		r.there[s.To.Name()]++
		r.streams.Detail("Found image %s %s in %s already", orNone(platform), s.Digest, s.To.Name())
		return
	}
	r.streams.Info("Copied image %s %s from %s to %s", orNone(platform), s.Digest, orNone(source), s.To.Name())
}

func (r *reporter) listStep(s index.Step) {
	if there := r.there[s.To.Name()]; there > 0 {
		r.streams.Info("Skipped %d image(s): %s has them already", there, s.To.Name())
	}
	if s.Skipped {
		r.streams.Info("Skipped the list: %s:%s is %s already", s.To.Name(), s.Tag, s.Digest)
		return
	}
	r.streams.Info("Wrote the list %s to %s:%s", s.Digest, s.To.Name(), s.Tag)
}

func (r *reporter) tag(s index.Step) {
	if s.Skipped {
		r.streams.Info("Skipped the tag %s:%s: it is %s already", s.To.Name(), s.Tag, s.Digest)
		return
	}
	r.streams.Info("Tagged %s:%s", s.To.Name(), s.Tag)
}

// tellFinding tells of a finding: errors and warnings with the command that
// repairs them, notes in detail.
func tellFinding(streams *ui.Streams, a advisor, f index.Finding) {
	if f.Severity == index.Note {
		streams.Detail("%s", describeFinding(f, ""))
		return
	}
	say := streams.Warn
	if f.Severity == index.Error {
		say = streams.Error
	}
	r := a.repair(f)
	say("%s", describeFinding(f, r.sentence))
	tip(streams, r.command)
}

// describeFinding is the finding in one line: what it is about, the cause, what
// else there is to say, the rule.
func describeFinding(f index.Finding, sentence string) string {
	about := "the list"
	if f.Entry.Digest.Hex != "" {
		about = f.Entry.Digest.String()
		if f.Entry.Origin.Ref != "" {
			about = fmt.Sprintf("%s (%s)", f.Entry.Origin.Ref, about)
		}
	}
	return fmt.Sprintf("%s: %s [%s]", about, withSentence(f.Message, sentence), f.Rule)
}

// withSentence adds a sentence to a message, which has no full stop.
func withSentence(message, sentence string) string {
	switch {
	case sentence == "":
		return message
	case strings.HasSuffix(message, "?"):
		return message + " " + sentence
	}
	return message + ". " + sentence
}

// tellDiff tells what an edit did to the entries of a list.
func tellDiff(streams *ui.Streams, d index.Diff) {
	for _, e := range d.Removed {
		streams.Info("- %s %s", orNone(e.PlatformString()), e.Digest)
	}
	for _, e := range d.Added {
		streams.Info("+ %s %s", orNone(e.PlatformString()), e.Digest)
	}
	for _, c := range d.Changed {
		streams.Info("~ %s %s", orNone(c.After.PlatformString()), c.After.Digest)
	}
	for _, e := range d.Kept {
		streams.Info("Kept %s %s: the list has it already", orNone(e.PlatformString()), e.Digest)
	}
}
