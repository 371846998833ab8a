package index

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// chooseContainerd is containerd v2, core/images (FilterPlatforms and
// LimitManifests), with Only of github.com/containerd/platforms v1.0.0-rc.5:
// the nearest of the platforms that run where one is wanted; of equal ones that
// with the most features, then the first. An entry without platform is taken
// where there is no other.
func chooseContainerd(ix Index, want v1.Platform) int {
	host := containerdNormal(want)
	runs := containerdRuns(host)
	return ix.best(func(e Entry) (int, bool) {
		if e.Platform == nil {
			return len(runs) * rankStep, true
		}
		level := slices.IndexFunc(runs, func(r names) bool { return containerdFits(host, r, *e.Platform) })
		return level*rankStep - len(e.Platform.OSFeatures), level >= 0
	})
}

// rankStep is more than the features of any entry that fits.
const rankStep = 1 << 20

// chooseDocker is moby v28, distribution/pull_v2_unix.go and pull_v2_windows.go,
// filterManifests. On Linux it is what containerd does; a platform without
// anything in it is none. On Windows the build of an entry must not be newer
// than the host's, and those of the host's own build come first.
//
// dockerd 20.10 was stricter: it takes no lower variant but for arm, where the
// first entry of any variant will do, and no entry without platform. Both ended
// with version 23 (https://github.com/moby/moby/pull/43434,
// https://github.com/moby/moby/pull/44414).
func chooseDocker(ix Index, want v1.Platform) int {
	if want = containerdNormal(want); want.OS == "windows" {
		return chooseDockerWindows(ix, want)
	}
	entries := slices.Clone(ix.entries)
	for i, e := range entries {
		if e.Platform != nil && saysNothing(*e.Platform) {
			entries[i].Platform = nil
		}
	}
	ix.entries = entries
	return chooseContainerd(ix, want)
}

func saysNothing(p v1.Platform) bool {
	return p.OS == "" && p.Architecture == "" && p.Variant == "" && p.OSVersion == "" && p.OSFeatures == nil && p.Features == nil
}

func chooseDockerWindows(ix Index, host v1.Platform) int {
	own := strings.Join(firstParts(host.OSVersion), ".") + "."
	return ix.best(func(e Entry) (int, bool) {
		p := e.Platform
		if p == nil || !strings.EqualFold(p.OS, "windows") || p.Architecture != host.Architecture {
			return 0, false
		}
		if parts := firstParts(p.OSVersion); host.OSVersion != "" && len(parts) == 3 {
			build, err := strconv.ParseUint(parts[2], 10, 64)
			if err == nil && build > windowsBuild(host.OSVersion).build {
				return 0, false
			}
		}
		if host.OSVersion != "" && strings.HasPrefix(p.OSVersion, own) {
			return 0, true
		}
		return 1, true
	})
}

// firstParts returns the first three of the parts that dots separate.
func firstParts(version string) []string {
	parts := strings.Split(version, ".")
	return parts[:min(3, len(parts))]
}

// names is a platform without version and features.
type names struct{ os, arch, variant string }

// containerdNormal is Normalize of containerd/platforms: unlike
// [NormalizePlatform] it knows only the names that containerd knows, and has no
// variant where containerd takes it for granted. No operating system is the
// consumer's own, and so stays.
func containerdNormal(p v1.Platform) v1.Platform {
	p.OS = strings.ToLower(p.OS)
	if p.OS == "macos" {
		p.OS = "darwin"
	}
	p.Architecture, p.Variant = containerdArch(strings.ToLower(p.Architecture), strings.ToLower(p.Variant))
	return p
}

