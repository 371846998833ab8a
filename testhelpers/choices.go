package testhelpers

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ChoiceCase is a list, a platform that is wanted of it, and which entry each
// consumer takes.
type ChoiceCase struct {
	// List has a platform for each entry: "-" for one without platform,
	// "attestation" for one of the entry before or, at the front, behind it.
	List []string
	Want string // OS/ARCH[/VARIANT][:OSVERSION]
	// The positions that consumers take, -1 for none. Docker and Containerd are
	// those of the operating system that is wanted.
	Docker, Containerd, Podman, Pack, PackDaemon, Crane int
}

// Name is the case in one line.
func (c ChoiceCase) Name() string { return strings.Join(c.List, ",") + " for " + c.Want }

// Wanted is the platform that is wanted.
func (c ChoiceCase) Wanted() v1.Platform { return platformOf(c.Want) }

// platformOf reads a platform as it stands: no name is normalised.
func platformOf(text string) v1.Platform {
	text, version, _ := strings.Cut(text, ":")
	parts := append(strings.Split(text, "/"), "")
	return v1.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2], OSVersion: version}
}

// Index makes the list of the case of images that differ from each other.
func (c ChoiceCase) Index(tb testing.TB) v1.ImageIndex {
	tb.Helper()
	ix := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, text := range c.List {
		img, descriptor := Buildpackage(tb, PackageSpec{OCI: true, Seed: uint64(i) + 1}), v1.Descriptor{}
		switch text {
		case "-":
		case "attestation":
			digest, err := img.Digest()
			if err != nil {
				tb.Fatalf("hash an image: %v", err)
			}
			descriptor.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
			descriptor.Annotations = map[string]string{
				"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest.String(),
			}
			img = Attestation(tb, digest)
		default:
			p := platformOf(text)
			descriptor.Platform = &p
			img = Buildpackage(tb, PackageSpec{Platform: p, OCI: true, Seed: uint64(i) + 1})
		}
		ix = mutate.AppendManifests(ix, mutate.IndexAddendum{Add: img, Descriptor: descriptor})
	}
	return ix
}

