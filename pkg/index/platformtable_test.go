package index_test

import (
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// All that the tables show is understood, means what they say, and is nothing
// that the rules warn of.
func TestPlatformTables(t *testing.T) {
	t.Parallel()
	aliases := 0
	for _, arch := range index.Architectures() {
		if _, err := index.ParsePlatform("linux/" + arch.Name); err != nil {
			t.Error(err)
		}
		for _, a := range arch.Aliases {
			aliases++
			p, err := index.ParsePlatform("linux/" + a.Name)
			if err != nil || p.Architecture != arch.Name || p.Variant != a.Variant {
				t.Errorf("%s is %+v, %v; the table says %s/%s", a.Name, p, err, arch.Name, a.Variant)
			}
		}
		for _, variant := range arch.Variants {
			known := list(t, index.OCI, image(1, index.OCI, "linux/"+arch.Name+"/"+variant))
			if found := known.Check(index.KnownVariants); len(found) > 0 {
				t.Errorf("%s/%s: %s", arch.Name, variant, found[0].Message)
			}
		}
		bare := v1.Platform{OS: "linux", Architecture: arch.Name}
		implied := v1.Platform{OS: "linux", Architecture: arch.Name, Variant: arch.Default}
		if !index.SamePlatform(bare, implied) || arch.Default != "" && !slices.Contains(arch.Variants, arch.Default) {
			t.Errorf("%s without variant is not %q", arch.Name, arch.Default)
		}
		for _, os := range arch.With {
			if !index.Likely(v1.Platform{OS: os, Architecture: arch.Name}) {
				t.Errorf("%s/%s is unlikely", os, arch.Name)
			}
		}
	}
	if aliases != 18 {
		t.Errorf("%d aliases", aliases)
	}
	for _, os := range index.OperatingSystems() {
		if !index.IsKnownOS(os.Name) {
			t.Errorf("%s is not known", os.Name)
		}
		for _, a := range os.Aliases {
			if got := index.NormalizePlatform(v1.Platform{OS: a.Name}).OS; got != os.Name {
				t.Errorf("%s is %s, want %s", a.Name, got, os.Name)
			}
		}
		for _, arch := range os.With {
			if !index.Likely(v1.Platform{OS: os.Name, Architecture: arch}) {
				t.Errorf("%s/%s is unlikely", os.Name, arch)
			}
		}
	}
	if index.Likely(v1.Platform{OS: "plan9", Architecture: "s390x"}) {
		t.Error("plan9/s390x is likely")
	}
}
