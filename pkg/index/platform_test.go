package index_test

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Wish 15: other systems' names are understood.
func TestParsePlatform(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"linux/amd64":                   "linux/amd64",
		"linux/arm64/v8":                "linux/arm64/v8",
		"Linux/AMD64":                   "linux/amd64",
		"LINUX/ARM/V7":                  "linux/arm/v7",
		"linux/x86_64":                  "linux/amd64",
		"linux/x86-64":                  "linux/amd64",
		"linux/x64":                     "linux/amd64",
		"linux/aarch64":                 "linux/arm64",
		"linux/arm64v8":                 "linux/arm64/v8",
		"linux/arm64/8":                 "linux/arm64/v8",
		"linux/arm64/9.0":               "linux/arm64/v9.0",
		"linux/arm32v5":                 "linux/arm/v5",
		"linux/arm32v6":                 "linux/arm/v6",
		"linux/arm32v7":                 "linux/arm/v7",
		"linux/arm/7":                   "linux/arm/v7",
		"linux/armhf":                   "linux/arm/v7",
		"linux/armel":                   "linux/arm/v6",
		"linux/i386":                    "linux/386",
		"linux/i486":                    "linux/386",
		"linux/i586":                    "linux/386",
		"linux/i686":                    "linux/386",
		"linux/x86":                     "linux/386",
		"linux/ppc64el":                 "linux/ppc64le",
		"linux/mipsel":                  "linux/mipsle",
		"linux/mips64el":                "linux/mips64le",
		"macOS/arm64":                   "darwin/arm64",
		"linux/riscv64/rva22u64":        "linux/riscv64/rva22u64",
		"linux/ppc64le/power9":          "linux/ppc64le/power9",
		"linux/amd64/3":                 "linux/amd64/3",
		"windows/amd64:10.0.17763.1879": "windows/amd64:10.0.17763.1879",
		"linux/arm64/v8:22.04":          "linux/arm64/v8:22.04",
	} {
		p, err := index.ParsePlatform(typed)
		if err != nil {
			t.Errorf("%q: %v", typed, err)
			continue
		}
		if got := index.FormatPlatform(p); got != want {
			t.Errorf("%q is %q, want %q", typed, got, want)
		}
	}
}

// B23 and wish 15: what nobody knows is refused, with the names that are near.
func TestParsePlatformRefuses(t *testing.T) {
	t.Parallel()
	const form = "want OS/ARCH[/VARIANT][:OSVERSION], as in linux/arm64"
	for typed, want := range map[string]string{
		"":                     `platform "": ` + form,
		"linux":                `platform "linux": ` + form,
		"amd64":                form,
		"linux/":               form,
		"/amd64":               form,
		"linux//v7":            form,
		"linux/arm/":           form,
		"linux/arm/v7/x":       form,
		"linux/amd64:":         form,
		":10.0":                form,
		"linux/armd64":         `unknown architecture "armd64", did you mean amd64 or arm64?`,
		"lunix/amd64":          `unknown operating system "lunix", did you mean linux?`,
		"linux/amd46":          `unknown architecture "amd46", did you mean amd64?`,
		"widnows/adm64":        `unknown operating system "widnows", did you mean windows?; unknown architecture "adm64", did you mean amd64 or arm64?`,
		"linux/arm46":          "did you mean arm64?",
		"linux/amd640":         "did you mean amd64?",
		"linux/md64":           "did you mean amd64?",
		"linux/s390":           "",
		"linux/z80":            `unknown architecture "z80"`,
		"solarian/sparc":       `unknown operating system "solarian"`,
		"linux/a b":            `architecture "a b": has characters other than`,
		"linux/amd64/v\x1b[2J": "has characters other than",
		"linux/\u0430md64":     "has characters other than",
		"windows/amd64:10,0":   `os.version "10,0": has characters`,
		"?/amd64":              `operating system "?": has characters`,
	} {
		p, err := index.ParsePlatform(typed)
		if typed == "linux/s390" {
			if err != nil {
				t.Errorf("a name that Go knows is refused: %v", err)
			}
			continue
		}
		wantFault(t, err, index.ErrUsage, want)
		if index.FormatPlatform(p) != "" {
			t.Errorf("%q: %+v came with the error", typed, p)
		}
	}
	for _, far := range []string{"linux/z80", "linux/wa5x", "windowsabc/amd64"} {
		_, err := index.ParsePlatform(far)
		wantFault(t, err, index.ErrUsage, "unknown")
		if err != nil && strings.Contains(err.Error(), "did you mean") {
			t.Errorf("far names are offered: %v", err)
		}
	}
}

