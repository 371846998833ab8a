package buildpackage

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Image is what the config of an image says about Cloud Native Buildpacks.
type Image struct {
	Kind Kind
	// Package and Modules are those of buildpacks and extensions.
	Package Metadata
	Modules []Module
	Builder Builder
	Base    Base
	App     App
	// Faults says which labels are missing or cannot be read, and why.
	Faults []Fault

	platform v1.Platform
	diffIDs  []v1.Hash
}

// Fault is a label that is missing or cannot be read.
type Fault struct {
	Label string
	Cause string
}

// String says it in a sentence.
func (f Fault) String() string { return fmt.Sprintf("the label %s %s", f.Label, f.Cause) }

// Builder is the label io.buildpacks.builder.metadata with the labels beside it
// (https://github.com/buildpacks/pack/blob/v0.40.7/internal/builder/metadata.go).
type Builder struct {
	Buildpacks []Ref `json:"buildpacks"`
	Extensions []Ref `json:"extensions"`
	Lifecycle  struct {
		Version string                 `json:"version"`
		APIs    map[string]APIVersions `json:"apis"` // "buildpack" and "platform"
	} `json:"lifecycle"`
	Order           []Group `json:"-"`
	OrderExtensions []Group `json:"-"`
}

// APIVersions is the versions of an API that a lifecycle speaks.
type APIVersions struct {
	Supported  []string `json:"supported"`
	Deprecated []string `json:"deprecated"`
}

// Base is the labels of base images, which builders and applications inherit
// (https://github.com/buildpacks/spec/blob/main/platform.md).
type Base struct {
	StackID string
	Distro  Distro
}

// App is the label io.buildpacks.lifecycle.metadata, as far as it names what an
// application was built by.
type App struct {
	Buildpacks []struct {
		ID      string `json:"key"`
		Version string `json:"version"`
	} `json:"buildpacks"`
	RunImage struct {
		Reference string `json:"reference"`
	} `json:"runImage"`
}

// ReadBuilder reads the label io.buildpacks.builder.metadata.
func ReadBuilder(label string) (Builder, error) {
	var b Builder
	if err := decode(label, &b); err != nil {
		return Builder{}, err
	}
	return b, nil
}

// ReadApp reads the label io.buildpacks.lifecycle.metadata of an application.
func ReadApp(label string) (App, error) {
	var a App
	if err := decode(label, &a); err != nil {
		return App{}, err
	}
	return a, nil
}

// Read reads the labels of an image. One without a config is of the kind
// Unknown.
func Read(m index.Manifest) Image {
	if m.Config == nil {
		return Image{}
	}
	labels := m.Config.Config.Labels
	img := Image{Kind: kindOf(labels), diffIDs: m.Config.RootFS.DiffIDs}
	if p := index.ConfigPlatform(m.Config); p != nil {
		img.platform = *p
	}
	img.Base = Base{labels[labelStackID], Distro{labels[labelDistroName], labels[labelDistroVersion]}}
	switch img.Kind {
	case Buildpack:
		img.readPackage(labels, labelLayers)
	case Extension:
		img.readPackage(labels, labelExtensionLayers)
	case BuilderImage:
		img.readBuilder(labels)
	case AppImage:
		img.readApp(labels)
	default: // no more labels that rules ask for
	}
	return img
}

func (img *Image) fault(label, format string, args ...any) {
	img.Faults = append(img.Faults, Fault{label, fmt.Sprintf(format, args...)})
}

// readPackage reads the two labels of a package, which pack needs both.
func (img *Image) readPackage(labels map[string]string, layers string) {
	var err error
	if labels[labelMetadata] == "" {
		img.fault(labelMetadata, "is missing")
	} else if img.Package, err = ReadMetadata(labels[labelMetadata]); err != nil {
		img.fault(labelMetadata, "cannot be read: %v", err)
	} else {
		img.checkNamed()
	}
	if labels[layers] == "" {
		img.fault(layers, "is missing")
	} else if img.Modules, err = ReadLayers(labels[layers]); err != nil {
		img.fault(layers, "cannot be read: %v", err)
	}
}

func (img *Image) checkNamed() {
	if img.Package.ID == "" {
		img.fault(labelMetadata, "has no id")
	}
	if img.Package.Version == "" {
		img.fault(labelMetadata, "has no version")
	}
}

func (img *Image) readBuilder(labels map[string]string) {
	var err error
	if img.Builder, err = ReadBuilder(labels[labelBuilder]); err != nil {
		img.fault(labelBuilder, "cannot be read: %v", err)
	}
	for _, order := range []struct {
		label string
		into  *[]Group
	}{{labelOrder, &img.Builder.Order}, {labelOrderExtensions, &img.Builder.OrderExtensions}} {
		if labels[order.label] == "" {
			continue
		}
		if *order.into, err = ReadOrder(labels[order.label]); err != nil {
			img.fault(order.label, "cannot be read: %v", err)
		}
	}
}

// readApp is content with what it finds: nobody needs these labels of a list.
func (img *Image) readApp(labels map[string]string) {
	if app, err := ReadApp(labels[labelLifecycle]); err == nil {
		img.App = app
	}
}

// main returns the module that the package is named after.
func (img *Image) main() (Module, bool) {
	for _, m := range img.Modules {
		if m.Ref == img.Package.Ref {
			return m, true
		}
	}
	return Module{}, false
}
