package index_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

//go:generate go test . -run ^TestRulesDocument$ -update

// docs/rules.md is the table as people read it.
func TestRulesDocument(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "docs", "rules.md")
	testhelpers.Golden(t, file, []byte(document(index.RuleTable())))
}

func document(rules []index.RuleInfo) string {
	var out strings.Builder
	out.WriteString(`# The rules

Made from the table in pkg/index by "make docs"; do not edit.

A list is looked at by these rules before it is kept or published. What they find is an **error**, which stops everything
before anything is written, a **warning**, which is shown, or a **note**, which is shown with ` + "`-v`" + `. How severe a finding
is depends on what is about to happen: a list that is kept in local storage can still be repaired there, one that is
published cannot.

A finding comes with a command that repairs it, removes the image or lets the finding pass, and can be pasted into a shell;
[validate.md](validate.md) describes the output for programs.

` + "`--validate strict`" + ` makes an error of every warning; ` + "`--validate off`" + ` leaves only the rules of the groups "integrity" and
"demand". ` + "`--allow RULE[,RULE]`" + ` makes notes of what these rules find, where the table says so. Attestations and nested
lists are exempt from all but the integrity of their bytes.

| rule | kept locally | published | ` + "`--allow`" + ` |
|---|---|---|---|
`)
	for _, r := range rules {
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s | %s | %s |\n", r.ID, r.ID, local(r), r.Publish, allowed(r))
	}
	group := ""
	for _, r := range rules {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&out, "\n## %s%s\n", strings.ToUpper(group[:1]), group[1:])
		}
		fmt.Fprintf(&out, "\n### %s\n\n%s\n\n- Why: %s\n- Repair: %s\n- Severity: %s when kept locally, %s when published; %s.\n- From: %s\n",
			r.ID, r.Check, r.Why, r.Repair, local(r), r.Publish, allowance(r), r.Source)
	}
	return out.String()
}

func local(r index.RuleInfo) string {
	if r.PublishOnly {
		return "–"
	}
	return r.Local.String()
}

func allowed(r index.RuleInfo) string {
	if r.Optional {
		return "yes"
	}
	return "–"
}

func allowance(r index.RuleInfo) string {
	if r.Optional {
		return fmt.Sprintf("`--allow %s` makes a note of it", r.ID)
	}
	return "it cannot be allowed"
}

// Every rule says everything, once, in a form that fits into sentences.
func TestRuleTable(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[index.RuleID]bool{}
	var groups []string
	for _, r := range index.RuleTable() {
		if seen[r.ID] || !name.MatchString(string(r.ID)) {
			t.Errorf("rule %q comes twice or has an odd name", r.ID)
		}
		seen[r.ID] = true
		for what, text := range map[string]string{"check": r.Check, "why": r.Why, "repair": r.Repair} {
			if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, `".`) {
				t.Errorf("the %s of %s is no sentence: %q", what, r.ID, text)
			}
			if strings.Contains(text, "pack manifest") || strings.Contains(text, "--") {
				t.Errorf("the %s of %s has a command: %q", what, r.ID, text)
			}
		}
		if r.Source == "" || r.Publish < r.Local {
			t.Errorf("%s has no source or is milder when published: %+v", r.ID, r)
		}
		if len(groups) == 0 || groups[len(groups)-1] != r.Group {
			groups = append(groups, r.Group)
		}
	}
	want := []string{
		index.GroupIntegrity, index.GroupPlatform, index.GroupDemand, index.GroupIdentity,
		index.GroupBuilder, index.GroupBinary, index.GroupFormat,
	}
	if !slices.Equal(groups, want) {
		t.Errorf("the groups come as %q, want %q", groups, want)
	}
}
