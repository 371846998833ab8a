package buildpackage

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/buildpacks/lifecycle/api"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// sameModules compares the components and the order of composite buildpacks.
func sameModules(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, release := range releases(list) {
		read := slices.DeleteFunc(release, func(s *subject) bool { return len(s.Faults) > 0 })
		usual, others := outliers(read, func(s *subject) string { return strings.Join(components(s), "\n") })
		for _, s := range others {
			findings = append(findings, s.against(usual, index.ModulesDiffer, "%s", differentSets("its components", s, usual, components)))
		}
		if len(others) > 0 {
			continue
		}
		usual, others = outliers(read, mainOrder)
		for _, s := range others {
			findings = append(findings, s.against(usual, index.ModulesDiffer,
				"its order is %s, that of %s is %s", quoted(mainOrder(s)), usual.name(), quoted(mainOrder(usual))))
		}
	}
	return findings
}

// components names the modules other than the main one, sorted.
func components(s *subject) []string {
	var names []string
	for _, m := range s.Modules {
		if m.Ref != s.Package.Ref {
			names = append(names, m.String())
		}
	}
	return names
}

func mainOrder(s *subject) string {
	main, _ := s.main()
	return describeOrder(main.Order)
}

// differentSets says what one image has and another one has not.
func differentSets(what string, a, b *subject, set func(*subject) []string) string {
	more, less := without(set(a), set(b)), without(set(b), set(a))
	var parts []string
	if len(more) > 0 {
		parts = append(parts, "it alone has "+enumerate(more))
	}
	if len(less) > 0 {
		parts = append(parts, fmt.Sprintf("%s alone has %s", b.name(), enumerate(less)))
	}
	return fmt.Sprintf("%s are not those of %s: %s", what, b.name(), strings.Join(parts, ", "))
}

func without(a, b []string) []string {
	have := make(map[string]bool, len(b))
	for _, s := range b {
		have[s] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return have[s] })
}

// sameStacks compares the stacks of packages of one release.
func sameStacks(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, release := range releases(list) {
		usual, others := outliers(release, func(s *subject) string { return strings.Join(stacks(s), "\n") })
		for _, s := range others {
			findings = append(findings, s.against(usual, index.StacksDiffer, "%s", differentSets("its stacks", s, usual, stacks)))
		}
	}
	return findings
}

// stacks names stacks with their mixins, sorted.
func stacks(s *subject) []string {
	var names []string
	for _, stack := range s.Package.Stacks {
		name := quoted(stack.ID)
		if len(stack.Mixins) > 0 {
			name += " with " + enumerate(quotedAll(slices.Sorted(slices.Values(stack.Mixins))))
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func quotedAll(texts []string) []string {
	all := make([]string, len(texts))
	for i, s := range texts {
		all[i] = quoted(s)
	}
	return all
}

// sameAPIs compares the APIs of modules that several packages of one release
// have.
func sameAPIs(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, release := range releases(list) {
		first := map[Ref]*subject{}
		apis := map[Ref]string{}
		for _, s := range release {
			for _, m := range s.Modules {
				before, ok := apis[m.Ref]
				if !ok {
					first[m.Ref], apis[m.Ref] = s, m.API
				} else if before != m.API {
					findings = append(findings, s.against(first[m.Ref], index.APIDiffer,
						"%s is of Buildpack API %s, on %s of %s", m.Ref, orNone(m.API), first[m.Ref].name(), orNone(before)))
				}
			}
		}
	}
	return findings
}

// supportedAPIs finds buildpacks that lifecycle refuses to run.
func supportedAPIs(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, s := range only(list, Kind.IsPackage) {
		var old []string
		for _, m := range s.Modules {
			if v, err := api.NewVersion(m.API); err == nil && !api.Buildpack.IsSupported(v) {
				old = append(old, fmt.Sprintf("%s (%s)", m.Ref, v))
			}
		}
		if len(old) > 0 {
			findings = append(findings, s.finding(index.APIUnsupported,
				"lifecycle does not support the Buildpack API of %s, but 0.7 to %s", enumerate(old), api.Buildpack.Latest()))
		}
	}
	return findings
}
