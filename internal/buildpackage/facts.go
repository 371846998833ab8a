package buildpackage

import "github.com/buildpacks-community/pack-manifest/pkg/index"

// Facts is what an image is, for results and for people. ID and Version are
// those of buildpacks and extensions.
type Facts struct {
	Kind     Kind
	ID       string
	Version  string
	Name     string
	Homepage string
}

// Describe returns the facts of an image, as far as its labels can be read.
func Describe(m index.Manifest) Facts {
	img := Read(m)
	return Facts{img.Kind, img.Package.ID, img.Package.Version, img.Package.Name, img.Package.Homepage}
}

// DescribeAll returns the facts that all images of a list have in common;
// fields in which they differ are empty. Attestations, nested lists and images
// without a config do not count.
func DescribeAll(manifests []index.Manifest) Facts {
	var common Facts
	for _, m := range manifests {
		facts := Describe(m)
		switch {
		case facts.Kind == Unknown || m.IsAttestation():
		case common.Kind == Unknown:
			common = facts
		case common.Kind != facts.Kind:
			return Facts{}
		default:
			common = common.and(facts)
		}
	}
	return common
}

func (f Facts) and(other Facts) Facts {
	keep := func(a, b string) string {
		if a == b {
			return a
		}
		return ""
	}
	return Facts{
		f.Kind, keep(f.ID, other.ID), keep(f.Version, other.Version), keep(f.Name, other.Name), keep(f.Homepage, other.Homepage),
	}
}
