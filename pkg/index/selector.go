package index

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Selector says which entry of a list is meant. Make it with [ParseSelector],
// [ByDigest] or [ByPlatform].
type Selector struct {
	text string
	// fit is how well an entry fits: 0 not at all, more is better. Of several
	// entries only those that fit best are meant.
	fit func(Entry) int
}

// String returns the selector as it was typed.
func (s Selector) String() string { return s.text }

// ByDigest selects by the digest of an entry.
func ByDigest(h v1.Hash) Selector {
	return Selector{h.String(), func(e Entry) int { return fits(e.Digest == h) }}
}

// ByPlatform selects by platform. Fields that p leaves empty match any value,
// but an entry that has them empty too is meant first.
func ByPlatform(p v1.Platform) Selector {
	return Selector{FormatPlatform(p), func(e Entry) int { return fitPlatform(e, p) }}
}

func fits(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

func fitPlatform(e Entry, want v1.Platform) int {
	if e.Platform == nil || e.IsAttestation() {
		return 0
	}
	have := NormalizePlatform(*e.Platform)
	if platformKey(have) == platformKey(want) {
		return 2
	}
	if want.Variant == "" {
		have.Variant = ""
	}
	if want.OSVersion == "" {
		have.OSVersion = ""
	}
	if len(want.OSFeatures) == 0 {
		have.OSFeatures = nil
	}
	return fits(platformKey(have) == platformKey(want))
}

// ParseSelector reads what users type to name an entry: a digest or the
// beginning of one, with or without the repository and algorithm in front; a
// platform; or the source that the entry was made from, by reference or path.
func ParseSelector(s string) (Selector, error) {
	if s == "" {
		return Selector{}, Faultf(ErrUsage, "entry \"\"", "want a digest, a platform or a source")
	}
	if repo, digest, ok := strings.Cut(s, "@"); ok {
		return parsePinned(s, repo, digest)
	}
	fit := []func(Entry) int{byOrigin(s)}
	if prefix := strings.TrimPrefix(s, "sha256:"); regexp.MustCompile(`^[0-9a-f]{6,64}$`).MatchString(prefix) {
		fit = append(fit, byDigestPrefix(prefix))
	}
	if p, err := ParsePlatform(s); err == nil {
		fit = append(fit, ByPlatform(p).fit)
	}
	return Selector{s, func(e Entry) int {
		best := 0
		for _, f := range fit {
			best = max(best, f(e))
		}
		return best
	}}, nil
}

// parsePinned reads REPOSITORY@DIGEST: both parts must fit, the repository as
// far as the entry's is known.
func parsePinned(s, repo, digest string) (Selector, error) {
	h, err := v1.NewHash(digest)
	if err != nil {
		return Selector{}, &Fault{ErrUsage, fmt.Sprintf("entry %q", s), err}
	}
	if repo == "" {
		return ByDigest(h), nil
	}
	ref, err := ParseReference(repo)
	if err != nil {
		return Selector{}, err
	}
	want := ref.Context().Name()
	return Selector{s, func(e Entry) int {
		return fits(e.Digest == h && (e.Origin.Repository == "" || e.Origin.Repository == want))
	}}, nil
}

func byDigestPrefix(prefix string) func(Entry) int {
	return func(e Entry) int { return 2 * fits(strings.HasPrefix(e.Digest.Hex, prefix)) }
}

// byOrigin fits the source as typed best, then another spelling of the same
// reference, then the last element of a path.
func byOrigin(s string) func(Entry) int {
	want := canonicalReference(s)
	return func(e Entry) int {
		switch {
		case e.Origin.Ref == "":
			return 0
		case e.Origin.Ref == s:
			return 3
		case e.Origin.Kind == SourceRegistry:
			return 2 * fits(want != "" && canonicalReference(e.Origin.Ref) == want)
		}
		return fits(filepath.Base(e.Origin.Ref) == s)
	}
}

// canonicalReference returns a reference in full, "" where s is none.
func canonicalReference(s string) string {
	s = strings.TrimPrefix(s, "docker://")
	ref, err := name.ParseReference(s)
	if err != nil {
		return ""
	}
	return ref.Name()
}

// Select returns the entries that s means, in order.
func (ix Index) Select(s Selector) []Entry {
	var found []Entry
	for _, i := range ix.selected(s) {
		found = append(found, ix.entries[i].clone())
	}
	return found
}

func (ix Index) selected(s Selector) []int {
	best, found := 1, []int(nil)
	for i, e := range ix.entries {
		switch fit := s.fit(e); {
		case fit > best:
			best, found = fit, []int{i}
		case fit == best:
			found = append(found, i)
		}
	}
	return found
}

// selectOne returns the position of the one entry that s means, or an error of
// the kind ErrNotFound or ErrUsage that lists what could have been meant.
func (ix Index) selectOne(s Selector) (int, error) {
	found := ix.selected(s)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, Faultf(ErrNotFound, fmt.Sprintf("entry %q", s.text), "no entry of the list is meant by it; the list has %s",
			describeAll(ix.entries))
	}
	meant := make([]Entry, len(found))
	for i, at := range found {
		meant[i] = ix.entries[at]
	}
	return 0, Faultf(ErrUsage, fmt.Sprintf("entry %q", s.text), "it means %d entries of the list: %s", len(found), describeAll(meant))
}

// describeAll names entries for an error, the first ten at most.
func describeAll(entries []Entry) string {
	if len(entries) == 0 {
		return "no entries"
	}
	const most = 10
	var texts []string
	for _, e := range entries[:min(most, len(entries))] {
		texts = append(texts, strings.TrimSpace(e.PlatformString()+" "+e.Digest.String()))
	}
	if len(entries) > most {
		texts = append(texts, fmt.Sprintf("and %d more", len(entries)-most))
	}
	return strings.Join(slices.Clip(texts), ", ")
}