func containerdArch(arch, variant string) (string, string) {
	switch arch {
	case "i386":
		return "386", ""
	case "armhf":
		return "arm", "v7"
	case "armel":
		return "arm", "v6"
	case "x86_64", "x86-64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	}
	switch arch + "/" + variant {
	case "amd64/v1", "arm64/8", "arm64/v8", "arm64/v8.0":
		variant = ""
	case "arm64/9", "arm64/9.0", "arm64/v9.0":
		variant = "v9"
	case "arm/", "arm/7":
		variant = "v7"
	case "arm/5", "arm/6", "arm/8":
		variant = "v" + variant
	}
	return arch, variant
}

// containerdRuns returns what runs on a host, the nearest first, in
// containerd's normal form (platformVector of compare.go).
func containerdRuns(host v1.Platform) []names {
	self := names{host.OS, host.Architecture, host.Variant}
	switch host.Architecture {
	case "amd64":
		runs := append([]names{self}, below(self, 1)...)
		return append(runs, names{host.OS, "386", ""})
	case "arm":
		return append([]names{self}, below(self, 5)...)
	case "arm64":
		return arm64Runs(self)
	}
	return []names{self}
}

// below returns the versions of an architecture below that of n, down to the
// lowest.
func below(n names, lowest int) []names {
	version, err := strconv.Atoi(strings.TrimPrefix(n.variant, "v"))
	if err != nil {
		return nil
	}
	var lower []names
	// No version has more digits than one; a variant that someone made up may.
	for version = min(version, 10) - 1; version >= lowest; version-- {
		_, variant := containerdArch(n.arch, "v"+strconv.Itoa(version))
		lower = append(lower, names{n.os, n.arch, variant})
	}
	return lower
}

// arm64Runs: v9.x runs what is for v9.0 to v9.x and for v8.0 to v8.(x+5), and
// all of them what is for arm up to v8. An unknown variant runs nothing.
func arm64Runs(self names) []names {
	major, minor, known := arm64Version(self.variant)
	if !known {
		return nil
	}
	var runs []names
	add := func(major, minor int) {
		for ; minor >= 0; minor-- {
			_, variant := containerdArch("arm64", fmt.Sprintf("v%d.%d", major, minor))
			runs = append(runs, names{self.os, "arm64", variant})
		}
	}
	if major == 9 {
		add(9, minor)
		minor = min(minor+5, 9)
	}
	add(8, minor)
	arm := names{self.os, "arm", "v8"}
	return append(append(runs, arm), below(arm, 5)...)
}

// arm64Version reads v8, v8.0 to v8.9, v9 and v9.0 to v9.7; nothing is v8.
func arm64Version(variant string) (major, minor int, known bool) {
	if variant == "" {
		return 8, 0, true
	}
	version, after, dotted := strings.Cut(variant, ".")
	if dotted && (len(after) != 1 || after < "0" || after > "9") {
		return 0, 0, false
	}
	if dotted {
		minor = int(after[0] - '0')
	}
	switch {
	case version == "v8":
		return 8, minor, true
	case version == "v9" && minor <= 7:
		return 9, minor, true
	}
	return 0, 0, false
}

// containerdFits is Match of NewMatcher: the names are the same, a version of
// Windows runs on the host's, and the host has all features. win32k is no
// feature on Windows.
func containerdFits(host v1.Platform, runs names, p v1.Platform) bool {
	normal := containerdNormal(p)
	if normal.OS == "" {
		normal.OS = host.OS
	}
	if (names{normal.OS, normal.Architecture, normal.Variant}) != runs {
		return false
	}
	features := slices.Clone(p.OSFeatures)
	if runs.os == "windows" {
		if !windowsRuns(host.OSVersion, p.OSVersion) {
			return false
		}
		features = slices.DeleteFunc(features, func(f string) bool { return f == "win32k" })
	}
	return subset(features, host.OSFeatures)
}

// windowsVersion is the part of a version of Windows that decides what runs.
type windowsVersion struct{ major, minor, build uint64 }

// windowsBuild reads 10.0.20348 or 10.0.20348.2227; what it cannot read is zero.
func windowsBuild(version string) windowsVersion {
	parts := firstParts(version)
	if len(parts) < 3 {
		return windowsVersion{}
	}
	var numbers [3]uint64
	for i, bits := range []int{8, 8, 16} {
		n, err := strconv.ParseUint(parts[i], 10, bits)
		if err != nil {
			return windowsVersion{}
		}
		numbers[i] = n
	}
	return windowsVersion{numbers[0], numbers[1], numbers[2]}
}

// ltsc2022 is the build from which on Windows runs containers of older builds,
// back to this one
// (https://learn.microsoft.com/en-us/virtualization/windowscontainers/deploy-containers/version-compatibility).
const ltsc2022 = 20348

// windowsRuns is Match of windowsVersionMatcher in platform_windows_compat.go.
// A version that is not given or not readable on the host's side, or not given
// on the image's, fits.
func windowsRuns(host, image string) bool {
	h, i := windowsBuild(host), windowsBuild(image)
	if h == (windowsVersion{}) || image == "" {
		return true
	}
	if h.major != i.major || h.minor != i.minor {
		return false
	}
	return h.build == i.build || h.build >= ltsc2022 && ltsc2022 <= i.build && i.build <= h.build
}
