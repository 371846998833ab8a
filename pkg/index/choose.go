package index

import (
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Consumer is a program that takes one image of a list for a platform.
type Consumer string

// The consumers whose rules this package knows.
const (
	ConsumerDocker           Consumer = "docker"            // dockerd with its classic store
	ConsumerDockerContainerd Consumer = "docker-containerd" // dockerd with containerd's store
	ConsumerContainerd       Consumer = "containerd"        // ctr, nerdctl, Kubernetes
	ConsumerPodman           Consumer = "podman"            // and buildah, skopeo, CRI-O
	ConsumerPack             Consumer = "pack"              // pack, reading from a registry
	ConsumerPackDaemon       Consumer = "pack-daemon"       // pack, having a daemon pull
	ConsumerCrane            Consumer = "crane"             // and all else that is made with go-containerregistry
)

// Consumers returns all of them, in the order in which people meet them.
func Consumers() []Consumer {
	return []Consumer{
		ConsumerDocker, ConsumerDockerContainerd, ConsumerContainerd, ConsumerPodman, ConsumerPack, ConsumerPackDaemon, ConsumerCrane,
	}
}

// chooser returns the position of the entry that a consumer takes, -1 for none.
type chooser func(ix Index, want v1.Platform) int

// chooser returns the rule of a consumer; an unknown one takes nothing.
func (c Consumer) chooser() chooser {
	switch c {
	case ConsumerDocker:
		return chooseDocker
	case ConsumerDockerContainerd, ConsumerContainerd:
		return chooseContainerd
	case ConsumerPodman:
		return choosePodman
	case ConsumerPack:
		return choosePack
	case ConsumerPackDaemon:
		return choosePackDaemon
	case ConsumerCrane:
		return chooseCrane
	}
	return func(Index, v1.Platform) int { return -1 }
}

// Choose returns the entry that a consumer takes of the list when it is asked
// for a platform; ok is false where it finds none. For Windows, the version of
// the operating system in want is that of the host, and without one the host
// runs any version.
//
// Only the list is looked at. What consumers do after that is theirs: containerd
// and Docker compare the config of an entry that has no platform, and all of
// them look further into an entry that is a list.
func (ix Index) Choose(c Consumer, want v1.Platform) (e Entry, ok bool) {
	at := c.chooser()(ix, want)
	if at < 0 {
		return Entry{}, false
	}
	return ix.entries[at].clone(), true
}

// first returns the position of the first entry that fits, -1 for none.
func (ix Index) first(fits func(Entry) bool) int { return slices.IndexFunc(ix.entries, fits) }

// best returns the position of the first of the entries with the lowest rank,
// -1 where rank is not ok for any.
func (ix Index) best(rank func(Entry) (r int, ok bool)) int {
	best, lowest := -1, 0
	for i, e := range ix.entries {
		if r, ok := rank(e); ok && (best < 0 || r < lowest) {
			best, lowest = i, r
		}
	}
	return best
}

// chooseCrane is go-containerregistry v0.22.1, pkg/v1/remote/index.go,
// childByPlatform: the first entry whose names are the same, letter by letter.
// Variant, version and features count where they are asked for. An entry
// without platform is for linux/amd64.
func chooseCrane(ix Index, want v1.Platform) int {
	return ix.first(func(e Entry) bool {
		p := v1.Platform{OS: "linux", Architecture: "amd64"}
		if e.Platform != nil {
			p = *e.Platform
		}
		return p.OS == want.OS && p.Architecture == want.Architecture &&
			(want.OSVersion == "" || p.OSVersion == want.OSVersion) &&
			(want.Variant == "" || p.Variant == want.Variant) &&
			subset(want.OSFeatures, p.OSFeatures) && subset(want.Features, p.Features)
	})
}

// choosePack is pack v0.40.7, pkg/image/fetcher.go, fetchRemoteImage: what crane
// takes, but pack never asks for a version or for features.
func choosePack(ix Index, want v1.Platform) int {
	return chooseCrane(ix, v1.Platform{OS: want.OS, Architecture: want.Architecture, Variant: want.Variant})
}

// choosePackDaemon is pack v0.40.7, pkg/image/platform.go, platformsMatch: the
// first entry whose names are the same; a variant that either side leaves out
// fits any. Entries without platform are left out. pack asks for no version.
func choosePackDaemon(ix Index, want v1.Platform) int {
	return ix.first(func(e Entry) bool {
		p := e.Platform
		return p != nil && p.OS == want.OS && p.Architecture == want.Architecture &&
			(want.Variant == "" || p.Variant == "" || p.Variant == want.Variant)
	})
}

// zstdAnnotation marks an image whose layers are compressed with zstd
// (https://github.com/containers/image, internal/manifest/oci_index.go).
const zstdAnnotation = "io.github.containers.compression.zstd"

// choosePodman is containers/image v5, chooseInstance of oci_index.go and
// docker_schema2_list.go in internal/manifest: the names must be the same, and
// the nearest of podmanVariants wins; of equal ones an image with zstd, then the
// first. In an OCI index an entry without platform is taken where there is no
// other.
func choosePodman(ix Index, want v1.Platform) int {
	want = podmanNormal(want)
	variants := podmanVariants(want.Architecture, want.Variant)
	return ix.best(func(e Entry) (int, bool) {
		rank := len(variants)
		switch p := e.Platform; {
		case p == nil:
			if ix.format == V2S2 {
				return 0, false
			}
		case p.OS != want.OS || p.Architecture != want.Architecture:
			return 0, false
		default:
			if rank = slices.Index(variants, p.Variant); rank < 0 {
				return 0, false
			}
		}
		if ix.format == OCI && e.Annotations[zstdAnnotation] == "true" {
			return 2 * rank, true
		}
		return 2*rank + 1, true
	})
}

// podmanNormal is what podman makes of --platform (containers/common, libimage,
// NormalizePlatform): containerd's names, but v8 of arm64 stays where it was
// asked for.
func podmanNormal(p v1.Platform) v1.Platform {
	normal := containerdNormal(p)
	if normal.Architecture == "arm64" && normal.Variant == "" && p.Variant != "" {
		normal.Variant = "v8"
	}
	return normal
}

// podmanVariants returns the variants that run where one is wanted, the nearest
// first (containers/image v5, internal/pkg/platform/platform_matcher.go,
// WantedPlatforms).
func podmanVariants(arch, variant string) []string {
	arm := []string{"v8", "v7", "v6", "v5"}
	switch at := slices.Index(arm, variant); {
	case arch == "arm64" && variant == "":
		return []string{"", "v8"}
	case variant == "":
		return []string{""}
	case arch == "arm" && at >= 0:
		return append(arm[at:], "")
	}
	return []string{variant, ""}
}

// subset reports whether all of some are in all.
func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}
