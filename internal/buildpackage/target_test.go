package buildpackage_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/buildpackage"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Targets against platforms, with what lifecycle's TargetSatisfiedForBuild and
// pack's EnsureTargetSupport decide: both refuse (error), one of them does or
// it cannot be known (warning), both accept (nothing).
func TestTargets(t *testing.T) {
	t.Parallel()
	const amd64, any64 = `{"os":"linux","arch":"amd64"}`, `{"os":"linux","arch":""}`
	distro := func(version string) string {
		return `{"os":"linux","arch":"amd64","distros":[{"name":"ubuntu","version":"` + version + `"}]}`
	}
	for i, c := range []struct {
		api, module, platform string
		want                  string // severity when published, "" for no finding
	}{
		{"0.12", `"targets":[` + amd64 + `]`, "linux/amd64", ""},
		{"0.12", `"targets":[` + amd64 + `]`, "linux/arm64", "error"},
		{"0.12", `"targets":[` + amd64 + `]`, "windows/amd64:10.0.1", "error"},
		{"0.12", `"targets":[` + amd64 + `,{"os":"linux","arch":"arm64"}]`, "linux/arm64", ""},
		{"0.12", `"targets":[` + any64 + `]`, "linux/s390x", ""},
		{"0.12", `"targets":[` + any64 + `]`, "windows/amd64:10.0.1", "error"},
		{"0.12", `"targets":[{"os":"","arch":"amd64"}]`, "linux/amd64", "warning"}, // pack wants an os
		{"0.12", `"targets":[{"os":"","arch":"amd64"}]`, "linux/arm64", "error"},
		{"0.12", `"targets":[{"os":"","arch":""}]`, "linux/arm64", "warning"},
		{"0.12", `"targets":[{"os":"","arch":""},` + amd64 + `]`, "linux/amd64", ""},
		{"0.12", `"targets":[{"os":"linux","arch":"x86_64"}]`, "linux/amd64", "error"}, // compared letter by letter
		{"0.12", `"targets":[]`, "linux/arm64", ""},
		{"0.12", `"targets":null`, "linux/arm64", ""},
		{"0.12", ``, "linux/arm64", ""},
		// both spellings of the variant
		{"0.12", `"targets":[{"os":"linux","arch":"arm","variant":"v7"}]`, "linux/arm/v7", ""},
		{"0.12", `"targets":[{"os":"linux","arch":"arm","variant":"v7"}]`, "linux/arm/v6", "warning"},
		{"0.12", `"targets":[{"os":"linux","arch":"arm","arch-variant":"v7"}]`, "linux/arm/v6", "warning"},
		{"0.12", `"targets":[{"os":"linux","arch":"arm","arch-variant":"v7"}]`, "linux/arm/v7", ""},
		{"0.12", `"targets":[{"os":"linux","arch":"arm","variant":"v6"}]`, "linux/arm", ""},
		{"0.12", `"targets":[{"os":"linux","arch":"arm64","variant":"v8"}]`, "linux/arm64", ""},
		{"0.12", `"targets":[{"os":"linux","arch":"arm64"}]`, "linux/arm64/v8", ""},
		// distributions: packages know the version at most
		{"0.12", `"targets":[` + distro("24.04") + `]`, "linux/amd64", ""},
		{"0.12", `"targets":[` + distro("24.04") + `]`, "linux/amd64:24.04", ""},
		{"0.12", `"targets":[` + distro("24.04") + `]`, "linux/amd64:22.04", "warning"},
		{"0.12", `"targets":[` + distro("24.04") + "," + distro("22.04") + `]`, "linux/amd64:22.04", ""},
		{"0.12", `"targets":[` + distro("") + `]`, "linux/amd64:22.04", ""},
		// stacks
		{"0.12", `"stacks":[{"id":"*"}]`, "linux/arm64", ""},
		{"0.12", `"stacks":[{"id":"acme"}]`, "linux/arm64", ""},
		{"0.12", `"stacks":[{"id":"io.buildpacks.stacks.bionic"}]`, "linux/amd64", ""},
		{"0.12", `"stacks":[{"id":"io.buildpacks.stacks.bionic"}]`, "linux/arm64", "error"},
		{"0.12", `"stacks":[{"id":"io.buildpacks.stacks.bionic"},{"id":"*"}]`, "linux/arm64", ""},
		{"0.9", `"stacks":[{"id":"io.buildpacks.stacks.bionic"},{"id":"acme"}]`, "linux/arm64", ""},
		{"0.10", `"stacks":[{"id":"io.buildpacks.stacks.bionic"},{"id":"acme"}]`, "linux/arm64", "warning"},
		{"0.12", `"stacks":[{"id":"acme"}],"targets":[` + amd64 + `]`, "linux/arm64", "error"},
		// before targets are enforced
		{"0.11", `"targets":[` + amd64 + `]`, "linux/arm64", "warning"},
		{"", `"targets":[` + amd64 + `]`, "linux/arm64", "warning"},
		{"1.0", `"targets":[` + amd64 + `]`, "linux/arm64", "error"},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			got := targetFinding(t, c.platform, `{"acme/hello":{"1.2.3":{`+members(c.api, c.module)+`}}}`)
			if severity, _, _ := strings.Cut(got, " "); severity != c.want {
				t.Errorf("%s with %s: %q, want %q", c.module, c.platform, got, c.want)
			}
		})
	}
}

