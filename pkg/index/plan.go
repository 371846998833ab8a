package index

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Publication is a list together with where it is to go and what its children
// are made of.
type Publication struct {
	Index Index
	// Children has the content of every entry, in the entries' order. A child
	// without Raw can be published only where the destination has it already.
	Children []Manifest
	// To is where the list goes; the first tag is written before the others.
	To []name.Tag
	// Fresh says that the children were resolved just now, so that one whose
	// origin is the destination repository need not be looked for there.
	Fresh bool
	// Blind plans as if the repositories had nothing, without asking them; not
	// together with IfTag and Referrers.
	Blind bool
	// IfTag is what the first tag of each repository must name before the list
	// is written there: a digest, or its zero value for nothing. A tag that names
	// the list already is fine. nil allows all.
	IfTag *v1.Hash
	// Referrers brings along what refers to the children where they come from,
	// and to the list itself where it has the bytes of the list that they were
	// taken from.
	Referrers bool
}

// StepKind says what a step of a plan does.
type StepKind string

// The kinds of step, in the order in which they are carried out.
const (
	StepMount  StepKind = "mount"  // make a blob of another repository of the registry known
	StepUpload StepKind = "upload" // send a blob
	StepChild  StepKind = "child"  // put a child manifest by its digest
	// StepReferrer puts a manifest that refers to a child, by its digest or at
	// cosign's tag.
	StepReferrer StepKind = "referrer"
	// StepReferrers adds to the list of what refers to a digest, where the
	// registry keeps none itself.
	StepReferrers StepKind = "referrers"
	StepList      StepKind = "list"   // put the list at its tag
	StepVerify    StepKind = "verify" // read the list back and compare its bytes
	StepTag       StepKind = "tag"    // put the list at a further tag
)

// Step is one thing that publishing does, or finds done already.
type Step struct {
	Kind StepKind
	// Digest is that of what is written; of StepReferrers that of what is
	// referred to.
	Digest v1.Hash
	Size   int64
	// Media is the content type that a manifest is put with.
	Media string
	// ArtifactType says what a referrer is (StepReferrer).
	ArtifactType string
	// To is the repository that is written to, Tag the tag in it (StepList,
	// StepVerify, StepTag, StepReferrers, cosign's StepReferrer).
	To  name.Repository
	Tag string
	// From is the repository that a blob is mounted or copied from; its zero
	// value says that the bytes are at hand in Blob or Raw. Where there are both,
	// it is mounted from From, else sent from Blob.
	From name.Repository
	// Blob reads the bytes of a blob where they are at hand.
	Blob Blob
	// Raw is the bytes of a manifest or a list; of StepReferrers a list of what
	// is to be added.
	Raw []byte
	// Entry is the line of the list that the step is done for; nil for the
	// list's own steps, and for what refers to it.
	Entry *Entry
	// Height is how many lists are on top of each other in a child or referrer,
	// 0 for an image: what is lower is put first.
	Height int
	// IfTag is what Tag must name before: for StepList that of the Publication, for
	// cosign's StepReferrer what it named when the plan was made.
	IfTag *v1.Hash
	// Skipped says that the destination has it already.
	Skipped bool
}

// Plan is what publishing a list will do, in order: the blobs, then the
// children and then what refers to them, for one repository after the other,
// then the list for all of them, then its further tags.
type Plan struct {
	Index Index
	Steps []Step
	// Lost are the lists whose referrers do not come along.
	Lost []Lost
}

// Watch is who is told while a plan is carried out. Its zero value is nobody.
type Watch struct {
	// Done is told of each step that is finished or was found done already, one
	// at a time, as it was done: a blob that could not be mounted and was sent is a
	// StepUpload.
	Done func(Step)
	// Sent is told how many bytes of a blob are on their way, from 0 to the
	// step's Size: after about 64 KiB each and at the end. It is a position, which
	// goes back where sending begins anew. Calls come from many goroutines at
	// once, and may come at the same time as those of Done.
	Sent func(s Step, bytes int64)
}

// Document is a manifest or list as a registry or the store has it.
type Document struct {
	MediaType string
	Digest    v1.Hash
	Raw       []byte
}

// Unfinished is an error that stopped publishing: what was done before, and
// what was left.
//
//nolint:errname // what stopped it is Err
type Unfinished struct {
	Done, Left []Step
	Err        error
}

// Error is the cause.
func (u *Unfinished) Error() string { return u.Err.Error() }

// Unwrap returns the cause.
func (u *Unfinished) Unwrap() error { return u.Err }

// Summary says in one clause how far publishing came, and of several
// repositories which ones have the list.
func (u *Unfinished) Summary() string {
	written, tagged := 0, false
	for _, s := range u.Done {
		if s.Skipped || s.Kind == StepVerify {
			continue
		}
		written++
		tagged = tagged || s.Kind == StepList || s.Kind == StepTag
	}
	switch {
	case !tagged && u.inDoubt():
		return fmt.Sprintf("%d of %d steps are done, whether the list was written is not known", len(u.Done), len(u.Done)+len(u.Left))
	case written == 0:
		return "nothing was written"
	case tagged:
		return fmt.Sprintf("the list was written, %d of %d steps are left", len(u.Left), len(u.Done)+len(u.Left)) + u.places()
	}
	return fmt.Sprintf("%d of %d steps are done, no tag%s was written", len(u.Done), len(u.Done)+len(u.Left), u.whose()) + u.places()
}

// whose says that it is the list that has no tag, where referrers have theirs.
func (u *Unfinished) whose() string {
	tagged := func(s Step) bool {
		return !s.Skipped && s.Tag != "" && (s.Kind == StepReferrer || s.Kind == StepReferrers)
	}
	if slices.ContainsFunc(u.Done, tagged) {
		return " of the list"
	}
	return ""
}

// places says which of several repositories have the list.
func (u *Unfinished) places() string {
	var with, without []string
	for _, s := range u.Done {
		if s.Kind == StepList {
			with = append(with, s.To.Name()+":"+s.Tag)
		}
	}
	for _, s := range u.Left {
		switch {
		case s.Kind != StepList:
		case s.Skipped:
			with = append(with, s.To.Name()+":"+s.Tag)
		default:
			without = append(without, s.To.Name()+":"+s.Tag)
		}
	}
	if len(with)+len(without) < 2 {
		return ""
	}
	if len(with) == 0 {
		with = []string{"none of them"}
	}
	if len(without) == 0 {
		without = []string{"none"}
	}
	return fmt.Sprintf("; it is at %s, and missing at %s", strings.Join(with, ", "), strings.Join(without, ", "))
}

// inDoubt reports whether the list was sent and no answer came: the registry
// may have taken it.
func (u *Unfinished) inDoubt() bool {
	if len(u.Left) == 0 || u.Left[0].Kind != StepList {
		return false
	}
	for _, answered := range []error{ErrRefused, ErrDenied, ErrConflict, ErrInvalid, ErrNotFound} {
		if errors.Is(u.Err, answered) {
			return false
		}
	}
	return true
}
