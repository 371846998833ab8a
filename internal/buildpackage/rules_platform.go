package buildpackage

import (
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// likelyOS finds buildpacks, extensions and builders for operating systems that
// no lifecycle runs on.
func likelyOS(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, s := range only(list, Kind.IsCNB) {
		switch os := s.target().OS; os {
		case "", "linux", "windows", "freebsd":
		default:
			if index.IsKnownOS(os) {
				findings = append(findings, s.finding(index.PlatformUnlikely,
					"%s for %s can run nowhere: lifecycle is for linux, windows and freebsd", s.Kind.describe(), os))
			}
		}
	}
	return findings
}

// windowsVersion finds images for Windows without a version. Nothing of a
// package is run as a container, and pack gives its files no version.
func windowsVersion(list []*subject) []index.Finding {
	var findings []index.Finding
	for _, s := range list {
		if p := s.target(); p.OS != "windows" || p.OSVersion != "" {
			continue
		}
		f := s.finding(index.WindowsOSVersion, "%s for windows has no os.version, so a host cannot tell whether it can run it", s.Kind.describe())
		if s.Kind.IsPackage() {
			f.Limit = index.AtMostNote
		}
		findings = append(findings, f)
	}
	return findings
}

// linuxAMD64 finds lists of packages without one for linux/amd64. While a
// platform is missing somewhere, that one may be it.
func linuxAMD64(list []*subject) []index.Finding {
	packages := only(list, Kind.IsPackage)
	if len(packages) == 0 || len(packages) < len(list) {
		return nil
	}
	for _, s := range packages {
		p := s.target()
		if p.OS == "" || p.Architecture == "" || p.OS == "linux" && p.Architecture == "amd64" {
			return nil
		}
	}
	return []index.Finding{{
		Rule: index.NoLinuxAMD64, Values: []string{"linux/amd64"},
		Message: "the list has no package for linux/amd64, which is the one that the buildpack registry verifies",
	}}
}
