package index_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func TestParseMode(t *testing.T) {
	t.Parallel()
	for _, m := range []index.Mode{index.Auto, index.Strict, index.Off} {
		if again, err := index.ParseMode(m.String()); err != nil || again != m {
			t.Errorf("%s is read as %s, %v", m, again, err)
		}
	}
	for _, s := range []string{"", "AUTO", "none"} {
		_, err := index.ParseMode(s)
		wantFault(t, err, index.ErrUsage, `want "auto", "strict" or "off"`)
	}
}

func TestParseRuleID(t *testing.T) {
	t.Parallel()
	for _, r := range index.RuleTable() {
		if id, err := index.ParseRuleID(string(r.ID)); err != nil || id != r.ID {
			t.Errorf("%s is read as %s, %v", r.ID, id, err)
		}
	}
	for s, want := range map[string]string{
		"platform-mising":   `rule "platform-mising": there is no such rule, did you mean platform-missing?`,
		"PLATFORM_MISMATCH": "did you mean platform-mismatch?",
		"everything":        `rule "everything": there is no such rule`,
	} {
		_, err := index.ParseRuleID(s)
		wantFault(t, err, index.ErrUsage, want)
	}
}

// verdict judges one finding: its severity, "dropped", or "refused".
func verdict(t *testing.T, p index.Policy, f index.Finding, in index.Context) string {
	t.Helper()
	judged, err := p.Judge([]index.Finding{f}, in)
	switch {
	case err != nil && judged == nil:
		return "refused"
	case len(judged) == 0:
		return "dropped"
	case (err != nil) != (judged[0].Severity == index.Error):
		t.Errorf("%+v is %s and stops with %v", f, judged[0].Severity, err)
	}
	return judged[0].Severity.String()
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	allow := func(ids ...index.RuleID) index.Policy { return index.Policy{Allow: ids} }
	strict, off := index.Policy{Mode: index.Strict}, index.Policy{Mode: index.Off}
	mixed, missing := index.Finding{Rule: index.MediaTypeMixed}, index.Finding{Rule: index.PlatformMissing}
	odd := index.Finding{Rule: index.PlatformUnknown, Severity: index.Error}
	mild := index.Finding{Rule: index.TargetUnsupported, Limit: index.AtMostWarning}
	note := index.Finding{Rule: index.PlatformMismatch, Limit: index.AtMostNote}
	for name, c := range map[string]struct {
		policy  index.Policy
		finding index.Finding
		want    string // local|publish
	}{
		"auto":                    {index.Policy{}, mixed, "note|warning"},
		"strict":                  {strict, mixed, "note|error"},
		"off":                     {off, missing, "dropped|dropped"},
		"off keeps integrity":     {off, index.Finding{Rule: index.DigestMismatch}, "error|error"},
		"off keeps demands":       {off, index.Finding{Rule: index.PlatformsRequired}, "warning|error"},
		"allowed":                 {allow(index.MediaTypeMixed), mixed, "note|note"},
		"allowed and strict":      {index.Policy{Mode: index.Strict, Allow: []index.RuleID{index.MediaTypeMixed}}, mixed, "note|note"},
		"another allowed":         {allow(index.IDFormat), mixed, "note|warning"},
		"fixed":                   {allow(index.PlatformMissing), missing, "refused|refused"},
		"unknown":                 {allow("what"), missing, "refused|refused"},
		"insisted":                {index.Policy{}, odd, "error|error"},
		"insisted, allowed":       {allow(index.PlatformUnknown), odd, "error|error"},
		"insisted, off":           {off, odd, "dropped|dropped"},
		"a warning at most":       {index.Policy{}, mild, "warning|warning"},
		"a warning, strict":       {strict, mild, "error|error"},
		"a note at most":          {index.Policy{}, note, "note|note"},
		"a note, strict":          {strict, note, "note|note"},
		"only when published":     {index.Policy{}, index.Finding{Rule: index.NoLinuxAMD64}, "dropped|warning"},
		"a rule of tomorrow":      {index.Policy{}, index.Finding{Rule: "tomorrow"}, "error|error"},
		"a rule of tomorrow, off": {off, index.Finding{Rule: "tomorrow"}, "dropped|dropped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := verdict(t, c.policy, c.finding, index.Local) + "|" + verdict(t, c.policy, c.finding, index.Publish)
			if got != c.want {
				t.Errorf("judged %q, want %q", got, c.want)
			}
		})
	}
}