func TestFormatPlatform(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]v1.Platform{
		"":                      {Variant: "v7", OSVersion: "1"},
		"linux/?":               {OS: "linux"},
		"?/arm/v7":              {Architecture: "arm", Variant: "v7"},
		"windows/amd64:10.0":    {OS: "windows", Architecture: "amd64", OSVersion: "10.0", OSFeatures: []string{"win32k"}},
		"Linux/x86_64/V1:Jammy": {OS: "Linux", Architecture: "x86_64", Variant: "V1", OSVersion: "Jammy"},
	} {
		if got := index.FormatPlatform(p); got != want {
			t.Errorf("%+v is %q, want %q", p, got, want)
		}
	}
	if got := (index.Entry{}).PlatformString(); got != "" {
		t.Errorf("an entry without platform has %q", got)
	}
}

// The caller's features are neither sorted nor shared (ggcr's Platform.Equals
// sorts them).
func TestPlatformsOfTheCallerStay(t *testing.T) {
	t.Parallel()
	a := v1.Platform{OS: "windows", Architecture: "amd64", OSFeatures: []string{"b", "a"}, Features: []string{"d", "c"}}
	b := v1.Platform{OS: "windows", Architecture: "amd64", OSFeatures: []string{"a", "b"}, Features: []string{"c", "d"}}
	ix := list(t, index.OCI, index.Entry{Descriptor: v1.Descriptor{MediaType: ociImageType, Digest: digest(1), Platform: &a}})
	if !index.SamePlatform(a, b) || len(ix.Select(index.ByPlatform(b))) != 1 {
		t.Error("the order of features counts")
	}
	apply(t, ix, index.Replace(index.Entry{Descriptor: v1.Descriptor{MediaType: ociImageType, Digest: digest(2), Platform: &b}}))
	ix.Check(index.UniquePlatforms, index.KnownPlatforms)
	normal := index.NormalizePlatform(a)
	patched := index.PlatformPatch{Variant: new("v2")}.Patch(a)
	for _, p := range []v1.Platform{a, normal, patched} {
		if !slices.Equal(p.OSFeatures, []string{"b", "a"}) || !slices.Equal(p.Features, []string{"d", "c"}) {
			t.Errorf("features became %v and %v", p.OSFeatures, p.Features)
		}
	}
	normal.OSFeatures[0], patched.Features[0] = "x", "x"
	if a.OSFeatures[0] != "b" || a.Features[0] != "d" {
		t.Error("features are shared")
	}
}

func TestConfigPlatform(t *testing.T) {
	t.Parallel()
	for _, none := range []*v1.ConfigFile{nil, {}, {Variant: "v7", OSVersion: "1"}} {
		if p := index.ConfigPlatform(none); p != nil {
			t.Errorf("%+v gives %+v", none, p)
		}
	}
	config := &v1.ConfigFile{OS: "Windows", Architecture: "x86_64", OSVersion: "10.0.17763.1879", OSFeatures: []string{"b", "a"}}
	p := index.ConfigPlatform(config)
	if p == nil || index.FormatPlatform(*p) != "windows/amd64:10.0.17763.1879" || !slices.Equal(p.OSFeatures, []string{"b", "a"}) {
		t.Fatalf("got %+v", p)
	}
	if p.OSFeatures[0] = "x"; config.OSFeatures[0] != "b" {
		t.Error("features are shared")
	}
	if p := index.ConfigPlatform(&v1.ConfigFile{Architecture: "arm", Variant: "7"}); p == nil || index.FormatPlatform(*p) != "?/arm/v7" {
		t.Errorf("got %+v", p)
	}
}

func TestIsKnownOS(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{"linux": true, "macOS": true, "WINDOWS": true, "lunix": false, "": false, "amd64": false} {
		if index.IsKnownOS(s) != want {
			t.Errorf("%q is known: %t", s, !want)
		}
	}
}

func TestPlatformPatchIsZero(t *testing.T) {
	t.Parallel()
	for i, p := range []index.PlatformPatch{{OS: new("")}, {Architecture: new("")}, {Variant: new("")}, {OSVersion: new("")}, {OSFeatures: &[]string{}}} {
		if p.IsZero() {
			t.Errorf("patch %d sets nothing", i)
		}
	}
	if !(index.PlatformPatch{}).IsZero() {
		t.Error("a patch of nothing sets something")
	}
}
