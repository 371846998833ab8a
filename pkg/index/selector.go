package index

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Selector says which entry of a list is meant. Make it with [ParseSelector],
// [ByDigest] or [ByPlatform]; the zero value means no entry.
type Selector struct {
	text string
	// fit is how well an entry fits. Of several entries only those that fit
	// best are meant.
	fit func(Entry) fitness
}

// fitness is how well an entry fits a selector.
type fitness uint8

const (
	unfit   fitness = iota
	loosely         // what the selector leaves open may be anything
	meant           // the same thing in other words, or the beginning of its digest
	exactly         // the very platform or digest
	asTyped         // the source, letter by letter
)

// Matches reports whether e is one of those that may be meant.
func (s Selector) Matches(e Entry) bool { return s.fit(e) > 0 }

// String returns the selector as it was typed.
func (s Selector) String() string { return s.text }

// ByDigest selects by the digest of an entry.
func ByDigest(h v1.Hash) Selector {
	return Selector{h.String(), func(e Entry) fitness {
		if e.Digest == h {
			return exactly
		}
		return unfit
	}}
}

// ByPlatform selects by platform, never an attestation. Fields that p leaves
// empty match any value, but an entry that has them empty too is meant first.
func ByPlatform(p v1.Platform) Selector {
	want := NormalizePlatform(p)
	key := platformKey(want)
	return Selector{FormatPlatform(p), func(e Entry) fitness {
		if e.Platform == nil || e.IsAttestation() {
			return unfit
		}
		have := NormalizePlatform(*e.Platform)
		switch {
		case identicalPlatforms(have, want):
			return exactly
		case platformKey(have) == key:
			return meant
		case platformKey(openAs(have, want)) == key:
			return loosely
		}
		return unfit
	}}
}

// openAs returns p without what want leaves open.
func openAs(p, want v1.Platform) v1.Platform {
	for _, field := range []struct{ have, want *string }{
		{&p.OS, &want.OS}, {&p.Architecture, &want.Architecture}, {&p.Variant, &want.Variant}, {&p.OSVersion, &want.OSVersion},
	} {
		if *field.want == "" {
			*field.have = ""
		}
	}
	if len(want.OSFeatures) == 0 {
		p.OSFeatures = nil
	}
	return p
}

// ParseSelector reads what users type to name an entry: a digest or the
// beginning of one (six digits or more), with or without the algorithm, or a
// whole one with the repository in front; a platform, also one of unknown
// names; or the source that the entry was made from, by reference or path. One
// text may be several of these; [Index.Select] finds what it fits best.
func ParseSelector(s string) (Selector, error) {
	if s == "" {
		return Selector{}, Faultf(ErrUsage, `entry ""`, "want a digest, a platform or a source")
	}
	pinned, err := byPin(s)
	if err != nil {
		return Selector{}, err
	}
	fits := []func(Entry) fitness{byOrigin(s), byDigestPrefix(s), byPlatformText(s), pinned}
	return Selector{s, func(e Entry) fitness {
		best := unfit
		for _, fit := range fits {
			best = max(best, fit(e))
		}
		return best
	}}, nil
}

func never(Entry) fitness { return unfit }

// byPin reads REPOSITORY@DIGEST: both parts must fit, the repository as far as
// the entry's is known.
func byPin(s string) (func(Entry) fitness, error) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 || !strings.Contains(s[at:], ":") {
		return never, nil
	}
	h, err := v1.NewHash(s[at+1:])
	if err != nil {
		return nil, &Fault{ErrUsage, fmt.Sprintf("entry %q", s), err}
	}
	if at == 0 {
		return ByDigest(h).fit, nil
	}
	ref, err := ParseReference(s[:at])
	if err != nil {
		return nil, err
	}
	repository := ref.Context().Name()
	return func(e Entry) fitness {
		if e.Digest == h && (e.Origin.Repository == "" || e.Origin.Repository == repository) {
			return exactly
		}
		return unfit
	}, nil
}

func byDigestPrefix(s string) func(Entry) fitness {
	_, digits, hasAlgorithm := strings.Cut(s, ":")
	if !hasAlgorithm {
		digits = s
	}
	if len(digits) < 6 || strings.Trim(digits, "0123456789abcdef") != "" {
		return never
	}
	return func(e Entry) fitness {
		digest := e.Digest.Hex
		if hasAlgorithm {
			digest = e.Digest.String()
		}
		switch {
		case digest == s:
			return exactly
		case strings.HasPrefix(digest, s):
			return meant
		}
		return unfit
	}
}

// byPlatformText fits the text that an entry's platform is shown as, so that an
// entry with a wrong platform can be named too, and what [ByPlatform] fits.
func byPlatformText(s string) func(Entry) fitness {
	fit := never
	if p, err := ParsePlatform(s); err == nil {
		fit = ByPlatform(p).fit
	}
	return func(e Entry) fitness {
		if e.PlatformString() == s && !e.IsAttestation() {
			return exactly
		}
		return fit(e)
	}
}

// byOrigin fits the source as typed best, then the same source in other words,
// then the last element of a path.
func byOrigin(s string) func(Entry) fitness {
	reference, last, path := canonicalReference(s), lastName(s), filepath.Clean(withoutTransport(s))
	return func(e Entry) fitness {
		have := filepath.Clean(withoutTransport(e.Origin.Ref))
		switch {
		case e.Origin.Ref == "":
			return unfit
		case e.Origin.Ref == s:
			return asTyped
		case e.Origin.Kind == SourceRegistry && reference != "" && lastName(e.Origin.Ref) == last && canonicalReference(e.Origin.Ref) == reference:
			return meant
		case e.Origin.Kind == SourceRegistry:
			return unfit
		case have == path:
			return meant
		case filepath.Base(have) == s:
			return loosely
		}
		return unfit
	}
}

// withoutTransport takes off what says where a source is.
func withoutTransport(s string) string {
	for _, transport := range []string{"docker://", "docker-daemon:", "oci-archive:", "oci:"} {
		if rest, ok := strings.CutPrefix(s, transport); ok {
			return rest
		}
	}
	return s
}

// canonicalReference returns a reference in full, "" where s is none.
func canonicalReference(s string) string {
	ref, err := name.ParseReference(strings.TrimPrefix(s, "docker://"))
	if err != nil {
		return ""
	}
	return ref.Name()
}

// lastName returns the last name of a reference's repository, which is the same
// however the reference is put, and cheaper to find than the rest.
func lastName(s string) string {
	s = s[strings.LastIndexByte(s, '/')+1:]
	if end := strings.IndexAny(s, ":@"); end >= 0 {
		s = s[:end]
	}
	return s
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
	if s.fit == nil {
		return nil
	}
	best, found := loosely, []int(nil)
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
	return strings.Join(texts, ", ")
}
