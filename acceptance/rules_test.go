//go:build acceptance

package acceptance_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// realCase is images that a rule finds nothing in, and such as it does.
type realCase struct {
	good, bad []string
	severity  string   // of the finding
	args      []string // of validate, and of what keeps or publishes
	// refused is what is said where the images cannot even be taken.
	refused string
	// sources, a list that is kept, and one that is published are looked at, but
	// for what these say; create has flags for the one that is kept.
	create                []string
	keptOnly, neverIsKept bool
}

// realCases has every rule. All bad images are made by upstream pack, crane or
// regctl, but for one that no tool makes.
func realCases(f *field) map[index.RuleID]realCase {
	f.tb.Helper()
	one := buildpackTOML("0.10", "acme/one", "1.0.0", "")
	oneAMD, oneARM := f.cnb("one-amd64", one, "linux/amd64"), f.cnb("one-arm64", one, "linux/arm64")
	two := f.cnb("two-arm64", buildpackTOML("0.10", "acme/two", "1.0.0", ""), "linux/arm64")
	both := []string{oneAMD, oneARM}
	limited := func(arch, target string) string {
		return f.cnb("limited-"+arch, buildpackTOML("0.12", "acme/limited", "1.0.0", forAMD), target)
	}
	limitedAMD := limited("amd64", "linux/amd64")
	prog := func(name, target string, machine byte) string {
		return f.packaged(name, target, map[string]string{
			"buildpack.toml": buildpackTOML("0.10", "acme/prog", "1.0.0", ""), "bin/build": header(machine), "bin/detect": header(machine),
		})
	}
	progAMD, liar := prog("prog-amd64", "linux/amd64", amd64), prog("prog-liar", "linux/arm64", amd64)
	programs := []string{progAMD, prog("prog-arm64", "linux/arm64", arm64)}
	extension := f.packaged("ext", "linux/amd64", map[string]string{
		"extension.toml": "api = \"0.10\"\n[extension]\nid = \"acme/ext\"\nversion = \"1.0.0\"\n", "package.toml": "[extension]\nuri = \".\"\n",
		"bin/generate": script, "bin/detect": script,
	})
	hello := f.published("amd64", "linux/amd64")
	hello3 := f.published("three", "linux/amd64", "linux/arm64", "windows/amd64")
	builders := []string{f.builder("amd64", "24.04", "0.12", usesOne), f.builder("arm64", "24.04", "0.12", usesOne)}
	app := f.app("app-amd64", "linux/amd64")
	metas := []string{f.composite("meta-amd64", "linux/amd64", []string{oneAMD}), f.composite("meta-arm64", "linux/arm64", []string{oneARM})}
	empty := f.indexed("empty")
	wrong := f.indexed("wrong", "--ref", app, "--desc-platform", "linux/s390x")
	annotated := f.annotated(hello)
	return map[index.RuleID]realCase{
		index.DigestMismatch:    {good: both, bad: []string{f.tampered(oneAMD)}, refused: "digest-mismatch"},
		index.NotAnImage:        {good: both, bad: []string{hello, f.chart()}, create: []string{"--format", "oci"}, severity: "error"},
		index.ConfigUnreadable:  {good: both, bad: []string{f.headless()}, refused: "it has 0 diff IDs for 1 layers"},
		index.EmptyList:         {good: both, bad: []string{empty}, severity: "error", neverIsKept: true},
		index.PlatformMissing:   {good: both, bad: []string{f.cnb("one-none", one, "")}, severity: "error"},
		index.PlatformDuplicate: {good: both, bad: []string{oneAMD, f.cnb("one-mit", one+"[[buildpack.licenses]]\ntype = \"MIT\"\n", "linux/amd64")}, severity: "error"},
		index.PlatformShadowed: {
			good: []string{hello3}, severity: "warning",
			bad: []string{f.published("distros", "linux/amd64:ubuntu@22.04", "linux/amd64:ubuntu@24.04", "linux/arm64")},
		},
		index.NoLinuxAMD64:    {good: both, bad: []string{oneARM}, severity: "warning"},
		index.PlatformUnknown: {good: both, bad: []string{f.mutated(hello, "x86", "--set-platform", "linux/amd46")}, severity: "warning"},
		index.PlatformUnlikely: {
			good: []string{app}, bad: []string{f.mutated(hello, "darwin", "--set-platform", "darwin/arm64")}, severity: "warning",
		},
		index.VariantUnknown:   {good: both, bad: []string{f.mutated(hello, "v8", "--set-platform", "linux/amd64/v8")}, severity: "warning"},
		index.VariantMissing:   {good: []string{f.base("arm", "linux/arm/v7")}, bad: []string{oneAMD, f.cnb("one-arm", one, "linux/arm/v7")}, severity: "warning"},
		index.PlatformMismatch: {good: []string{app}, bad: []string{wrong}, severity: "error"},
		index.WindowsOSVersion: {
			good: []string{f.app("app-windows", "windows/amd64:10.0.20348.1")}, bad: []string{f.app("app-windows-none", "windows/amd64")}, severity: "warning",
		},
		index.PlatformsRequired: {good: both, bad: []string{oneAMD}, args: []string{"--require", "linux/amd64,linux/arm64"}, severity: "error"},
		index.KindMixed:         {good: []string{extension}, bad: []string{oneARM, extension}, severity: "error"},
		index.LabelMissing:      {good: both, bad: []string{f.mutated(hello, "unlabelled", "--label", "io.buildpacks.buildpack.layers=")}, severity: "error"},
		index.IDMismatch:        {good: both, bad: []string{oneAMD, two}, severity: "error"},
		index.VersionMismatch:   {good: both, bad: []string{oneAMD, f.cnb("one-newer", buildpackTOML("0.10", "acme/one", "1.1.0", ""), "linux/arm64")}, severity: "error"},
		index.MainNotInLayers: {
			good: both, severity: "error",
			bad: []string{f.mutated(hello, "renamed", "--label", `io.buildpacks.buildpackage.metadata={"id":"examples/hello-universe","version":"9.9.9"}`)},
		},
		index.LayerMissing:      {good: metas, bad: []string{f.flattened(hello)}, severity: "error"},
		index.ExtraLayers:       {good: []string{hello3}, bad: []string{f.appended(hello)}, severity: "warning"},
		index.TargetUnsupported: {good: []string{limitedAMD}, bad: []string{limitedAMD, limited("s390x", "linux/s390x")}, severity: "error"},
		index.TargetUncovered:   {good: []string{hello3}, bad: []string{hello}, severity: "warning"},
		index.ModulesDiffer:     {good: metas, bad: []string{metas[0], f.composite("meta-both", "linux/arm64", []string{oneARM, two})}, severity: "warning"},
		index.StacksDiffer: {
			good: both, severity: "warning",
			bad: []string{oneAMD, f.cnb("one-stacks", buildpackTOML("0.10", "acme/one", "1.0.0", "[[stacks]]\nid = \"acme.stack\"\nmixins = [\"curl\"]\n"), "linux/arm64")},
		},
		index.APIDiffer:          {good: both, bad: []string{oneAMD, f.cnb("one-api", buildpackTOML("0.11", "acme/one", "1.0.0", ""), "linux/arm64")}, severity: "warning"},
		index.APIUnsupported:     {good: both, bad: []string{f.cnb("old", buildpackTOML("0.2", "acme/old", "1.0.0", ""), "linux/amd64")}, severity: "warning"},
		index.VersionFormat:      {good: both, bad: []string{f.cnb("odd", buildpackTOML("0.10", "acme/odd", "1.0", ""), "linux/amd64")}, severity: "warning"},
		index.IDFormat:           {good: both, bad: []string{f.cnb("odd-id", buildpackTOML("0.10", "Acme_odd", "1.0.0", ""), "linux/amd64")}, severity: "warning"},
		index.BuilderUnreadable:  {good: builders, bad: []string{f.mutated(builders[0], "unreadable", "--label", "io.buildpacks.buildpack.order={")}, severity: "warning"},
		index.BuilderLifecycle:   {good: builders, bad: []string{builders[0], f.builder("arm64", "24.04", "0.11", usesOne)}, severity: "warning"},
		index.BuilderModules:     {good: builders, bad: []string{builders[0], f.builder("arm64", "24.04", "0.12", usesBoth)}, severity: "warning"},
		index.BuilderOrder:       {good: builders, bad: []string{builders[0], f.builder("arm64", "24.04", "0.12", mayUse)}, severity: "warning"},
		index.BuilderStack:       {good: builders, bad: []string{builders[0], f.builder("arm64", "22.04", "0.12", usesOne)}, severity: "warning"},
		index.BinaryArch:         {good: programs, bad: []string{progAMD, liar}, args: []string{"--deep"}, severity: "error"},
		index.SameLayerOtherArch: {good: programs, bad: []string{progAMD, liar}, args: []string{"--deep"}, severity: "note"},
		index.MediaTypeMixed:     {good: both, bad: both, create: []string{"--format", "oci", "--preserve-digests"}, keptOnly: true, severity: "warning"},
		index.AnnotationsInV2S2:  {good: both, bad: []string{annotated}, severity: "error", neverIsKept: true},
		index.NotConvertible:     {good: both, bad: []string{f.mutated(hello, "annotated", "--annotation", "a=b")}, create: []string{"--format", "v2s2"}, keptOnly: true, severity: "error"},
	}
}

