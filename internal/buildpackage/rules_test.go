package buildpackage_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/buildpacks-community/pack-manifest/internal/buildpackage"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// sample is a list and what it was made of.
type sample struct {
	ix        index.Index
	manifests []index.Manifest
}

func of(tb testing.TB, manifests []index.Manifest) sample {
	tb.Helper()
	return sample{listOf(tb, manifests), manifests}
}

// inOCI is the list in OCI's format, whatever its images are.
func (s sample) inOCI(tb testing.TB) sample {
	tb.Helper()
	var err error
	if s.ix, _, err = s.ix.Apply(index.Convert(index.OCI)); err != nil {
		tb.Fatal(err)
	}
	return s
}

// crane runs crane on an image in a registry.
func crane(tb testing.TB, args ...string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), testhelpers.Tool(tb, "crane"), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("crane %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// harmed publishes a buildpackage and lets crane work on it.
func harmed(tb testing.TB, command string, flags ...string) []index.Manifest {
	tb.Helper()
	reg := testhelpers.NewRegistry(tb)
	ref := reg.Host + "/acme/hello:1"
	spec := testhelpers.PackageSpec{OCI: true}
	if command == "flatten" {
		spec.LayerSizes = []int64{64, 64} // crane leaves a single layer as it is
	}
	reg.Push(tb, "acme/hello:1", testhelpers.Buildpackage(tb, spec))
	if command == "append" {
		crane(tb, append([]string{command, "--base", ref, "-t", ref + "-harmed"}, flags...)...)
	} else {
		crane(tb, append([]string{command, ref, "-t", ref + "-harmed"}, flags...)...)
	}
	return pulled(tb, ref+"-harmed")
}

// published lets upstream pack publish hello-universe for targets.
func published(tb testing.TB, targets ...string) []index.Manifest {
	tb.Helper()
	cnb(tb) // makes pack's home
	ref := testhelpers.NewRegistry(tb).Host + "/acme/hello:1"
	args := []string{"buildpack", "package", ref, "--publish", "--path", testhelpers.RepositoryFile(tb, "examples", "hello-universe")}
	for _, target := range targets {
		args = append(args, "--target", target)
	}
	if err := runPack(testhelpers.Tool(tb, "pack"), field.dir, field.dir, args...); err != nil {
		tb.Fatal(err)
	}
	return pulled(tb, ref)
}

func parsed(tb testing.TB, platform string) v1.Platform {
	tb.Helper()
	p, err := index.ParsePlatform(platform)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// emptyTar writes a layer without a buildpack.
func emptyTar(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "layer.tar")
	if err := os.WriteFile(path, make([]byte, 1024), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// hello makes a package for a platform.
func hello(tb testing.TB, platform string, edit ...func(*testhelpers.PackageSpec)) index.Manifest {
	tb.Helper()
	spec := testhelpers.PackageSpec{OCI: true, Platform: parsed(tb, platform)}
	for _, e := range edit {
		e(&spec)
	}
	return resolve(tb, testhelpers.Buildpackage(tb, spec))
}

const (
	builderMetadata = `{"description":"","buildpacks":[{"id":"acme/one","version":"1.0.0"}],"extensions":[{"id":"acme/ext","version":"1.0.0"}],
		"stack":{"runImage":{"image":"run","mirrors":[]}},"lifecycle":{"version":"0.21.0","api":{"buildpack":"0.2","platform":"0.3"},
		"apis":{"buildpack":{"deprecated":null,"supported":["0.7","0.12"]},"platform":{"deprecated":[],"supported":["0.7","0.15"]}}},
		"createdBy":{"name":"pack","version":"0.40.7"},"images":[]}`
	builderOrder = `[{"group":[{"id":"acme/one","version":"1.0.0"},{"id":"acme/two","version":"1.0.0","optional":true}]}]`
)

// builder makes an image with the labels of a builder, some of them changed.
func builder(tb testing.TB, platform string, changes ...string) index.Manifest {
	tb.Helper()
	labels := map[string]string{
		"io.buildpacks.builder.metadata":           builderMetadata,
		"io.buildpacks.buildpack.order":            builderOrder,
		"io.buildpacks.buildpack.order-extensions": "null",
		"io.buildpacks.buildpack.layers":           `{"acme/one":{"1.0.0":{"api":"0.10","layerDiffID":"sha256:0"}}}`,
		"io.buildpacks.stack.id":                   "acme.stack",
		"io.buildpacks.base.distro.name":           "ubuntu",
		"io.buildpacks.base.distro.version":        "24.04",
	}
	for i := 0; i < len(changes); i += 3 {
		label := "io.buildpacks." + changes[i]
		if !strings.Contains(labels[label], changes[i+1]) {
			tb.Fatalf("the label %s has no %q", label, changes[i+1])
		}
		labels[label] = strings.Replace(labels[label], changes[i+1], changes[i+2], 1)
	}
	return resolve(tb, labelled(tb, platform, labels))
}

func app(tb testing.TB, platform string) index.Manifest {
	tb.Helper()
	return resolve(tb, labelled(tb, platform, map[string]string{
		"io.buildpacks.lifecycle.metadata": `{"app":[{"sha":"x"}],"buildpacks":[{"key":"acme/one","version":"1.0.0","layers":{}}],"runImage":{"topLayer":"x","reference":"run@x"}}`,
		"io.buildpacks.build.metadata":     `{"bom":null}`,
		"io.buildpacks.stack.id":           "acme.stack",
	}))
}

func artifactImage(tb testing.TB) index.Manifest {
	tb.Helper()
	return resolve(tb, mutate.ConfigMediaType(labelled(tb, "linux/amd64", nil), "application/vnd.cncf.helm.config.v1+json"))
}

func platformed(m index.Manifest, p v1.Platform) index.Manifest {
	m.Platform = &p
	return m
}

// makeSample makes the list of a case.
type makeSample func(testing.TB) sample

func files(names ...string) makeSample {
	return func(tb testing.TB) sample { tb.Helper(); return of(tb, cnb(tb, names...)) }
}

func made(manifests ...func(testing.TB) index.Manifest) makeSample {
	return func(tb testing.TB) sample {
		tb.Helper()
		var all []index.Manifest
		for _, m := range manifests {
			all = append(all, m(tb))
		}
		return of(tb, all)
	}
}

func builderFor(platform string, changes ...string) func(testing.TB) index.Manifest {
	return func(tb testing.TB) index.Manifest { tb.Helper(); return builder(tb, platform, changes...) }
}

func helloFor(platform string) func(testing.TB) index.Manifest {
	return func(tb testing.TB) index.Manifest { tb.Helper(); return hello(tb, platform) }
}

func appFor(platform string) func(testing.TB) index.Manifest {
	return func(tb testing.TB) index.Manifest { tb.Helper(); return app(tb, platform) }
}

// broken changes the bytes of the first manifest of hello.
func broken(change func(*index.Manifest)) makeSample {
	return func(tb testing.TB) sample {
		tb.Helper()
		m := hello(tb, "linux/amd64")
		change(&m)
		return of(tb, []index.Manifest{m})
	}
}

// ruleCase is a list that a rule finds nothing in, and one that it does.
type ruleCase struct {
	good, bad makeSample
	want      string // the rules that find something in the bad one, with severities when published, and parts of the message
}

func ruleCases() map[index.RuleID]ruleCase {
	goodPair, goodBuilders := files("one-amd64", "one-arm64"), made(builderFor("linux/amd64"), builderFor("linux/arm64"))
	return map[index.RuleID]ruleCase{
		index.DigestMismatch: {
			goodPair, broken(func(m *index.Manifest) { m.RawConfig = bytes.Replace(m.RawConfig, []byte("amd64"), []byte("arm64"), 1) }),
			"error digest-mismatch: its config has the digest",
		},
		index.NotAnImage:       {goodPair, made(artifactImage), `error not-an-image: it is an artifact: its config is of the type "application/vnd.cncf.helm` + "\nerror platform-missing: "},
		index.ConfigUnreadable: {goodPair, oddConfig, "error config-unreadable: its config has 0 diff IDs for 1 layers"},
		index.EmptyList:        {goodPair, made(), "error empty-list: the list has no image"},
		// pack #1678, #2079
		index.PlatformMissing:   {goodPair, files("one-none"), "error platform-missing: the image has no architecture"},
		index.PlatformDuplicate: {goodPair, files("one-amd64", "one-other-amd64"), "error platform-duplicate: two images are for linux/amd64"},
		index.PlatformShadowed: {goodPair, func(tb testing.TB) sample {
			tb.Helper()
			return of(tb, published(tb, "linux/amd64:ubuntu@22.04", "linux/amd64:ubuntu@24.04", "linux/arm64"))
		}, "warning platform-shadowed: linux/amd64:24.04 is hidden behind linux/amd64:22.04\nwarning target-uncovered: windows/amd64"},
		index.PlatformUnknown: {goodPair, made(func(tb testing.TB) index.Manifest {
			tb.Helper()
			return platformed(app(tb, "linux/amd64"), v1.Platform{OS: "linux", Architecture: "x86_64"})
		}), `warning platform-unknown: unknown architecture "x86_64", did you mean amd64?`},
		index.PlatformUnlikely: {
			goodPair, made(helloFor("linux/amd64"), helloFor("darwin/arm64")),
			"warning platform-unlikely: a buildpack for darwin can run nowhere",
		},
		// manifest-tool #185
		index.VariantUnknown: {goodPair, func(tb testing.TB) sample {
			tb.Helper()
			return of(tb, harmed(tb, "mutate", "--set-platform", "linux/amd64/v8"))
		}, `warning variant-unknown: the variant "v8" is not known for amd64`},
		index.VariantMissing: {
			made(helloFor("linux/arm/v7"), helloFor("linux/amd64")), files("one-amd64", "one-arm"),
			"warning variant-missing: linux/arm is without a variant",
		},
		// moby #41873
		index.PlatformMismatch: {goodPair, made(helloFor("linux/amd64"), func(tb testing.TB) index.Manifest {
			tb.Helper()
			m := hello(tb, "linux/amd64", func(s *testhelpers.PackageSpec) { s.Seed = 1 })
			return platformed(m, v1.Platform{OS: "linux", Architecture: "arm64"})
		}), "error platform-mismatch: the list says linux/arm64, the image's own config says linux/amd64"},
		index.WindowsOSVersion: {
			made(builderFor("windows/amd64:10.0.20348.1")), made(builderFor("windows/amd64")),
			"warning windows-os-version: a builder for windows has no os.version",
		},
		index.NoLinuxAMD64: {goodPair, files("one-arm64"), "warning no-linux-amd64: the list has no package for linux/amd64"},
		index.KindMixed: {files("ext-amd64"), func(tb testing.TB) sample {
			tb.Helper()
			m := cnb(tb, "one-arm64", "ext-amd64")
			return of(tb, m)
		}, "error kind-mixed: it is an extension, and linux/arm64 is a buildpack"},
		index.LabelMissing: {goodPair, func(tb testing.TB) sample {
			tb.Helper()
			return of(tb, harmed(tb, "mutate", "--label", "io.buildpacks.buildpack.layers="))
		}, "error label-missing: the label io.buildpacks.buildpack.layers is missing"},
		index.IDMismatch:      {goodPair, files("one-amd64", "two-arm64"), `error id-mismatch: its id is "acme/two", that of linux/amd64 is "acme/one"`},
		index.VersionMismatch: {goodPair, files("one-amd64", "one-newer-arm64"), `error version-mismatch: its version is "1.1.0", that of linux/amd64 is "1.0.0"`},
		index.MainNotInLayers: {goodPair, func(tb testing.TB) sample {
			tb.Helper()
			return of(tb, harmed(tb, "mutate", "--label", `io.buildpacks.buildpackage.metadata={"id":"acme/hello","version":"9.9.9"}`))
		}, "error main-not-in-layers: it is named acme/hello@9.9.9, and its layers have acme/hello@1.2.3"},
		index.LayerMissing: {goodPair, func(tb testing.TB) sample {
			tb.Helper()
			return of(tb, harmed(tb, "flatten"))
		}, "error layer-missing: it does not have the layer \"sha256:\nwarning extra-layers: 1 of its 1 layers"},
		index.TargetUnsupported: {
			files("limited-new-amd64"), files("limited-new-amd64", "limited-new-s390x"),
			"error target-unsupported: its targets do not have linux/s390x: acme/limited@1.0.0 is for linux/amd64",
		},
		index.TargetUncovered: {
			files("hello-linux-amd64", "hello-linux-arm64", "hello-windows-amd64"), files("hello-linux-amd64", "hello-windows-amd64"),
			"warning target-uncovered: the list has no image for what its buildpack names as targets: linux/arm64\nnote windows-os-version: ",
		},
		index.ModulesDiffer: {
			files("meta-amd64", "meta-arm64"), files("meta-amd64", "meta-both-arm64"),
			"warning modules-differ: its components are not those of linux/amd64: it alone has acme/two@2.0.0",
		},
		index.StacksDiffer: {
			goodPair, files("one-amd64", "one-stacks-arm64"),
			`warning stacks-differ: it alone has "acme.stack" with "curl", linux/amd64 alone has "*"`,
		},
		index.APIDiffer: {
			goodPair, files("one-amd64", "one-api-arm64"),
			"warning api-differ: acme/one@1.0.0 is of Buildpack API 0.11, on linux/amd64 of 0.10",
		},
		index.APIUnsupported: {goodPair, files("old-amd64"), "warning api-unsupported: lifecycle does not support the Buildpack API of acme/old@1.0.0 (0.2), but 0.7 to 0.12"},
		index.VersionFormat: {
			goodPair, files("odd-amd64"),
			`warning version-format: the version "1.0" is not three numbers` + "\nwarning id-format: Acme_odd",
		},
		index.IDFormat: {goodPair, files("flat-amd64"), `note id-format: the id "flat" is not NAMESPACE/NAME`},
		index.ExtraLayers: {made(helloFor("linux/amd64"), helloFor("windows/amd64:10.0.20348.1")), func(tb testing.TB) sample {
			tb.Helper()
			return of(tb, harmed(tb, "append", "--new_layer", emptyTar(tb)))
		}, "warning extra-layers: 1 of its 2 layers have no buildpack that the labels name"},
		index.BuilderUnreadable: {
			goodBuilders, made(builderFor("linux/amd64", "buildpack.order", "[", "{")),
			"warning builder-unreadable: the label io.buildpacks.buildpack.order cannot be read",
		},
		index.BuilderLifecycle: {
			goodBuilders, made(builderFor("linux/amd64"), builderFor("linux/arm64", "builder.metadata", `"0.7","0.15"`, `"0.7","0.14"`)),
			`warning builder-lifecycle-differs: its lifecycle is "0.21.0, buildpack API 0.7 0.12, platform API 0.7 0.14", that of linux/amd64 is "0.21.0, buildpack`,
		},
		index.BuilderModules: {
			goodBuilders, made(builderFor("linux/amd64"), builderFor("linux/arm64", "builder.metadata", `"acme/ext"`, `"acme/other"`)),
			"warning builder-buildpacks-differ: it alone has acme/other@1.0.0, linux/amd64 alone has acme/ext@1.0.0",
		},
		index.BuilderOrder: {
			goodBuilders, made(builderFor("linux/amd64"), builderFor("linux/arm64", "buildpack.order", `,"optional":true`, "")),
			`warning builder-order-differs: its order is "acme/one@1.0.0,acme/two@1.0.0", that of linux/amd64 is "acme/one@1.0.0,acme/two@1.0.0?"`,
		},
		index.BuilderStack: {
			goodBuilders, made(builderFor("linux/amd64"), builderFor("linux/arm64", "base.distro.version", "24", "22")),
			`warning builder-stack-differs: its base is "stack acme.stack, distribution ubuntu 22.04", that of linux/amd64 is`,
		},
		// https://github.com/buildpacks/rfcs: pack takes it on trust that programs fit
		index.BinaryArch: {
			files("prog-linux-amd64", "prog-true-arm64"), files("prog-linux-amd64", "prog-linux-arm64"),
			"error binary-arch: /cnb/buildpacks/acme_prog/1.0.0/bin/build is an ELF program for amd64, not for linux/arm64 (one of 2 such programs)" +
				"\nnote same-layer-different-arch: ",
		},
		index.SameLayerOtherArch: {
			files("prog-linux-amd64", "prog-true-arm64"), files("prog-linux-amd64", "prog-linux-arm64"),
			"error binary-arch: \nnote same-layer-different-arch: acme/prog@1.0.0 is the same layer with the same programs as for linux/amd64",
		},
		index.MediaTypeMixed: {goodPair, func(tb testing.TB) sample {
			tb.Helper()
			return of(tb, cnb(tb, "one-amd64")).inOCI(tb)
		}, "warning media-type-mixed: the image is in the format v2s2, the list in oci"},
		index.AnnotationsInV2S2: {goodPair, annotatedV2S2, "error annotations-in-v2s2: the list has annotations, which a list in the format v2s2 cannot hold"},
	}
}

// oddConfig is an image whose manifest has a layer that its config knows
// nothing of.
func oddConfig(tb testing.TB) sample {
	tb.Helper()
	m := hello(tb, "linux/amd64")
	short := index.DigestOf([]byte("{}"))
	image, err := index.ParseImage(m.Raw, m.MediaType)
	if err != nil {
		tb.Fatal(err)
	}
	image.SchemaVersion, image.Config.Digest, image.Config.Size = 2, short, 2
	if m.Raw, err = json.Marshal(image); err != nil {
		tb.Fatal(err)
	}
	m.RawConfig, m.Config = []byte("{}"), nil
	m.Digest, m.Size = index.DigestOf(m.Raw), int64(len(m.Raw))
	return of(tb, []index.Manifest{m})
}

// annotatedV2S2 is a list that upstream has made: its format cannot hold what
// it has.
func annotatedV2S2(tb testing.TB) sample {
	tb.Helper()
	s := of(tb, cnb(tb, "one-amd64"))
	raw, err := s.ix.RawManifest()
	if err != nil {
		tb.Fatal(err)
	}
	end := bytes.LastIndexByte(raw, '}')
	if s.ix, err = index.Parse(append(raw[:end:end], `,"annotations":{"a":"b"}}`...)); err != nil {
		tb.Fatal(err)
	}
	return s
}

// Each rule has a list that it finds nothing in, nor any other one more than a
// note, and one that it finds something in, and no other one more than is said
// here. The lists are made by upstream pack and crane where these can make them.
func TestRules(t *testing.T) {
	t.Parallel()
	cases := ruleCases()
	for _, info := range index.RuleTable() {
		c, ok := cases[info.ID]
		switch info.ID {
		case index.PlatformsRequired, index.NotConvertible:
			continue // found by what pkg/index is asked for, and tested there
		default:
		}
		if !ok {
			t.Errorf("there is no case for %s", info.ID)
			continue
		}
		t.Run(string(info.ID), func(t *testing.T) {
			t.Parallel()
			good, bad := c.good(t), c.bad(t)
			for _, line := range lines(show(t, check(t, good.ix, good.manifests))) {
				if !strings.HasPrefix(line, "note ") {
					t.Errorf("the good list has %s", line)
				}
			}
			want := strings.Split(c.want, "\n")
			if first, _, _ := strings.Cut(want[0], ":"); !strings.Contains(c.want, " "+string(info.ID)+":") {
				t.Fatalf("the bad list is not for this rule but %s", first)
			}
			match(t, lines(show(t, check(t, bad.ix, bad.manifests))), want)
		})
	}
}

func lines(s string) []string {
	return slices.DeleteFunc(strings.Split(s, "\n"), func(line string) bool { return line == "" })
}

// match checks that each finding is wanted and each wanted one found. A wanted
// one is "SEVERITY RULE: PART OF THE MESSAGE".
func match(t *testing.T, found, want []string) {
	t.Helper()
	left := slices.Clone(want)
	for _, line := range found {
		parts := strings.SplitN(line, " | ", 4)
		at := slices.IndexFunc(left, func(w string) bool {
			head, text, _ := strings.Cut(w, ": ")
			return head == parts[0]+" "+parts[1] && strings.Contains(parts[3], text)
		})
		if at < 0 {
			t.Errorf("found, and not wanted: %s", line)
			continue
		}
		left = slices.Delete(left, at, at+1)
	}
	if len(left) > 0 {
		t.Errorf("not found: %q in\n%s", left, strings.Join(found, "\n"))
	}
}

// No rule is heard on lists as they should be.
func TestNothingFalse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make  makeSample
		notes string
	}{
		"examples": {files("hello-linux-amd64", "hello-linux-arm64", "hello-windows-amd64"), "note windows-os-version: a buildpack for windows"},
		"upstream's publishing": {func(tb testing.TB) sample {
			tb.Helper()
			return of(tb, published(tb, "linux/amd64", "linux/arm64", "windows/amd64"))
		}, "note windows-os-version: a buildpack for windows"},
		"composite":             {files("meta-amd64", "meta-arm64"), ""},
		"extension":             {files("ext-amd64"), ""},
		"true programs":         {files("prog-linux-amd64", "prog-true-arm64"), ""},
		"applications":          {made(appFor("linux/amd64"), appFor("linux/arm64"), appFor("windows/amd64:10.0.20348.1")), ""},
		"application for arm64": {made(appFor("linux/arm64")), ""},
		"builders":              {made(builderFor("linux/amd64"), builderFor("linux/arm64")), ""},
		"application and image without labels": {made(appFor("linux/amd64"), func(tb testing.TB) index.Manifest {
			tb.Helper()
			return resolve(tb, labelled(tb, "linux/s390x", nil))
		}), ""},
		"no labels": {made(func(tb testing.TB) index.Manifest {
			tb.Helper()
			return resolve(tb, labelled(tb, "linux/arm64", map[string]string{"maintainer": "acme"}))
		}), ""},
		"attestations": {func(tb testing.TB) sample {
			tb.Helper()
			return of(tb, children(tb, testhelpers.Attested(tb,
				testhelpers.Buildpackage(tb, testhelpers.PackageSpec{OCI: true}),
				testhelpers.Buildpackage(tb, testhelpers.PackageSpec{OCI: true, Platform: v1.Platform{OS: "linux", Architecture: "arm64"}}))))
		}, ""},
		"lifecycle": {made(func(tb testing.TB) index.Manifest {
			tb.Helper()
			return resolve(tb, labelled(tb, "linux/arm64", map[string]string{
				"io.buildpacks.builder.metadata": `{"lifecycle":{"version":"0.21.0"}}`, "io.buildpacks.lifecycle.version": "0.21.0",
			}))
		}), ""},
		"base images": {made(func(tb testing.TB) index.Manifest {
			tb.Helper()
			return resolve(tb, labelled(tb, "linux/arm64", map[string]string{"io.buildpacks.base.id": "acme/base"}))
		}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.make(t)
			if s.ix.Len() == 0 || len(s.manifests) != s.ix.Len() {
				t.Fatalf("the list has %d entries of %d manifests", s.ix.Len(), len(s.manifests))
			}
			match(t, lines(show(t, check(t, s.ix, s.manifests))), lines(c.notes))
		})
	}
}

// The rules take what they compare with from the majority, and pass over what
// they do not know.
func TestRulesCompareWithTheMajority(t *testing.T) {
	t.Parallel()
	other := func(s *testhelpers.PackageSpec) { s.ID = "acme/other" }
	manifests := []index.Manifest{hello(t, "linux/s390x", other), hello(t, "linux/amd64"), hello(t, "linux/arm64")}
	ix := listOf(t, manifests)
	findings := ix.Check(buildpackage.Rules(manifests)...)
	match(t, lines(show(t, findings)), []string{`error id-mismatch: its id is "acme/other", that of linux/amd64 is "acme/hello"`})
	if len(findings) != 1 || findings[0].Entry.Digest != manifests[0].Digest || findings[0].Others[0].Digest != manifests[1].Digest {
		t.Errorf("found %+v", findings)
	}
	for _, known := range [][]index.Manifest{nil, manifests[1:]} {
		if findings := ix.Check(buildpackage.Rules(known)...); len(findings) != 0 {
			t.Errorf("with %d of 3 manifests: %s", len(known), show(t, findings))
		}
	}
}

// withLabels makes a package for a platform with these two labels.
func withLabels(tb testing.TB, platform, metadata, layers string) index.Manifest {
	tb.Helper()
	return resolve(tb, labelled(tb, platform, map[string]string{
		"io.buildpacks.buildpackage.metadata": metadata, "io.buildpacks.buildpack.layers": layers,
	}))
}

func TestOrdersDiffer(t *testing.T) {
	t.Parallel()
	var manifests []index.Manifest
	for platform, groups := range map[string]string{
		"linux/amd64": `{"group":[{"id":"a","version":"1"}]},{"group":[{"id":"b","version":"1"}]}`,
		"linux/arm64": `{"group":[{"id":"a","version":"1"},{"id":"b","version":"1","optional":true}]}`,
	} {
		manifests = append(manifests, withLabels(t, platform, `{"id":"acme/hello","version":"1.2.3"}`,
			`{"acme/hello":{"1.2.3":{"order":[`+groups+`]}},"a":{"1":{}},"b":{"1":{}}}`))
	}
	slices.SortFunc(manifests, func(a, b index.Manifest) int {
		return strings.Compare(a.Platform.Architecture, b.Platform.Architecture)
	})
	found := lines(show(t, listOf(t, manifests).Check(buildpackage.Rules(manifests)...)))
	match(t, slices.DeleteFunc(found, func(line string) bool { return strings.Contains(line, "layer-missing") }), []string{
		`warning modules-differ: its order is "a@1,b@1?", that of linux/amd64 is "a@1 | b@1"`,
	})
}

// What all packages have in common is said once, and shortly.
func TestFormIsFoundOnce(t *testing.T) {
	t.Parallel()
	odd := func(s *testhelpers.PackageSpec) { s.ID, s.Version = "acme_"+strings.Repeat("x", 5000), "v1" }
	manifests := []index.Manifest{hello(t, "linux/amd64", odd), hello(t, "linux/arm64", odd)}
	findings := listOf(t, manifests).Check(buildpackage.Rules(manifests)...)
	match(t, lines(show(t, findings)), []string{"warning version-format: \"v1\"", "warning id-format: acme_xxx"})
	for _, f := range findings {
		if len(f.Message) > 400 {
			t.Errorf("%s has %d bytes", f.Rule, len(f.Message))
		}
	}
}

func TestNamesMissing(t *testing.T) {
	t.Parallel()
	for metadata, want := range map[string]string{
		`{"version":"1.0.0"}`: "has no id", `{"id":"acme/hello"}`: "has no version", `{"id":"acme/hello","version":null}`: "has no version",
	} {
		m := withLabels(t, "linux/amd64", metadata, `{}`)
		match(t, lines(show(t, listOf(t, []index.Manifest{m}).Check(buildpackage.Rules([]index.Manifest{m})...))), []string{
			"error label-missing: the label io.buildpacks.buildpackage.metadata " + want,
		})
	}
}

// A platform that was given to the entry counts, not that of the config.
func TestRulesGoByTheEntry(t *testing.T) {
	t.Parallel()
	m := hello(t, "linux/amd64", func(s *testhelpers.PackageSpec) { s.Targets = []testhelpers.Target{{OS: "linux", Arch: "amd64"}} })
	m = platformed(m, v1.Platform{OS: "linux", Architecture: "arm64"})
	match(t, lines(show(t, listOf(t, []index.Manifest{m}).Check(buildpackage.Rules([]index.Manifest{m})...))), []string{
		"warning target-unsupported: linux/arm64", "warning no-linux-amd64: ", "warning target-uncovered: linux/amd64",
	})
}

// The request's golden case: what is not known yet is not missed twice.
func TestHelloWithoutArchitecture(t *testing.T) {
	t.Parallel()
	noArch := func(system string) index.Manifest {
		m := hello(t, system+"/amd64", func(s *testhelpers.PackageSpec) { s.EmptyArch = true })
		return m
	}
	manifests := []index.Manifest{noArch("linux"), noArch("windows")}
	match(t, lines(show(t, check(t, listOf(t, manifests), manifests))), []string{
		"error platform-missing: no architecture", "error platform-missing: no architecture", "note windows-os-version: ",
	})
}

func TestFacts(t *testing.T) {
	t.Parallel()
	named := func(s *testhelpers.PackageSpec) { s.Name, s.Homepage = "Hello", "https://example.com" }
	a, b := hello(t, "linux/amd64", named), hello(t, "linux/arm64", named, func(s *testhelpers.PackageSpec) { s.Version = "2.0.0" })
	if got, want := buildpackage.Describe(a), (buildpackage.Facts{
		Kind: buildpackage.Buildpack, ID: "acme/hello", Version: "1.2.3", Name: "Hello", Homepage: "https://example.com",
	}); got != want {
		t.Errorf("described as %+v", got)
	}
	if got, want := buildpackage.DescribeAll([]index.Manifest{{}, a, b}), (buildpackage.Facts{
		Kind: buildpackage.Buildpack, ID: "acme/hello", Name: "Hello", Homepage: "https://example.com",
	}); got != want {
		t.Errorf("in common: %+v", got)
	}
	if got := buildpackage.DescribeAll([]index.Manifest{a, app(t, "linux/arm64"), b}); got != (buildpackage.Facts{}) {
		t.Errorf("nothing in common: %+v", got)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	const prefix = "io.buildpacks."
	for labels, want := range map[string]string{
		"":                                       "plain",
		"buildpackage.metadata":                  "buildpack",
		"buildpack.layers":                       "buildpack",
		"extension.layers":                       "extension",
		"extension.layers buildpackage.metadata": "extension",
		"builder.metadata buildpack.layers extension.layers buildpack.order stack.id": "builder",
		"builder.metadata lifecycle.version lifecycle.apis":                           "lifecycle",
		"builder.metadata lifecycle.version buildpack.order":                          "builder",
		"lifecycle.metadata stack.id base.id":                                         "app",
		"build.metadata":                                                              "app",
		"stack.id":                                                                    "base",
		"base.distro.name":                                                            "base",
		"lifecycle.version":                                                           "lifecycle",
		"rebasable":                                                                   "plain",
	} {
		set := map[string]string{}
		for name := range strings.FieldsSeq(labels) {
			set[prefix+name] = "{}"
		}
		if got := buildpackage.Read(resolve(t, labelled(t, "linux/amd64", set))).Kind.String(); got != want {
			t.Errorf("%q makes it %s, want %s", labels, got, want)
		}
		for name := range maps.Clone(set) {
			set[name] = ""
		}
		if got := buildpackage.Read(resolve(t, labelled(t, "linux/amd64", set))).Kind; got != buildpackage.Plain && !strings.Contains(labels, "base.") {
			t.Errorf("%q, all empty, makes it %s", labels, got)
		}
	}
	if got := buildpackage.Read(index.Manifest{}).Kind.String(); got != "unknown" {
		t.Errorf("an image without a config is %s", got)
	}
}

// What lifecycle was asked for when an application was built.
func TestApp(t *testing.T) {
	t.Parallel()
	img := buildpackage.Read(app(t, "linux/amd64"))
	if len(img.App.Buildpacks) != 1 || img.App.Buildpacks[0].ID != "acme/one" || img.App.RunImage.Reference != "run@x" || img.Base.StackID != "acme.stack" {
		t.Errorf("read %+v", img)
	}
}
