package index

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// KnownName is a name that platforms are made of.
type KnownName struct {
	Name string
	// Aliases are the other names that [ParsePlatform] understands, each with
	// what it means: "x86_64" with amd64, "armel" with arm and v6.
	Aliases []KnownAlias
	// Variants are those that are known, for an architecture; Default is the one
	// that consumers take for granted where none is given, "" for none.
	Variants []string
	Default  string
	// With are the architectures of an operating system, or the operating
	// systems of an architecture, that programs are made for.
	With []string
}

// KnownAlias is another name of an architecture or operating system; Variant is
// what it says of the variant, "" for nothing.
type KnownAlias struct{ Name, Variant string }

// OperatingSystems returns the operating systems that are known, in
// alphabetical order.
func OperatingSystems() []KnownName {
	var known []KnownName
	for _, name := range knownOS() {
		n := KnownName{Name: name}
		if name == "darwin" {
			n.Aliases = []KnownAlias{{Name: "macos"}}
		}
		for _, pair := range goPairs() {
			if arch, ok := strings.CutPrefix(pair, name+"/"); ok {
				n.With = append(n.With, arch)
			}
		}
		known = append(known, n)
	}
	return known
}

// Architectures returns the architectures that are known, in Go's order.
func Architectures() []KnownName {
	var known []KnownName
	for _, name := range knownArch() {
		n := KnownName{Name: name}
		n.Variants, n.Default = variantsOf(name)
		for _, alias := range aliases() {
			if arch, variant := archAlias(alias); arch == name {
				n.Aliases = append(n.Aliases, KnownAlias{alias, variant})
			}
		}
		for _, pair := range goPairs() {
			if os, ok := strings.CutSuffix(pair, "/"+name); ok {
				n.With = append(n.With, os)
			}
		}
		known = append(known, n)
	}
	return known
}

// Likely reports whether programs are made for a platform, as far as is known.
func Likely(p v1.Platform) bool {
	return slices.Contains(goPairs(), p.OS+"/"+p.Architecture)
}

// aliases are the names that archAlias knows.
func aliases() []string {
	return []string{
		"x86_64", "x86-64", "x64", "i386", "i486", "i586", "i686", "x86", "aarch64", "arm64v8", "arm32v5",
		"arm32v6", "arm32v7", "armhf", "armel", "ppc64el", "mipsel", "mips64el",
	}
}

// variantsOf returns the variants of an architecture that are written down
// (see knownVariants), and the one that consumers take for granted.
func variantsOf(arch string) (variants []string, implied string) {
	switch arch {
	case "arm":
		return []string{
			"v5", "v6", "v7", "v8",
		}, "v7"
	case "arm64":
		return []string{
			"v8", "v8.1", "v8.2", "v8.3", "v8.4", "v8.5", "v8.6", "v8.7", "v8.8", "v8.9", "v9", "v9.1", "v9.2", "v9.3",
			"v9.4", "v9.5", "v9.6", "v9.7",
		}, "v8"
	case "amd64":
		return []string{
			"v1", "v2", "v3", "v4",
		}, "v1"
	case "ppc64", "ppc64le":
		return []string{
			"power8", "power9", "power10",
		}, ""
	case "riscv64":
		return []string{
			"rva20u64", "rva22u64", "rva23u64",
		}, ""
	}
	return nil, ""
}
