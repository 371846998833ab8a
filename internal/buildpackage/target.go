package buildpackage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/buildpacks/lifecycle/api"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// enforcedAPI is the Buildpack API from which a target that does not fit is as
// severe as the table says. Below, it is a warning.
const enforcedAPI = "0.12"

// fit is how well a target fits a platform.
type fit uint8

const (
	refused  fit = iota // lifecycle and pack refuse the build
	doubtful            // one of them does, or it depends on what a label does not say
	fits
)

// fit compares as lifecycle (platform.TargetSatisfiedForBuild) and pack
// (dist.BuildpackDescriptor.EnsureTargetSupport) do with the images of a build,
// which are taken to be of the package's platform:
//
//   - a field that is empty on either side matches anything, but pack wants the
//     operating system of a target;
//   - pack ignores variants, and lifecycle reads them from a member that pack
//     does not write, so a wrong one is doubtful;
//   - a package says at most the version of its distribution, in os.version, so
//     a wrong one is doubtful.
func (t Target) fit(p v1.Platform) fit {
	switch {
	case differ(t.OS, p.OS), differ(t.Arch, p.Architecture):
		return refused
	case t.OS == "" && p.OS != "", !t.fitsVariant(p), !t.fitsDistro(p):
		return doubtful
	}
	return fits
}

func differ(a, b string) bool { return a != "" && b != "" && a != b }

func (t Target) fitsVariant(p v1.Platform) bool {
	return t.Variant == "" || p.Variant == "" || index.SamePlatform(
		v1.Platform{OS: "linux", Architecture: p.Architecture, Variant: t.Variant},
		v1.Platform{OS: "linux", Architecture: p.Architecture, Variant: p.Variant})
}

func (t Target) fitsDistro(p v1.Platform) bool {
	return len(t.Distros) == 0 ||
		slices.ContainsFunc(t.Distros, func(d Distro) bool { return !differ(d.Version, p.OSVersion) })
}

// String is the target as people write it, "*" for what is left open.
func (t Target) String() string {
	s := orAny(t.OS) + "/" + orAny(t.Arch)
	if t.Variant != "" {
		s += "/" + t.Variant
	}
	var distros []string
	for _, d := range t.Distros {
		distros = append(distros, strings.TrimSpace(d.Name+" "+d.Version))
	}
	if len(distros) > 0 {
		s += " (" + enumerate(distros) + ")"
	}
	return printable(s)
}

func orAny(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

// limits returns the targets that a module is limited to, none where it is for
// all. A module without targets has none, except that lifecycle makes a target
// of the stack bionic, and only of it
// (https://github.com/buildpacks/lifecycle/blob/v0.21.17/buildpack/bp_descriptor.go).
func (m Module) limits() []Target {
	if len(m.Targets) > 0 {
		return m.Targets
	}
	bionic := false
	for _, s := range m.Stacks {
		switch s.ID {
		case "*":
			return nil
		case "io.buildpacks.stacks.bionic":
			bionic = len(m.Stacks) == 1 || m.atLeast("0.10")
		}
	}
	if !bionic {
		return nil
	}
	return []Target{{OS: "linux", Arch: "amd64", Distros: []Distro{{"ubuntu", "18.04"}}}}
}

// atLeast compares the module's API; one that is not known is old.
func (m Module) atLeast(version string) bool {
	v, err := api.NewVersion(m.API)
	return err == nil && v.AtLeast(version)
}

// fit is how well the best of the module's targets fits a platform.
func (m Module) fit(p v1.Platform) fit {
	limits := m.limits()
	best := refused
	for _, t := range limits {
		best = max(best, t.fit(p))
	}
	if len(limits) == 0 {
		return fits
	}
	return best
}

// targetsSupported finds packages for a platform that their buildpack, or one
// of its components, is not for.
func targetsSupported(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, s := range only(list, Kind.IsPackage) {
		if f, found := unsupported(s); found {
			findings = append(findings, f)
		}
	}
	return findings
}

// unsupported says all that is wrong with one package; one reason that has no
// limit takes the limit from all.
func unsupported(s *subject) (f index.Finding, found bool) {
	f = s.finding(index.TargetUnsupported, "")
	f.Limit = index.AtMostWarning
	var reasons []string
	for _, m := range judged(s) {
		fit := m.fit(s.target())
		if fit == fits {
			continue
		}
		if fit == refused && m.atLeast(enforcedAPI) {
			f.Limit = index.NoLimit
		}
		reasons = append(reasons, m.describeLimits())
	}
	f.Message = fmt.Sprintf("its targets do not have %s: %s", index.FormatPlatform(s.target()), enumerate(reasons))
	return f, len(reasons) > 0
}

func (m Module) describeLimits() string {
	var targets []string
	anyOS := ""
	for _, t := range m.limits() {
		targets = append(targets, t.String())
		if t.OS == "" {
			anyOS = ", and pack takes no target without an operating system"
		}
	}
	return fmt.Sprintf("%s is for %s%s", m.Ref, enumerate(targets), anyOS)
}

// judged returns the modules whose targets count: the main one, or all the
// components of a composite one.
func judged(s *subject) []Module {
	main, ok := s.main()
	switch {
	case !ok:
		return nil
	case main.IsComposite():
		return s.Modules
	}
	return []Module{main}
}

// targetsCovered finds targets that no image of the list is for. Every package
// names all targets of its buildpack.
func targetsCovered(list []*subject) []index.Finding {
	packages := only(list, Kind.IsPackage)
	var open []string
	seen := map[string]bool{}
	for _, s := range packages {
		main, _ := s.main()
		for _, t := range main.Targets {
			text := t.names()
			if t.OS != "" && t.Arch != "" && !seen[text] && !covered(packages, t) {
				open = append(open, text)
			}
			seen[text] = true
		}
	}
	if len(open) == 0 {
		return nil
	}
	return []index.Finding{{
		Rule: index.TargetUncovered, Values: open,
		Message: "the list has no image for what its buildpack names as targets: " + enumerate(open),
	}}
}

// names is the target without distributions.
func (t Target) names() string {
	t.Distros = nil
	return t.String()
}

// covered reports whether a package is for a target. While a platform is
// missing, the package may be.
func covered(packages []*subject, t Target) bool {
	return slices.ContainsFunc(packages, func(s *subject) bool {
		p := s.target()
		return !differ(t.OS, p.OS) && !differ(t.Arch, p.Architecture) && t.fitsVariant(p)
	})
}
