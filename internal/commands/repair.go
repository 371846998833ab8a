package commands

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// repair is how what a rule found goes away.
type repair struct {
	command  string // to be pasted into a POSIX shell, "" for none
	sentence string // what the command does not say, "" for nothing
}

// place is where the list is that a command looked at.
type place uint8

const (
	inStorage  place = iota // in local storage
	inRegistry              // published, and not in local storage
	nowhere                 // not made yet, or not kept
)

// advisor makes commands that repair what rules find: of what is known of the
// list, and of what was typed.
type advisor struct {
	program string   // what is typed in front of the verbs
	list    string   // the list, as typed
	verb    string   // of the command
	words   []string // the whole command; none where it is not to be repeated
	args    int      // how many of its words are no flags
	at      place
	format  index.Format // of a list inRegistry
}

// maxRepeated is how long a command is at most, in bytes, that is repeated:
// there may be a finding for each of its sources.
const maxRepeated = 2000

// advisor returns one for the command that runs, about a list.
func (f *factory) advisor(list string) advisor {
	a := advisor{program: f.program(), list: list, verb: f.verb, args: f.args, at: f.at}
	words := append([]string{strings.Fields(f.program())[0]}, f.process.Args...)
	if len(strings.Join(words, " ")) <= maxRepeated && !slices.ContainsFunc(words, hasSecret) {
		a.words = words
	}
	return a
}

// rejected is the advisor once the command has made nothing: what it would have
// added to a list is not in it.
func (a advisor) rejected() advisor {
	if a.verb == "create" || a.verb == "add" {
		a.at = nowhere
	}
	return a
}

// repair returns how a finding goes away: a command that mends the list; where
// only the author of an image can do that, one that removes the image or that
// lets it pass, and what the author has to do.
func (a advisor) repair(f index.Finding) repair {
	info := ruleInfo(f.Rule)
	if command := a.mend(f); command != "" {
		return repair{command: command, sentence: guessed(f)}
	}
	if command := a.remove(f); command != "" && (info.Publish == index.Error || insisted(f)) {
		return repair{command, info.Repair}
	}
	return repair{a.lower(f, info), info.Repair}
}

func ruleInfo(id index.RuleID) index.RuleInfo {
	for _, info := range index.RuleTable() {
		if info.ID == id {
			return info
		}
	}
	return index.RuleInfo{ID: id}
}

// guessed says that a command has something in it that nobody knows.
func guessed(f index.Finding) string {
	if f.Rule != index.PlatformMissing || len(f.Values) > 0 {
		return ""
	}
	return fmt.Sprintf("If it is not for %s, name what it is for.", index.FormatPlatform(f.Patched()))
}

// mend returns a command after which the rule finds nothing, "" for none.
func (a advisor) mend(f index.Finding) string {
	switch f.Rule {
	case index.PlatformDuplicate:
		return a.oneOf(f)
	case index.MediaTypeMixed:
		return a.convert(f)
	case index.AnnotationsInV2S2:
		return a.inOCI(f)
	case index.NotConvertible:
		return a.asItIs(f)
	default: // only the patch says how to repair it
	}
	// An image may say what we do not take from anybody.
	if err := f.Patch.Check(); err != nil || f.Patch.IsZero() {
		return ""
	}
	annotate := append([]string{"annotate", a.list, f.Entry.Digest.String()}, platformWords(f.Patch)...)
	switch {
	case a.at != nowhere:
		return a.kept(f, annotate...)
	case !f.Entry.Origin.Several:
		return a.withPlatform(f)
	case a.verb == "create":
		return a.ofList(f, annotate)
	}
	return ""
}

// ofList returns a command that mends one of several images of a source, of
// which a platform can be given to none: it takes them one by one, where their
// configs say what the list does not, or keeps the list first.
func (a advisor) ofList(f index.Finding, annotate []string) string {
	if f.Rule == index.PlatformMissing && len(f.Values) > 0 && !f.Entry.HasPlatform() && !slices.Contains(a.words, "--all") {
		return a.again("--all")
	}
	create := a.unpublished().again()
	if create == "" {
		return ""
	}
	return create + " && " + a.program + " " + shellWords(annotate)
}

// platformWords are the flags that set the fields of a patch.
func platformWords(patch index.PlatformPatch) []string {
	var words []string
	for _, field := range []struct {
		flag  string
		value *string
	}{{"--os", patch.OS}, {"--arch", patch.Architecture}, {"--variant", patch.Variant}, {"--os-version", patch.OSVersion}} {
		if field.value != nil {
			words = append(words, field.flag, *field.value)
		}
	}
	return words
}