// flattened is a package in one layer, which none of its labels names.
func (f *field) flattened(ref string) string {
	f.tb.Helper()
	to := f.host + "/acme/flattened:1"
	two := f.appended(ref) // crane leaves a single layer as it is
	f.ok(f.tb, f.crane, "flatten", two, "-t", to)
	return to
}

// appended is an image with a layer more.
func (f *field) appended(ref string) string {
	f.tb.Helper()
	f.write(f.tb, "more/etc/motd", "hello\n")
	to, layer := f.host+"/acme/appended:1", f.path("more.tar")
	f.ok(f.tb, "tar", "-C", f.path("more"), "-cf", layer, "etc")
	f.ok(f.tb, f.crane, "append", "--base", ref, "-f", layer, "-t", to)
	return to
}

// found is a finding of validate -o json.
type found struct{ Rule, Severity, Entry, Message, Repair, Fix string }

// validate returns what is found, and how severe.
func (f *field) validate(tb testing.TB, args ...string) []found {
	tb.Helper()
	r := f.run(tb, testhelpers.Binary(tb), slices.Concat([]string{"manifest", "validate", "-o", "json"}, args)...)
	if r.code != 0 && r.code != 3 || r.stdout == "" {
		tb.Fatalf("validate %q exits with %d: %s", args, r.code, r.stderr)
	}
	return parseFindings(tb, r.stdout)
}

