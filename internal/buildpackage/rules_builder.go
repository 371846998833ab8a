package buildpackage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func isBuilder(k Kind) bool { return k == BuilderImage }

// readable returns the builders whose labels could be read.
func readable(list []*subject) []*subject {
	return slices.DeleteFunc(only(list, isBuilder), func(s *subject) bool { return len(s.Faults) > 0 })
}

// builderReadable finds builders with labels that cannot be read.
func builderReadable(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, s := range only(list, isBuilder) {
		for _, fault := range s.Faults {
			findings = append(findings, s.finding(index.BuilderUnreadable, "%s", fault))
		}
	}
	return findings
}

func sameLifecycle(list []*subject) []index.Finding {
	return compareText(readable(list), index.BuilderLifecycle, "lifecycle", func(s *subject) string {
		l := s.Builder.Lifecycle
		parts := []string{orNone(l.Version)}
		for _, name := range sortedKeys(l.APIs) {
			parts = append(parts, fmt.Sprintf("%s API %s", name, strings.Join(l.APIs[name].Supported, " ")))
			if deprecated := l.APIs[name].Deprecated; len(deprecated) > 0 {
				parts = append(parts, "deprecated "+strings.Join(deprecated, " "))
			}
		}
		return strings.Join(parts, ", ")
	})
}

func sameBuilderModules(list []*subject) []index.Finding {
	modules := func(s *subject) []string {
		var names []string
		for _, ref := range slices.Concat(s.Builder.Buildpacks, s.Builder.Extensions) {
			names = append(names, ref.String())
		}
		slices.Sort(names)
		return names
	}
	usual, others := outliers(readable(list), func(s *subject) string { return strings.Join(modules(s), "\n") })
	var findings []index.Finding
	for _, s := range others {
		findings = append(findings, s.against(usual, index.BuilderModules, "%s", differentSets("its buildpacks and extensions", s, usual, modules)))
	}
	return findings
}

func sameBuilderOrder(list []*subject) []index.Finding {
	return compareText(readable(list), index.BuilderOrder, "order", func(s *subject) string {
		text := describeOrder(s.Builder.Order)
		if extensions := describeOrder(s.Builder.OrderExtensions); extensions != "" {
			text += " with extensions " + extensions
		}
		return text
	})
}

func sameBuilderStack(list []*subject) []index.Finding {
	return compareText(readable(list), index.BuilderStack, "base", func(s *subject) string {
		text := "stack " + orNone(s.Base.StackID)
		if d := s.Base.Distro; d != (Distro{}) {
			text += ", distribution " + strings.TrimSpace(d.Name+" "+d.Version)
		}
		return text
	})
}

// compareText compares something that can be said in a text.
func compareText(list []*subject, rule index.RuleID, what string, text func(*subject) string) []index.Finding {
	usual, others := outliers(list, text)
	var findings []index.Finding
	for _, s := range others {
		findings = append(findings, s.against(usual, rule,
			"its %s is %s, that of %s is %s", what, quoted(text(s)), usual.name(), quoted(text(usual))))
	}
	return findings
}
