package index

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Mode says how severely findings are judged.
type Mode uint8

const (
	// Auto judges by the table of [RuleTable].
	Auto Mode = iota
	// Strict makes an error of every warning.
	Strict
	// Off drops all findings but those of the rules that nothing turns off:
	// integrity, and what was asked for.
	Off
)

// ParseMode reads the name of a mode: "auto", "strict" or "off". Another is an
// error of the kind ErrUsage.
func ParseMode(s string) (Mode, error) {
	for _, m := range []Mode{Auto, Strict, Off} {
		if s == m.String() {
			return m, nil
		}
	}
	return Auto, Faultf(ErrUsage, fmt.Sprintf("mode %q", s), `want "auto", "strict" or "off"`)
}

// String returns the name that ParseMode reads.
func (m Mode) String() string { return [...]string{"auto", "strict", "off"}[min(m, Off)] }

// ParseRuleID reads the name of a rule of [RuleTable]. Another is an error of
// the kind ErrUsage that offers near names.
func ParseRuleID(s string) (RuleID, error) {
	var known []string
	for _, info := range RuleTable() {
		if string(info.ID) == s {
			return info.ID, nil
		}
		known = append(known, string(info.ID))
	}
	normal := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "_", "-")
	return "", Faultf(ErrUsage, fmt.Sprintf("rule %q", s), "there is no such rule%s", didYouMean(s, normal, known))
}

// Policy is what a user wants of the rules. The zero value is the table as it
// stands.
type Policy struct {
	Mode Mode
	// Allow names rules whose findings are to be notes.
	Allow []RuleID
}

// Check returns an error of the kind ErrUsage that names the rules of Allow
// that cannot be allowed and those that do not exist.
func (p Policy) Check() error {
	table := rulesByID()
	var unknown, fixed []string
	for _, id := range p.Allow {
		info, ok := table[id]
		switch {
		case !ok:
			unknown = append(unknown, string(id))
		case !info.Optional:
			fixed = append(fixed, string(id))
		}
	}
	if len(unknown) > 0 {
		return Faultf(ErrUsage, "rules to allow", "there is no rule %s", strings.Join(unknown, ", "))
	}
	if len(fixed) > 0 {
		return Faultf(ErrUsage, "rules to allow", "these cannot be allowed: %s", strings.Join(fixed, ", "))
	}
	return nil
}

// Judge sets the severity of each finding for the context, and returns those
// that count there and a Rejection where one of them is an error. An error of
// the kind ErrUsage is what [Policy.Check] returns.
func (p Policy) Judge(findings []Finding, in Context) ([]Finding, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	table := rulesByID()
	judged := make([]Finding, 0, len(findings))
	artifacts := p.artifacts(findings)
	var stopping []Finding
	for _, f := range findings {
		if f.Rule == PlatformMissing && artifacts[f.Entry.Digest] {
			continue
		}
		info, ok := table[f.Rule]
		if !ok {
			info = RuleInfo{Local: Error, Publish: Error}
		}
		if !p.counts(info, in) {
			continue
		}
		f.Severity = p.severity(f, info, in)
		if f.Severity == Error {
			stopping = append(stopping, f)
		}
		judged = append(judged, f)
	}
	return judged, reject(stopping)
}

// artifacts returns the artifacts that are allowed: consumers never choose one by
// its platform, so it has none to miss.
func (p Policy) artifacts(findings []Finding) map[v1.Hash]bool {
	if !slices.Contains(p.Allow, NotAnImage) {
		return nil
	}
	allowed := map[v1.Hash]bool{}
	for _, f := range findings {
		if f.Rule == NotAnImage && f.Severity < Error {
			allowed[f.Entry.Digest] = true
		}
	}
	return allowed
}

// counts reports whether a rule has a say at all.
func (p Policy) counts(info RuleInfo, in Context) bool {
	if in == Local && info.PublishOnly {
		return false
	}
	return p.Mode != Off || info.Group == GroupIntegrity || info.Group == GroupDemand
}

// severity is that of the table within the limits that the finding has, made
// more severe by the mode or less by an allowance.
func (p Policy) severity(f Finding, info RuleInfo, in Context) Severity {
	if slices.Contains(p.Allow, f.Rule) {
		return f.Severity
	}
	s := info.Local
	if in == Publish {
		s = info.Publish
	}
	s = max(f.Limit.hold(s), f.Severity)
	if p.Mode == Strict && s == Warning {
		return Error
	}
	return s
}

// Limit is how severe a finding may become, whatever the table says of its
// rule. The zero value sets no limit. [Strict] makes an error of a warning all
// the same.
type Limit uint8

// The limits.
const (
	NoLimit Limit = iota
	AtMostWarning
	AtMostNote
)

func (l Limit) hold(s Severity) Severity {
	switch l {
	case AtMostWarning:
		return min(s, Warning)
	case AtMostNote:
		return Note
	default:
		return s
	}
}

// ByEntry returns the findings entry by entry, in the order of the list, those
// about the list itself first. Findings of one entry keep their order.
func (ix Index) ByEntry(findings []Finding) []Finding {
	at := map[identity]int{}
	for i, e := range slices.Backward(ix.entries) {
		at[identityOf(e)] = i
	}
	position := func(f Finding) int {
		if i, ok := at[identityOf(f.Entry)]; ok {
			return i
		}
		return -1
	}
	sorted := slices.Clone(findings)
	slices.SortStableFunc(sorted, func(a, b Finding) int { return position(a) - position(b) })
	return sorted
}