func parseFindings(tb testing.TB, text string) []found {
	tb.Helper()
	var all []found
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		tb.Fatalf("%v in %q", err, text)
	}
	return all
}

// ofRule returns the findings of a rule that are as severe as said.
func ofRule(all []found, rule index.RuleID, severities ...string) []found {
	return slices.DeleteFunc(slices.Clone(all), func(one found) bool {
		return one.Rule != string(rule) || !slices.Contains(severities, one.Severity)
	})
}

// paste runs a command as a user does who pastes it into a shell.
func (f *field) paste(tb testing.TB, command string) result {
	tb.Helper()
	bin := f.path("bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		tb.Fatal(err)
	}
	if _, err := os.Lstat(bin + "/pack"); err != nil {
		if err := os.Symlink(testhelpers.Binary(tb), bin+"/pack"); err != nil && !os.IsExist(err) {
			tb.Fatal(err)
		}
	}
	return f.with("PATH="+bin+":/usr/bin:/bin").run(tb, "/bin/sh", "-c", command)
}

// TestRulesOnRealPackages: every rule finds what is wrong in images of the
// field, and nothing else in good ones; and what it offers repairs the list, or
// lets it pass, where it is pasted into a shell: for sources, for a list that is
// kept, and for one that is published.
func TestRulesOnRealPackages(t *testing.T) {
	t.Parallel()
	f := newField(t)
	cases := realCases(f)
	for _, info := range index.RuleTable() {
		c, ok := cases[info.ID]
		if !ok {
			t.Errorf("there are no images for %s", info.ID)
			continue
		}
		delete(cases, info.ID)
		t.Run(string(info.ID), func(t *testing.T) { f.judge(t, info.ID, c) })
	}
	if len(cases) > 0 {
		t.Errorf("no such rules: %v", slices.Collect(maps.Keys(cases)))
	}
}

