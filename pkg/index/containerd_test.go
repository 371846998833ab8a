package index_test

import (
	"reflect"
	"testing"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// SamePlatform is what containerd takes for the same, over all pairs of these.
// The names that only we know (ppc64el, arm64v8 and others) are left out.
func TestSamePlatformIsContainerds(t *testing.T) {
	t.Parallel()
	var all []v1.Platform
	for _, arch := range []string{"amd64", "x86_64", "X86-64", "386", "i386", "arm64", "aarch64", "arm", "armhf", "armel", "riscv64", "odd"} {
		for _, variant := range []string{"", "v1", "V2", "5", "v6", "6", "v7", "7", "8", "v8", "V8.0", "9", "v9", "9.0", "v9.0", "v10"} {
			all = append(all, v1.Platform{OS: "linux", Architecture: arch, Variant: variant})
		}
	}
	all = append(all,
		v1.Platform{OS: "Linux", Architecture: "amd64"},
		v1.Platform{OS: "darwin", Architecture: "arm64"},
		v1.Platform{OS: "macOS", Architecture: "arm64"},
		v1.Platform{OS: "windows", Architecture: "amd64"},
		v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763.1"},
		v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.20348.1"},
		v1.Platform{OS: "windows", Architecture: "amd64", OSFeatures: []string{"b", "a"}},
		v1.Platform{OS: "windows", Architecture: "amd64", OSFeatures: []string{"a", "b", "a"}},
		v1.Platform{OS: "windows", Architecture: "amd64", OSFeatures: []string{"a"}},
		v1.Platform{OS: "windows", Architecture: "amd64", OSFeatures: []string{}},
	)
	same := 0
	for _, a := range all {
		for _, b := range all {
			want := reflect.DeepEqual(containerds(a), containerds(b))
			if want {
				same++
			}
			if got := index.SamePlatform(a, b); got != want {
				t.Errorf("%+v and %+v are the same: %t, to containerd %t", a, b, got, want)
			}
		}
	}
	if same <= len(all) {
		t.Errorf("only %d of %d pairs are the same, so the table is no test", same, len(all)*len(all))
	}
}

func containerds(p v1.Platform) platforms.Platform {
	normal := platforms.Normalize(platforms.Platform{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures,
	})
	if len(normal.OSFeatures) == 0 {
		normal.OSFeatures = nil
	}
	return normal
}

// What we normalise, containerd reads as the same platform.
func TestNormalizePlatformKeepsItsMeaning(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{
		"linux/x86_64", "linux/aarch64", "linux/arm64/8", "linux/arm64/9", "linux/arm64/9.0", "linux/arm/5", "linux/arm/6", "linux/arm/7",
		"linux/arm/8", "linux/arm", "linux/armhf", "linux/armel", "linux/i386", "macos/arm64", "Linux/AMD64/V2", "linux/amd64/1", "linux/riscv64/8",
	} {
		p, err := index.ParsePlatform(typed)
		if err != nil {
			t.Errorf("%q: %v", typed, err)
			continue
		}
		theirs, err := platforms.Parse(typed)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(containerds(p), platforms.Normalize(theirs)) {
			t.Errorf("%q is %+v, to containerd %+v", typed, p, theirs)
		}
	}
}