func TestPolicyNamesRulesThatCannotBeAllowed(t *testing.T) {
	t.Parallel()
	err := index.Policy{Allow: []index.RuleID{index.DigestMismatch, index.IDFormat, index.PlatformMissing}}.Check()
	wantFault(t, err, index.ErrUsage, "these cannot be allowed: digest-mismatch, platform-missing")
	wantFault(t, index.Policy{Allow: []index.RuleID{"x", "y"}}.Check(), index.ErrUsage, "there is no rule x, y")
	if err := (index.Policy{Allow: []index.RuleID{index.NotAnImage, index.EmptyList}}).Check(); err != nil {
		t.Errorf("refused: %v", err)
	}
}

// Artifacts may be allowed, what no registry takes may not.
func TestAllowNotAnImage(t *testing.T) {
	t.Parallel()
	odd := image(3, index.OCI, "linux/amd64")
	odd.MediaType = "application/vnd.docker.distribution.manifest.v1+prettyjws"
	ix := list(t, index.OCI, artifact(1).Entry, odd)
	findings := ix.Check(index.ImagesOnly([]index.Manifest{artifact(1)}))
	judged, err := index.Policy{Allow: []index.RuleID{index.NotAnImage}}.Judge(findings, index.Publish)
	if len(judged) != 2 || judged[0].Severity != index.Note || judged[1].Severity != index.Error || err == nil {
		t.Errorf("judged %+v, %v", judged, err)
	}
}

func TestByEntry(t *testing.T) {
	t.Parallel()
	a, b := image(1, index.OCI, "linux/amd64"), image(2, index.OCI, "linux/arm64")
	ix := list(t, index.OCI, a, b)
	found := []index.Finding{
		{Rule: "1", Entry: b}, {Rule: "2", Entry: a}, {Rule: "3"}, {Rule: "4", Entry: b}, {Rule: "5", Entry: a}, {Rule: "6"},
	}
	before := slices.Clone(found)
	var got []string
	for _, f := range ix.ByEntry(found) {
		got = append(got, string(f.Rule))
	}
	if strings.Join(got, "") != "362514" {
		t.Errorf("the findings come as %v", got)
	}
	for i := range found {
		if found[i].Rule != before[i].Rule {
			t.Errorf("the findings given were sorted: %+v", found)
		}
	}
}

// Consumers never choose an artifact, so one that is allowed needs no platform;
// what nothing allows stays what it is.
func TestAllowedArtifactsNeedNoPlatform(t *testing.T) {
	t.Parallel()
	chart, image, odd := image(1, index.OCI, ""), image(2, index.OCI, ""), image(3, index.OCI, "")
	found := []index.Finding{
		{Rule: index.NotAnImage, Entry: chart},
		{Rule: index.PlatformMissing, Entry: chart},
		{Rule: index.PlatformMissing, Entry: image},
		{Rule: index.NotAnImage, Severity: index.Error, Entry: odd},
		{Rule: index.PlatformMissing, Entry: odd},
	}
	for want, policy := range map[string]index.Policy{
		"not-an-image1 platform-missing1 platform-missing2 not-an-image3 platform-missing3": {},
		"not-an-image1 platform-missing2 not-an-image3 platform-missing3":                   {Allow: []index.RuleID{index.NotAnImage}},
	} {
		judged, err := policy.Judge(found, index.Publish)
		var got []string
		for _, f := range judged {
			got = append(got, string(f.Rule)+numbers([]index.Entry{f.Entry}))
		}
		if strings.Join(got, " ") != want || !errors.Is(err, index.ErrInvalid) {
			t.Errorf("judged %q, want %s: %v", got, want, err)
		}
	}
}