func (f *field) judge(t *testing.T, rule index.RuleID, c realCase) {
	t.Helper()
	for _, one := range f.validate(t, slices.Concat(c.good, c.args)...) {
		if one.Severity != "note" {
			t.Errorf("in the good images: %+v", one)
		}
	}
	if c.refused != "" {
		if r := f.fails(t, 3, append([]string{"validate"}, c.bad...)...); !strings.Contains(r.stdout+r.stderr, c.refused) {
			t.Errorf("refused with %s%s", r.stdout, r.stderr)
		}
		return
	}
	list := f.host + "/rules/" + string(rule)
	if !c.neverIsKept {
		f.keep(t, rule, c, list+":kept")
	}
	if c.keptOnly {
		return
	}
	f.mend(t, rule, c, slices.Concat(c.bad, c.args))
	if c.neverIsKept {
		return
	}
	args := slices.Concat([]string{"create", list + ":published", "--publish", "--validate", "off", "--allow", string(index.NotAnImage)}, c.create, c.bad)
	r := f.run(t, testhelpers.Binary(t), append([]string{"manifest"}, args...)...)
	if r.code != 0 {
		t.Fatalf("not published: %s", r.stderr)
	}
	f.mend(t, rule, c, slices.Concat([]string{list + ":published"}, c.args))
}

// keep keeps the bad images and mends the list. Where that is refused, what is
// said of it is pasted.
func (f *field) keep(t *testing.T, rule index.RuleID, c realCase, list string) {
	t.Helper()
	args := slices.Concat([]string{"manifest", "create", list}, c.create, c.bad)
	r := f.run(t, testhelpers.Binary(t), args...)
	if r.code == 0 {
		f.mend(t, rule, c, slices.Concat([]string{list}, c.args))
		return
	}
	lines := strings.Split(r.stderr, "\n")
	at := slices.IndexFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "ERROR: ") && strings.HasSuffix(line, "["+string(rule)+"]")
	})
	if at < 0 || !strings.HasPrefix(lines[at+1], "Tip: ") {
		t.Fatalf("create is refused, not by the rule: %s", r.stderr)
	}
	again := f.paste(t, strings.TrimPrefix(lines[at+1], "Tip: "))
	if again.code != 0 || strings.Contains(again.stderr, "["+string(rule)+"]") {
		t.Errorf("%s\nexits with %d: %s", lines[at+1], again.code, again.stderr)
	}
}

// mend lets validate look, pastes what it offers for the first finding of the
// rule, and looks again.
func (f *field) mend(t *testing.T, rule index.RuleID, c realCase, args []string) {
	t.Helper()
	before := ofRule(f.validate(t, args...), rule, c.severity)
	if len(before) == 0 {
		t.Fatalf("%s is not found in %q: %+v", rule, args, f.validate(t, args...))
	}
	one := before[0]
	if one.Fix == "" {
		t.Fatalf("nothing is offered for %+v", one)
	}
	r := f.paste(t, one.Fix)
	if r.code != 0 && r.code != 3 {
		t.Fatalf("%s\nexits with %d: %s", one.Fix, r.code, r.stderr)
	}
	var after []found
	if strings.HasPrefix(one.Fix, "pack manifest validate ") {
		after = parseFindings(t, r.stdout)
	} else {
		after = f.validate(t, args...)
	}
	left := ofRule(after, rule, "error", "warning")
	if c.severity != "note" && len(left) >= len(before) {
		t.Errorf("after %s\nthere is still %+v", one.Fix, left)
	}
}

