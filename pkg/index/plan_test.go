package index_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func TestUnfinished(t *testing.T) {
	t.Parallel()
	child, list := index.Step{Kind: index.StepChild}, index.Step{Kind: index.StepList}
	skipped, verify, tag := index.Step{Kind: index.StepUpload, Skipped: true}, index.Step{Kind: index.StepVerify}, index.Step{Kind: index.StepTag}
	for want, c := range map[string]struct{ done, left []index.Step }{
		"nothing was written":                         {[]index.Step{skipped}, []index.Step{child, list, verify}},
		"2 of 4 steps are done, no tag was written":   {[]index.Step{skipped, child}, []index.Step{list, verify}},
		"the list was written, 1 of 3 steps are left": {[]index.Step{child, list}, []index.Step{verify}},
		"the list was written, 0 of 2 steps are left": {[]index.Step{skipped, tag}, nil},
		"1 of 2 steps are done, no tag was written":   {[]index.Step{child}, []index.Step{tag}},
		// What refers to children has tags of its own.
		"3 of 4 steps are done, no tag was written":             {[]index.Step{child, {Kind: index.StepReferrer}, {Kind: index.StepReferrers, Tag: "sha256-0", Skipped: true}}, []index.Step{list}},
		"2 of 3 steps are done, no tag of the list was written": {[]index.Step{child, {Kind: index.StepReferrer, Tag: "sha256-0.sig"}}, []index.Step{list}},
	} {
		cause := index.Faultf(index.ErrDenied, "acme/bp", "read: %w", fs.ErrPermission)
		err := error(&index.Unfinished{Done: c.done, Left: c.left, Err: cause})
		var unfinished *index.Unfinished
		if !errors.As(err, &unfinished) || unfinished.Summary() != want {
			t.Errorf("got %v, want %q", unfinished.Summary(), want)
		}
		if err.Error() != cause.Error() || !errors.Is(err, index.ErrDenied) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("the cause is lost in %v", err)
		}
	}
}

// A list that was sent and not answered for may be there.
func TestUnfinishedInDoubt(t *testing.T) {
	t.Parallel()
	child, list := index.Step{Kind: index.StepChild}, index.Step{Kind: index.StepList}
	for want, err := range map[string]error{
		"1 of 2 steps are done, whether the list was written is not known": index.Faultf(index.ErrUnreachable, "acme/bp", "reset"),
		"1 of 2 steps are done, no tag was written":                        index.Faultf(index.ErrRefused, "acme/bp", "quota"),
	} {
		u := &index.Unfinished{Done: []index.Step{child}, Left: []index.Step{list}, Err: err}
		if got := u.Summary(); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// Of several destinations it is said which ones have the list.
func TestUnfinishedAtSeveralPlaces(t *testing.T) {
	t.Parallel()
	at := func(repository string, skipped bool) index.Step {
		repo, err := name.NewRepository("h.example/" + repository)
		if err != nil {
			t.Fatal(err)
		}
		return index.Step{Kind: index.StepList, To: repo, Tag: "1", Skipped: skipped}
	}
	child := index.Step{Kind: index.StepChild}
	for want, u := range map[string]index.Unfinished{
		"the list was written, 1 of 2 steps are left; it is at h.example/a:1, and missing at h.example/b:1": {
			Done: []index.Step{at("a", false)}, Left: []index.Step{at("b", false)},
		},
		"1 of 3 steps are done, no tag was written; it is at h.example/b:1, and missing at h.example/a:1": {
			Done: []index.Step{child}, Left: []index.Step{at("a", false), at("b", true)},
		},
		"1 of 3 steps are done, no tag was written; it is at none of them, and missing at h.example/a:1, h.example/b:1": {
			Done: []index.Step{child}, Left: []index.Step{at("a", false), at("b", false)},
		},
	} {
		u.Err = index.ErrRefused
		if got := u.Summary(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
