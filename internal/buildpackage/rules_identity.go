package buildpackage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// oneKind finds images of another kind than the others. Applications may be
// built with and without buildpacks.
func oneKind(list []*subject) []index.Finding {
	usual, others := outliers(list, func(s *subject) string {
		if s.Kind == Plain {
			return AppImage.String()
		}
		return s.Kind.String()
	})
	var findings []index.Finding
	for _, s := range others {
		findings = append(findings, s.against(usual, index.KindMixed, "it is %s, and %s is %s", s.Kind.describe(), usual.name(), usual.Kind.describe()))
	}
	return findings
}

// labelsPresent finds packages whose labels are missing or broken.
func labelsPresent(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, s := range only(list, Kind.IsPackage) {
		for _, fault := range s.Faults {
			findings = append(findings, s.finding(index.LabelMissing, "%s", fault))
		}
	}
	return findings
}

// oneID compares packages of one kind; others are oneKind's.
func oneID(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, kind := range []Kind{Buildpack, Extension} {
		named := slices.DeleteFunc(slices.Clone(list), func(s *subject) bool { return s.Kind != kind || s.Package.ID == "" })
		usual, others := outliers(named, func(s *subject) string { return s.Package.ID })
		for _, s := range others {
			findings = append(findings, s.against(usual, index.IDMismatch,
				"its id is %s, that of %s is %s", quoted(s.Package.ID), usual.name(), quoted(usual.Package.ID)))
		}
	}
	return findings
}

// oneVersion compares packages of one id; others are oneID's.
func oneVersion(list []*subject) []index.Finding {
	byID := map[string][]*subject{}
	var findings []index.Finding
	for _, s := range only(list, Kind.IsPackage) {
		if s.Package.ID != "" && s.Package.Version != "" {
			byID[s.Package.ID] = append(byID[s.Package.ID], s)
		}
	}
	for _, id := range sortedKeys(byID) {
		usual, others := outliers(byID[id], func(s *subject) string { return s.Package.Version })
		for _, s := range others {
			findings = append(findings, s.against(usual, index.VersionMismatch,
				"its version is %s, that of %s is %s", quoted(s.Package.Version), usual.name(), quoted(usual.Package.Version)))
		}
	}
	return findings
}

// mainInLayers finds packages that do not have what they are named after.
func mainInLayers(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, s := range only(list, Kind.IsPackage) {
		if _, ok := s.main(); ok || len(s.Faults) > 0 {
			continue
		}
		var has []string
		for _, m := range s.Modules {
			has = append(has, m.String())
		}
		findings = append(findings, s.finding(index.MainNotInLayers,
			"it is named %s, and its layers have %s", s.Package.Ref, orNone(enumerate(has))))
	}
	return findings
}

// layersPresent finds packages whose labels name layers that they do not have.
func layersPresent(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, s := range only(list, Kind.IsPackage) {
		have := map[string]bool{}
		for _, h := range s.diffIDs {
			have[h.String()] = true
		}
		var missing []string
		for _, m := range s.Modules {
			if !have[m.DiffID] {
				missing = append(missing, fmt.Sprintf("%s of %s", quoted(m.DiffID), m.Ref))
			}
		}
		if len(missing) > 0 {
			findings = append(findings, s.finding(index.LayerMissing, "it does not have the layer %s", enumerate(missing)))
		}
	}
	return findings
}

// noExtraLayers finds layers of packages that no label names. On Windows one
// layer is the base, without which nothing else can be unpacked.
func noExtraLayers(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, s := range only(list, Kind.IsPackage) {
		if len(s.Faults) > 0 {
			continue
		}
		allowed := namedLayers(s)
		if s.target().OS == "windows" {
			allowed++
		}
		if extra := len(s.diffIDs) - allowed; extra > 0 {
			findings = append(findings, s.finding(index.ExtraLayers,
				"%d of its %d layers have no buildpack that the labels name", extra, len(s.diffIDs)))
		}
	}
	return findings
}

// namedLayers counts the layers of the image that labels name.
func namedLayers(s *subject) int {
	named := map[string]bool{}
	for _, m := range s.Modules {
		named[m.DiffID] = true
	}
	count := map[v1.Hash]bool{}
	for _, h := range s.diffIDs {
		if named[h.String()] {
			count[h] = true
		}
	}
	return len(count)
}

// wellFormedVersion finds versions that are not three numbers, each once.
func wellFormedVersion(list []*subject) []index.Finding {
	form := regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)
	return eachOnce(list, func(s *subject) string { return s.Package.Version }, func(s *subject) (index.Finding, bool) {
		return s.finding(index.VersionFormat, "the version %s is not three numbers without leading zeros, as in 1.2.3", quoted(s.Package.Version)),
			!form.MatchString(s.Package.Version)
	})
}

// wellFormedID finds ids that the specification refuses, and those that the
// registry of buildpacks does, each once.
func wellFormedID(list []*subject) []index.Finding {
	form := regexp.MustCompile(`^[A-Za-z0-9./-]+$`)
	reserved := []string{"app", "config", "generated", "sbom"}
	return eachOnce(list, func(s *subject) string { return s.Package.ID }, func(s *subject) (index.Finding, bool) {
		id := s.Package.ID
		namespace, name, _ := strings.Cut(id, "/")
		switch {
		case !form.MatchString(id):
			return s.finding(index.IDFormat, "the id %s has characters other than letters, digits, '.', '/' and '-'", quoted(id)), true
		case slices.Contains(reserved, id):
			return s.finding(index.IDFormat, "the id %s is reserved", quoted(id)), true
		case namespace == "" || name == "" || strings.Contains(name, "/"):
			f := s.finding(index.IDFormat, "the id %s is not NAMESPACE/NAME, so the buildpack registry cannot have it", quoted(id))
			f.Limit = index.AtMostNote
			return f, true
		}
		return index.Finding{}, false
	})
}

// eachOnce looks at the first package of each value that is not empty.
func eachOnce(list []*subject, value func(*subject) string, look func(*subject) (index.Finding, bool)) []index.Finding {
	seen := map[string]bool{"": true}
	var findings []index.Finding
	for _, s := range only(list, Kind.IsPackage) {
		if v := value(s); !seen[v] {
			seen[v] = true
			if f, found := look(s); found {
				findings = append(findings, f)
			}
		}
	}
	return findings
}