// TestNothingFalseOnRealPackages: what upstream pack and other tools make rightly
// passes without a word, but for notes; kept, and published, too.
func TestNothingFalseOnRealPackages(t *testing.T) {
	t.Parallel()
	f := newField(t)
	one := buildpackTOML("0.12", "acme/one", "1.0.0", forAMD+forARM)
	both := []string{f.cnb("one-amd64", one, "linux/amd64"), f.cnb("one-arm64", one, "linux/arm64")}
	distro := "[[targets]]\nos = \"linux\"\narch = \"amd64\"\n[[targets.distros]]\nname = \"ubuntu\"\nversion = \"24.04\"\n"
	attested := f.host + "/acme/attested:1"
	testhelpers.PushIndex(t, attested, testhelpers.Attested(t, testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true})), remote.WithTransport(oneShot()))
	for name, sources := range map[string][]string{
		"files":               both,
		"upstream's list":     {f.published("three", "linux/amd64", "linux/arm64", "windows/amd64")},
		"upstream's manifest": {f.glued(f.published("t-amd64", "linux/amd64"), f.published("t-arm64", "linux/arm64"), f.published("t-windows", "windows/amd64"))},
		"a composite":         {f.composite("meta-amd64", "linux/amd64", both[:1]), f.composite("meta-arm64", "linux/arm64", both[1:])},
		"a flattened composite": {
			f.composite("meta-flat-amd64", "linux/amd64", both[:1], "--flatten"), f.composite("meta-flat-arm64", "linux/arm64", both[1:], "--flatten"),
		},
		"a distribution": {f.cnb("distro", buildpackTOML("0.12", "acme/distro", "1.0.0", distro), "linux/amd64:ubuntu@24.04")},
		"an extension": {f.packaged("ext", "linux/amd64", map[string]string{
			"extension.toml": "api = \"0.10\"\n[extension]\nid = \"acme/ext\"\nversion = \"1.0.0\"\n", "package.toml": "[extension]\nuri = \".\"\n",
			"bin/generate": script, "bin/detect": script,
		})},
		"builders":          {f.builder("amd64", "24.04", "0.12", usesBoth), f.builder("arm64", "24.04", "0.12", usesBoth)},
		"applications":      {f.app("app-amd64", "linux/amd64"), f.app("app-arm64", "linux/arm64"), f.app("app-windows", "windows/amd64:10.0.20348.1")},
		"base images":       {f.base("base", "linux/arm64", "--label", "io.buildpacks.base.id=acme/base")},
		"without any label": {f.base("plain-amd64", "linux/amd64"), f.base("plain-s390x", "linux/s390x")},
		"attestations":      {attested},
	} {
		t.Run(name, func(t *testing.T) {
			list := f.host + "/false/" + strings.NewReplacer(" ", "-", "'", "").Replace(name) + ":1"
			f.manifest(t, append([]string{"create", list, "--format", "oci"}, sources...)...)
			kept := f.validate(t, list)
			f.manifest(t, "push", list, "--purge")
			for _, one := range slices.Concat(f.validate(t, sources...), kept, f.validate(t, list, "--deep")) {
				if one.Severity != "note" {
					t.Errorf("%+v", one)
				}
			}
		})
	}
}

// glued lets upstream pack make a list of images of the same repository.
func (f *field) glued(images ...string) string {
	f.tb.Helper()
	ref := f.host + "/acme/hello:glued"
	f.ok(f.tb, f.pack, append([]string{"manifest", "create", ref}, images...)...)
	f.ok(f.tb, f.pack, "manifest", "push", ref, "--purge")
	return ref
}