func members(api, module string) string {
	text := `"layerDiffID":"x","api":null`
	if api != "" {
		text = `"layerDiffID":"x","api":"` + api + `"`
	}
	if module != "" {
		text += "," + module
	}
	return text
}

// targetFinding returns what target-unsupported says about a package with such
// layers, "" for nothing.
func targetFinding(t *testing.T, platform, layers string) string {
	t.Helper()
	m := resolve(t, labelled(t, platform, map[string]string{
		"io.buildpacks.buildpackage.metadata": `{"id":"acme/hello","version":"1.2.3"}`, "io.buildpacks.buildpack.layers": layers,
	}))
	for _, line := range lines(show(t, listOf(t, []index.Manifest{m}).Check(buildpackage.Rules([]index.Manifest{m})...))) {
		if strings.Contains(line, "target-unsupported") {
			return line
		}
	}
	return ""
}

// Of a composite buildpack every component counts, and its own targets do not;
// what else a package has does not count beside a plain buildpack.
func TestTargetsOfComposites(t *testing.T) {
	t.Parallel()
	const part = `"acme/part":{"1":{"layerDiffID":"x","api":"0.12","targets":[{"os":"linux","arch":"amd64"}]}},
		"acme/other":{"1":{"layerDiffID":"x","api":"0.10","targets":[{"os":"linux","arch":"ppc64le"}]}}`
	composite := `{"acme/hello":{"1.2.3":{"layerDiffID":"x","api":"0.12","order":[{"group":[{"id":"acme/part","version":"1"}]}]}},` + part + `}`
	for platform, want := range map[string]string{
		"linux/amd64":   "warning | target-unsupported | linux/amd64 | its targets do not have linux/amd64: acme/other@1 is for linux/ppc64le",
		"linux/ppc64le": "error | target-unsupported | linux/ppc64le | its targets do not have linux/ppc64le: acme/part@1 is for linux/amd64",
		"linux/arm64": "error | target-unsupported | linux/arm64 | its targets do not have linux/arm64: acme/other@1 is for linux/ppc64le, " +
			"acme/part@1 is for linux/amd64",
	} {
		if got := targetFinding(t, platform, composite); got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	}
	if got := targetFinding(t, "linux/arm64", `{"acme/hello":{"1.2.3":{"layerDiffID":"x","api":"0.12"}},`+part+`}`); got != "" {
		t.Errorf("beside a plain buildpack: %q", got)
	}
}

func TestTargetsUncovered(t *testing.T) {
	t.Parallel()
	const targets = `"targets":[{"os":"linux","arch":"amd64"},{"os":"linux","arch":"arm","variant":"v6"},{"os":"linux","arch":"arm","variant":"v7"},
		{"os":"linux"},{"os":"windows","arch":"amd64","distros":[{"name":"x","version":"1"}]},{"os":"windows","arch":"amd64"}]`
	pkg := func(platform string) index.Manifest {
		return resolve(t, labelled(t, platform, map[string]string{
			"io.buildpacks.buildpackage.metadata": `{"id":"acme/hello","version":"1.2.3"}`,
			"io.buildpacks.buildpack.layers":      `{"acme/hello":{"1.2.3":{` + members("0.10", targets) + `}}}`,
		}))
	}
	for platforms, want := range map[string]string{
		"linux/amd64": "linux/arm/v6 linux/arm/v7 windows/amd64",
		"linux/amd64 linux/arm/v7 windows/amd64:1": "linux/arm/v6",
		"linux/arm windows/amd64 linux/amd64":      "",
	} {
		var manifests []index.Manifest
		for p := range strings.FieldsSeq(platforms) {
			manifests = append(manifests, pkg(p))
		}
		var got []string
		for _, f := range listOf(t, manifests).Check(buildpackage.Rules(manifests)...) {
			if f.Rule == index.TargetUncovered {
				got = append(got, f.Values...)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("a list of %s leaves %q open, want %q", platforms, got, want)
		}
	}
}