// kept returns a command that changes the list in local storage, and brings it
// there first where it is published: as it is, so what would keep it from being
// kept is allowed.
func (a advisor) kept(f index.Finding, words ...string) string {
	command := a.program + " " + shellWords(words)
	if a.at == inStorage {
		return command
	}
	flags := []string{"--preserve-digests"}
	if info := ruleInfo(f.Rule); info.Local == index.Error {
		if !info.Optional || insisted(f) {
			return ""
		}
		flags = append(flags, "--allow", string(f.Rule))
	}
	fetch := a.fetch(flags...)
	if fetch == "" {
		return ""
	}
	return fetch + " && " + command
}

// fetch returns the command that brings a published list into local storage, ""
// where its name is none that lists are kept under.
func (a advisor) fetch(flags ...string) string {
	if _, err := index.ParseName(a.list); err != nil || a.at != inRegistry {
		return ""
	}
	if slices.Contains(a.words, "--insecure") {
		flags = append(flags, "--insecure")
	}
	words := append([]string{"create", a.list, a.list, "--format", a.format.String()}, flags...)
	return a.program + " " + shellWords(words)
}

// remove returns the command that removes the entry of a finding.
func (a advisor) remove(f index.Finding) string {
	if f.Entry.Digest.Hex == "" || a.at == nowhere {
		return ""
	}
	return a.kept(f, "rm", a.list, f.Entry.Digest.String())
}

// oneOf returns a command that keeps one of two images of a platform.
func (a advisor) oneOf(f index.Finding) string {
	if a.at == nowhere && a.verb == "add" {
		return a.again("--replace")
	}
	return cmp.Or(a.remove(f), a.withoutSource(f))
}

// convert returns a command that makes list and images of one format.
func (a advisor) convert(f index.Finding) string {
	switch {
	case (a.verb == "push" || a.verb == "create") && len(f.Values) > 0: // named, or a list that is taken as it is stays so
		return a.without("--preserve-digests").inFormat(f.Values[0])
	case a.at == inRegistry:
		return a.fetch()
	}
	return ""
}

// asItIs returns a command that does not convert the image of a finding.
func (a advisor) asItIs(f index.Finding) string {
	format, ok := index.FormatOf(f.Entry.MediaType)
	switch {
	case a.verb == "create" && len(f.Values) == 1:
		return a.inFormat(f.Values[0]) // that of all images before they were converted
	case a.verb == "create" && len(f.Values) > 1:
		return a.again("--preserve-digests")
	case a.verb == "create" && ok:
		return a.inFormat(format.String())
	case a.verb == "add" || a.verb == "push":
		return a.without("--preserve-digests").again("--preserve-digests")
	}
	return ""
}

// inOCI returns a command that makes a list that can hold annotations, or does
// without them.
func (a advisor) inOCI(f index.Finding) string {
	switch {
	case a.verb == "create" || a.verb == "push":
		return a.inFormat(index.OCI.String())
	case a.verb == "add" || a.verb == "annotate":
		return a.withoutAnnotations()
	case a.at == inRegistry:
		a.format = index.OCI
		return a.fetch()
	}
	return a.allow(f.Rule)
}

// lower returns a command that lets a finding pass, or does without its source;
// where nothing does, the same again, since what was read may have been damaged
// on the way.
func (a advisor) lower(f index.Finding, info index.RuleInfo) string {
	switch {
	case info.Optional && !insisted(f):
		return a.allow(f.Rule)
	case info.Group == index.GroupDemand:
		return a.withoutValues("--require").judged()
	case info.Group != index.GroupIntegrity:
		return a.without("--deep").judged("--validate", "off")
	}
	return cmp.Or(a.withoutSource(f), a.again())
}

// insisted reports whether a finding is an error that no policy lowers.
func insisted(f index.Finding) bool {
	switch f.Rule {
	case index.NotAnImage:
		return !f.Entry.MediaType.IsImage() && !f.Entry.MediaType.IsIndex()
	case index.PlatformUnknown:
		names := strings.ReplaceAll(f.Entry.PlatformString(), "?", "") // what is missing
		return shellWord("-"+names) != "-"+names
	default:
	}
	return false
}

// allow returns the command with a rule allowed.
func (a advisor) allow(rule index.RuleID) string { return a.judged("--allow", string(rule)) }

// judged returns the command with flags that say what the rules shall do. What
// keeps a list does it anew, and what has no such flags is followed by a look at
// the list.
func (a advisor) judged(flags ...string) string {
	switch {
	case a.verb == "annotate":
		return a.program + " " + shellWords(append([]string{"validate", a.list}, flags...))
	case a.verb == "create" && a.at == inStorage && !slices.Contains(a.words, "--amend") && !slices.Contains(a.words, "--replace"):
		flags = append([]string{"--replace"}, flags...)
	}
	return a.again(flags...)
}