// ChoiceCases are lists that consumers disagree about, and some that they do
// not.
func ChoiceCases() []ChoiceCase {
	of := func(list, want string, docker, containerd, podman, pack, packDaemon, crane int) ChoiceCase {
		return ChoiceCase{strings.Fields(list), want, docker, containerd, podman, pack, packDaemon, crane}
	}
	return []ChoiceCase{
		of("linux/amd64 linux/arm64", "linux/amd64", 0, 0, 0, 0, 0, 0),
		of("linux/amd64 linux/arm64", "linux/arm64", 1, 1, 1, 1, 1, 1),
		of("linux/amd64 linux/arm64", "linux/s390x", -1, -1, -1, -1, -1, -1),
		of("linux/amd64", "linux/arm64", -1, -1, -1, -1, -1, -1),
		of("linux/riscv64", "linux/riscv64", 0, 0, 0, 0, 0, 0),
		of("darwin/arm64 linux/arm64", "linux/arm64", 1, 1, 1, 1, 1, 1),
		of("linux/amd64 linux/arm64 linux/amd64", "linux/amd64", 0, 0, 0, 0, 0, 0),
		of("linux/x86_64", "linux/amd64", 0, 0, -1, -1, -1, -1),
		// arm64: no variant is v8, and what is for 32 bits runs, too.
		of("linux/amd64 linux/arm64/v8", "linux/arm64", 1, 1, 1, 1, 1, 1),
		of("linux/amd64 linux/arm64", "linux/arm64/v8", 1, 1, 1, -1, 1, -1),
		of("linux/arm64/v9 linux/arm64", "linux/arm64", 1, 1, 1, 0, 0, 0),
		of("linux/arm64 linux/arm64/v9", "linux/arm64/v9", 1, 1, 1, 1, 0, 1),
		of("linux/arm64", "linux/arm64/v9", 0, 0, 0, -1, 0, -1),
		of("linux/arm64/v8.2", "linux/arm64/v8", -1, -1, -1, -1, -1, -1),
		of("linux/arm64/v8.2", "linux/arm64/v8.5", 0, 0, -1, -1, -1, -1),
		of("linux/arm/v7", "linux/arm64", 0, 0, -1, -1, -1, -1),
		of("linux/arm/v7 linux/arm/v8", "linux/arm64", 1, 1, -1, -1, -1, -1),
		of("linux/arm/v7 linux/arm64", "linux/arm64", 1, 1, 1, 1, 1, 1),
		// arm: no variant is v7, and lower variants run.
		of("linux/arm/v6 linux/arm/v7", "linux/arm/v7", 1, 1, 1, 1, 1, 1),
		of("linux/arm/v6 linux/arm/v7", "linux/arm", 1, 1, 1, 0, 0, 0),
		of("linux/arm/v7", "linux/arm/v6", -1, -1, -1, -1, -1, -1),
		of("linux/arm/v5 linux/arm/v6", "linux/arm/v7", 1, 1, 1, -1, -1, -1),
		of("linux/arm/v6 linux/arm/v7", "linux/arm/v8", 1, 1, 1, -1, -1, -1),
		of("linux/arm", "linux/arm/v7", 0, 0, 0, -1, 0, -1),
		of("linux/arm", "linux/arm/v6", -1, -1, 0, -1, 0, -1),
		of("linux/arm linux/arm/v7", "linux/arm/v7", 0, 0, 1, 1, 0, 1),
		of("linux/arm linux/arm/v7", "linux/arm", 0, 0, 1, 0, 0, 0),
		// amd64: no variant is v1, lower variants run, and so does 386.
		of("linux/386", "linux/amd64", 0, 0, -1, -1, -1, -1),
		of("linux/386 linux/amd64", "linux/amd64", 1, 1, 1, 1, 1, 1),
		of("linux/amd64 linux/amd64/v3", "linux/amd64", 0, 0, 0, 0, 0, 0),
		of("linux/amd64/v3 linux/amd64", "linux/amd64", 1, 1, 1, 0, 0, 0),
		of("linux/amd64 linux/amd64/v2", "linux/amd64/v2", 1, 1, 1, 1, 0, 1),
		of("linux/amd64 linux/amd64/v2", "linux/amd64/v3", 1, 1, 0, -1, 0, -1),
		of("linux/amd64/v1", "linux/amd64", 0, 0, -1, 0, 0, 0),
		// Versions of a distribution: only crane looks at them.
		of("linux/amd64:22.04 linux/amd64:24.04", "linux/amd64", 0, 0, 0, 0, 0, 0),
		of("linux/amd64:22.04 linux/amd64:24.04", "linux/amd64:24.04", 0, 0, 0, 0, 0, 1),
		of("linux/amd64", "linux/amd64:24.04", 0, 0, 0, 0, 0, -1),
		// Attestations, and entries without platform.
		of("linux/amd64 attestation linux/arm64", "linux/arm64", 2, 2, 2, 2, 2, 2),
		of("attestation linux/amd64", "linux/amd64", 1, 1, 1, 1, 1, 1),
		of("- linux/amd64", "linux/amd64", 1, 1, 1, 0, 1, 0),
		of("-", "linux/amd64", 0, 0, 0, 0, -1, 0),
		of("-", "linux/arm64", 0, 0, 0, -1, -1, -1),
		// Windows: a build, a range of builds, or nothing.
		of("windows/amd64:10.0.20348.1", "windows/amd64", 0, 0, 0, 0, 0, 0),
		of("windows/amd64:10.0.17763.1 windows/amd64:10.0.20348.1", "windows/amd64:10.0.17763.1", 0, 0, 0, 0, 0, 0),
		of("windows/amd64:10.0.17763.1 windows/amd64:10.0.20348.1", "windows/amd64:10.0.20348.1", 1, 1, 0, 0, 0, 1),
		of("windows/amd64:10.0.17763.1 windows/amd64:10.0.20348.1", "windows/amd64:10.0.20348.9", 1, 1, 0, 0, 0, -1),
		of("windows/amd64:10.0.17763.1 windows/amd64:10.0.20348.1", "windows/amd64:10.0.26100.1", 0, 1, 0, 0, 0, -1),
		of("windows/amd64:10.0.26100.1", "windows/amd64:10.0.20348.1", -1, -1, 0, 0, 0, -1),
		of("windows/amd64 windows/amd64:10.0.20348.1", "windows/amd64:10.0.20348.1", 1, 0, 0, 0, 0, 1),
		of("linux/amd64 windows/amd64:10.0.20348.1", "windows/arm64", -1, -1, -1, -1, -1, -1),
	}
}
