package buildpackage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/buildpacks/lifecycle/api"
)

// Ref names a buildpack or extension.
type Ref struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

// String returns ID@VERSION, which is harmless in a message.
func (r Ref) String() string { return printable(r.ID + "@" + r.Version) }

// Metadata is the label io.buildpacks.buildpackage.metadata: what a package is
// named after (https://github.com/buildpacks/spec/blob/main/distribution.md#labels).
type Metadata struct {
	Ref
	Name        string  `json:"name"`
	Description string  `json:"description"`
	Homepage    string  `json:"homepage"`
	Stacks      []Stack `json:"stacks"`
}

// Stack is a stack that a buildpack supports; the ID "*" means all.
type Stack struct {
	ID     string   `json:"id"`
	Mixins []string `json:"mixins"`
}

// Target is a platform that a buildpack supports. A field that is empty means
// any (https://github.com/buildpacks/spec/blob/main/buildpack.md#targets-1).
type Target struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	// Variant is what pack writes as "variant" and lifecycle as "arch-variant".
	Variant string   `json:"variant"`
	Distros []Distro `json:"distros"`
}

// Distro is a distribution that a target is limited to.
type Distro struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Group is buildpacks that are tried together.
type Group struct {
	Members []Member `json:"group"`
}

// Member is a buildpack of a group.
type Member struct {
	Ref
	Optional bool `json:"optional"`
}

// Module is one buildpack or extension of a package.
type Module struct {
	Ref
	API     string
	Stacks  []Stack
	Targets []Target
	// Order makes a module a composite buildpack.
	Order  []Group
	DiffID string // of the layer that has it; modules may share one
}

// IsComposite reports whether the module only says which others to try.
func (m Module) IsComposite() bool { return len(m.Order) > 0 }

// ReadMetadata reads the label io.buildpacks.buildpackage.metadata.
func ReadMetadata(label string) (Metadata, error) {
	var m Metadata
	if err := decode(label, &m); err != nil {
		return Metadata{}, err
	}
	return m, nil
}

// moduleLabel is a module as the label of the layers has it
// (https://github.com/buildpacks/pack/blob/v0.40.7/pkg/dist/dist.go).
type moduleLabel struct {
	API     string        `json:"api"`
	Stacks  []Stack       `json:"stacks"`
	Targets []targetLabel `json:"targets"`
	Order   []Group       `json:"order"`
	DiffID  string        `json:"layerDiffID"`
}

type targetLabel struct {
	Target
	ArchVariant string `json:"arch-variant"`
}

// ReadLayers reads the label io.buildpacks.buildpack.layers or
// io.buildpacks.extension.layers: the modules of a package, sorted by id and
// version. An API that is no version is an error, as it is for pack.
func ReadLayers(label string) ([]Module, error) {
	var layers map[string]map[string]moduleLabel
	if err := decode(label, &layers); err != nil {
		return nil, err
	}
	var modules []Module
	for id, versions := range layers {
		for version, l := range versions {
			modules = append(modules, l.module(Ref{id, version}))
		}
	}
	slices.SortFunc(modules, func(a, b Module) int { return compareRefs(a.Ref, b.Ref) })
	for _, m := range modules {
		if _, err := api.NewVersion(m.API); m.API != "" && err != nil {
			return nil, fmt.Errorf("the api %s of %s is no version", quoted(m.API), m.Ref)
		}
	}
	return modules, nil
}

func (l moduleLabel) module(ref Ref) Module {
	m := Module{Ref: ref, API: l.API, Stacks: l.Stacks, Order: l.Order, DiffID: l.DiffID}
	for _, t := range l.Targets {
		t.Variant = cmp.Or(t.Variant, t.ArchVariant)
		m.Targets = append(m.Targets, t.Target)
	}
	return m
}

func compareRefs(a, b Ref) int {
	return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Version, b.Version))
}

// ReadOrder reads the labels io.buildpacks.buildpack.order and
// io.buildpacks.buildpack.order-extensions of a builder.
func ReadOrder(label string) ([]Group, error) {
	var order []Group
	if err := decode(label, &order); err != nil {
		return nil, err
	}
	return order, nil
}

// describeOrder is an order in one line: groups with "|" between them, their
// members with commas.
func describeOrder(order []Group) string {
	var groups []string
	for _, g := range order {
		var members []string
		for _, m := range g.Members {
			text := m.ID + "@" + m.Version
			if m.Optional {
				text += "?"
			}
			members = append(members, text)
		}
		groups = append(groups, strings.Join(members, ","))
	}
	return strings.Join(groups, " | ")
}
