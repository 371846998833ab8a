package index

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// RuleID is the name of a rule, as users type and read it.
type RuleID string

// The rules.
const (
	DigestMismatch    RuleID = "digest-mismatch"
	NotAnImage        RuleID = "not-an-image"
	ConfigUnreadable  RuleID = "config-unreadable"
	EmptyList         RuleID = "empty-list"
	PlatformMissing   RuleID = "platform-missing"
	PlatformDuplicate RuleID = "platform-duplicate"
	PlatformUnknown   RuleID = "platform-unknown"
	PlatformMismatch  RuleID = "platform-mismatch"
	MediaTypeMixed    RuleID = "media-type-mixed"
	AnnotationsInV2S2 RuleID = "annotations-in-v2s2"
	NotConvertible    RuleID = "not-convertible"
)

// Severity is what a finding does. The zero value is a note.
type Severity uint8

const (
	// Note is shown to those who ask for more.
	Note Severity = iota
	// Warning is shown and stops nothing.
	Warning
	// Error stops what was to be done before anything is written.
	Error
)

// String returns "note", "warning" or "error".
func (s Severity) String() string { return [...]string{"note", "warning", "error"}[min(s, Error)] }

// Finding is one thing that a rule found wrong.
type Finding struct {
	Rule RuleID
	// Severity is what [Policy.Judge] makes of it. A rule sets it only to the
	// least that it insists on, which nothing lowers.
	Severity Severity
	Limit    Limit    // the most that it may become
	Entry    Entry    // the entry that it is about; its zero value: the list itself
	Others   []Entry  // entries that it collides with
	Values   []string // what a repair needs to know: platforms, names; documented by the rule
	// Patch is the platform fields that the entry should have, as far as that is
	// known or likely; the zero value where it is not.
	Patch   PlatformPatch
	Message string // the cause, in one sentence
}

// Patched returns the platform of the entry with what the finding would set.
func (f Finding) Patched() v1.Platform {
	return f.Patch.Patch(platformOrNone(f.Entry))
}

// Rejection is an error of the kind ErrInvalid: findings stopped what was to be
// done. It has those findings alone, not the warnings and notes beside them.
//
//nolint:errname // a Rejection is findings first and an error second
type Rejection struct{ Findings []Finding }

// Error returns the messages, each with its rule.
func (r *Rejection) Error() string {
	var texts []string
	for _, f := range r.Findings {
		texts = append(texts, fmt.Sprintf("%s (%s)", f.Message, f.Rule))
	}
	return strings.Join(texts, "; ")
}

// Unwrap makes errors.Is find ErrInvalid.
func (r *Rejection) Unwrap() error { return ErrInvalid }

// Rule looks at a list and says what is wrong. How severe that is, [Policy]
// says.
type Rule func(Index) []Finding

// Check returns what the rules find, in the order of the entries.
func (ix Index) Check(rules ...Rule) []Finding {
	var findings []Finding
	for _, rule := range rules {
		findings = append(findings, rule(ix)...)
	}
	return findings
}

// Context is what a list is about to be used for.
type Context uint8

const (
	// Local is keeping it in local storage: what can be repaired there never
	// blocks.
	Local Context = iota
	// Publish is writing it to a registry.
	Publish
)

// Judge sets the severity of each finding for the context and returns them all,
// and a Rejection where one of them is an error. It is what the zero [Policy]
// does.
func Judge(findings []Finding, in Context) ([]Finding, error) { return Policy{}.Judge(findings, in) }

// NotEmpty finds a list without an image.
func NotEmpty(ix Index) []Finding {
	for _, e := range ix.entries {
		if !e.IsAttestation() {
			return nil
		}
	}
	return []Finding{{Rule: EmptyList, Message: "the list has no image"}}
}

// UniquePlatforms finds entries of one platform with different digests: a
// consumer would get whichever comes first.
func UniquePlatforms(ix Index) []Finding {
	first := map[string]Entry{}
	var findings []Finding
	for _, e := range ix.entries {
		key := platformOf(e)
		if key == "" || missingFields(e) != "" {
			continue
		}
		before, ok := first[key]
		if !ok {
			first[key] = e
			continue
		}
		if before.Digest != e.Digest {
			findings = append(findings, Finding{
				Rule: PlatformDuplicate, Entry: e.clone(), Others: []Entry{before.clone()},
				Message: fmt.Sprintf("two images are for %s: %s and %s", FormatPlatform(*e.Platform), describeOrigin(before), describeOrigin(e)),
			})
		}
	}
	return findings
}

// describeOrigin names an entry by its source and digest.
func describeOrigin(e Entry) string {
	if e.Origin.Ref == "" {
		return e.Digest.String()
	}
	return fmt.Sprintf("%s (%s)", e.Origin.Ref, e.Digest)
}

// KnownPlatforms finds names of operating systems and architectures that Go
// does not know, and such as no consumer can read. The patch of a finding has
// the names that were meant, where there is but one for each.
func KnownPlatforms(ix Index) []Finding {
	var findings []Finding
	for _, e := range ix.entries {
		if e.Platform == nil || e.IsAttestation() {
			continue
		}
		f := Finding{Rule: PlatformUnknown, Message: unknownNames(*e.Platform)}
		switch {
		case !plainName(e.Platform.OS) || !plainName(e.Platform.Architecture) || !plainName(e.Platform.Variant):
			f.Severity = Error
			f.Message = fmt.Sprintf("the platform %q has characters other than letters, digits, '.', '_' and '-'", e.PlatformString())
		case f.Message == "":
			continue
		default:
			f.Patch = knownNames(*e.Platform)
		}
		f.Entry = e.clone()
		findings = append(findings, f)
	}
	return findings
}

// OneFamily finds children of the other format than the list's, which Values of a
// finding has.
func OneFamily(ix Index) []Finding {
	var findings []Finding
	for _, e := range ix.entries {
		if f, ok := FormatOf(e.MediaType); ok && f != ix.format {
			findings = append(findings, Finding{
				Rule: MediaTypeMixed, Entry: e.clone(), Values: []string{ix.format.String()},
				Message: fmt.Sprintf("the image is in the format %s, the list in %s", f, ix.format),
			})
		}
	}
	return findings
}

// ImagesOnly finds entries that are neither image nor list, and images whose
// config is no image config, as far as their manifests are given. Attestations
// are carried with their image.
func ImagesOnly(manifests []Manifest) Rule {
	return func(ix Index) []Finding {
		artifact := map[v1.Hash]string{}
		for _, m := range manifests {
			if image, err := ParseImage(m.Raw, m.MediaType); err == nil && m.Config == nil && !image.Config.MediaType.IsConfig() {
				artifact[m.Digest] = string(image.Config.MediaType)
			}
		}
		var findings []Finding
		for _, e := range ix.entries {
			message, least := notAnImage(e, artifact[e.Digest])
			if message != "" && !e.IsAttestation() {
				findings = append(findings, Finding{Rule: NotAnImage, Severity: least, Entry: e.clone(), Message: message})
			}
		}
		return findings
	}
}

// notAnImage says what an entry is instead of an image, and how severe that is
// whatever may be allowed.
func notAnImage(e Entry, artifact string) (message string, least Severity) {
	switch {
	case !e.MediaType.IsImage() && !e.MediaType.IsIndex():
		return fmt.Sprintf("media type %q is neither an image nor a list", e.MediaType), Error
	case artifact != "":
		return fmt.Sprintf("it is an artifact: its config is of the type %q", artifact), Note
	}
	return "", Note
}
