package buildpackage

import "strings"

// Kind is what an image is to those who use it.
type Kind uint8

// The kinds. Unknown is an image of which no config is known.
const (
	Unknown Kind = iota
	Buildpack
	Extension
	BuilderImage
	AppImage
	BaseImage
	Lifecycle
	Plain
)

// String returns the name that results for machines have.
func (k Kind) String() string {
	return [...]string{"unknown", "buildpack", "extension", "builder", "app", "base", "lifecycle", "plain"}[min(k, Plain)]
}

// describe is the kind in a sentence.
func (k Kind) describe() string {
	return [...]string{
		"unknown", "a buildpack", "an extension", "a builder", "an application image", "a base image", "a lifecycle image",
		"an image without labels of Cloud Native Buildpacks",
	}[min(k, Plain)]
}

// IsPackage reports whether images of the kind are taken apart by pack.
func (k Kind) IsPackage() bool { return k == Buildpack || k == Extension }

// IsCNB reports whether images of the kind are used by pack alone.
func (k Kind) IsCNB() bool { return k.IsPackage() || k == BuilderImage }

// kindOf tells the kind of an image by its labels. A label that is empty counts
// as missing, as it does for pack. The image of the lifecycle has builder
// metadata, too, for old versions of pack, but it has no order and no
// buildpacks (https://github.com/buildpacks/lifecycle/blob/v0.21.17/tools/image/main.go).
func kindOf(labels map[string]string) Kind {
	has := func(names ...string) bool {
		for _, name := range names {
			if labels[name] != "" {
				return true
			}
		}
		return false
	}
	switch {
	case has(labelLifecycleAPIs, labelLifecycleNumber) && !has(labelOrder, labelLayers):
		return Lifecycle
	case has(labelBuilder):
		return BuilderImage
	case has(labelExtensionLayers):
		return Extension
	case has(labelMetadata, labelLayers):
		return Buildpack
	case has(labelLifecycle, labelBuild):
		return AppImage
	case has(labelStackID) || hasPrefix(labels, prefixBase):
		return BaseImage
	}
	return Plain
}

func hasPrefix(labels map[string]string, prefix string) bool {
	for name := range labels {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
