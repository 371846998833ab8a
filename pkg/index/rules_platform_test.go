package index_test

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// found shows findings: the number of the entry, "-" for the list, and the
// message.
func found(findings []index.Finding) string {
	var lines []string
	for _, f := range findings {
		number := "-"
		if f.Entry.Digest.Hex != "" {
			number = numbers([]index.Entry{f.Entry})
		}
		lines = append(lines, number+": "+f.Message)
	}
	return strings.Join(lines, "\n")
}

// wantFound checks the rule of all findings and their texts.
func wantFound(t *testing.T, findings []index.Finding, id index.RuleID, want ...string) {
	t.Helper()
	if got := found(findings); got != strings.Join(want, "\n") {
		t.Errorf("found\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	for _, f := range findings {
		if f.Rule != id {
			t.Errorf("found %s, want %s", f.Rule, id)
		}
	}
}

func featured(e index.Entry, features ...string) index.Entry {
	e.Platform.OSFeatures = features
	return e
}

func TestPlatformRules(t *testing.T) {
	t.Parallel()
	oci := func(n int, platform string) index.Entry { return image(n, index.OCI, platform) }
	for name, c := range map[string]struct {
		rule    index.Rule
		id      index.RuleID
		entries []index.Entry
		want    []string
	}{
		"nothing hidden": {index.NotShadowed, index.PlatformShadowed, []index.Entry{
			oci(1, "linux/arm/v7"), oci(2, "linux/arm/v6"), oci(3, "linux/amd64"), oci(4, "linux/amd64/v3"),
			oci(5, "windows/amd64:10.0.17763.1"), oci(6, "windows/amd64:10.0.20348.1"), oci(7, ""), oci(8, "linux/"),
			attestation(9, digest(3)), nested(10, index.OCI, "linux/amd64:9"),
		}, nil},
		"duplicates are not hidden": {index.NotShadowed, index.PlatformShadowed, []index.Entry{
			oci(1, "linux/amd64"), oci(2, "linux/x86_64"), oci(3, "linux/arm64"), oci(4, "linux/arm64/v8"),
		}, nil},
		// What "pack buildpack package --target linux/amd64:ubuntu@22.04 --target linux/amd64:ubuntu@24.04" makes.
		"distributions": {index.NotShadowed, index.PlatformShadowed, []index.Entry{
			oci(1, "linux/amd64:22.04"), oci(2, "linux/arm64:22.04"), oci(3, "linux/amd64:24.04"),
			featured(oci(4, "linux/arm64:22.04"), "sse"),
		}, []string{
			"3: linux/amd64:24.04 is hidden behind linux/amd64:22.04: consumers take the first of both",
			`4: linux/arm64:22.04 with ["sse"] is hidden behind linux/arm64:22.04: consumers take the first of both`,
		}},
		"likely": {index.LikelyPlatforms, index.PlatformUnlikely, []index.Entry{
			oci(1, "linux/loong64"), oci(2, "windows/arm"), oci(3, "freebsd/amd64"), oci(4, "lunix/amd64"), oci(5, "linux/"), oci(6, ""),
			attestation(7, digest(1)), nested(8, index.OCI, "windows/s390x"),
		}, nil},
		"unlikely": {index.LikelyPlatforms, index.PlatformUnlikely, []index.Entry{oci(1, "windows/s390x"), oci(2, "darwin/386")}, []string{
			"1: nothing is known to run on windows/s390x", "2: nothing is known to run on darwin/386",
		}},
		"variants": {index.KnownVariants, index.VariantUnknown, []index.Entry{
			oci(1, "linux/arm/v5"), oci(2, "linux/arm/v8"), oci(3, "linux/arm64/v8"), oci(4, "linux/arm64/v8.2"), oci(5, "linux/arm64/v9"),
			oci(6, "linux/amd64/v1"), oci(7, "linux/amd64/v4"), oci(8, "linux/ppc64le/power9"), oci(9, "linux/riscv64/rva22u64"),
			oci(10, "linux/arm64"), oci(11, "linux/arm64/8"), oci(12, "linux/arm/v\x1b"), attestation(13, digest(1)),
		}, nil},
		// https://github.com/estesp/manifest-tool/issues/185
		"unknown variants": {index.KnownVariants, index.VariantUnknown, []index.Entry{
			oci(1, "linux/amd64/v8"), oci(2, "linux/arm/v9"), oci(3, "linux/arm64/v99"), oci(4, "linux/s390x/z13"),
			oci(5, "linux/ppc64le/v9"), oci(6, "linux/riscv64/v1"),
		}, []string{
			`1: the variant "v8" is not known for amd64, which has variants such as v2 and v3`,
			`2: the variant "v9" is not known for arm, which has variants such as v6 and v7`,
			`3: the variant "v99" is not known for arm64, which has variants such as v8 and v9`,
			`4: the variant "z13" is not known for s390x, which has no variants`,
			`5: the variant "v9" is not known for ppc64le, which has variants such as power8 and power9`,
			`6: the variant "v1" is not known for riscv64, which has variants such as rva20u64 and rva22u64`,
		}},
		"variant present": {index.VariantPresent, index.VariantMissing, []index.Entry{oci(1, "linux/arm/v6"), oci(2, "linux/arm64"), oci(3, "")}, nil},
		"variant missing": {index.VariantPresent, index.VariantMissing, []index.Entry{oci(1, "linux/arm")}, []string{
			"1: linux/arm is without a variant, which consumers take for v7",
		}},
		"expressible": {index.Expressible, index.AnnotationsInV2S2, []index.Entry{annotated(oci(1, ""), map[string]string{"a": "b"})}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFound(t, list(t, index.OCI, c.entries...).Check(c.rule), c.id, c.want...)
		})
	}
}

func TestShadowedNamesTheOther(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, image(1, index.OCI, "linux/amd64:1"), image(2, index.OCI, "linux/amd64:2"), image(3, index.OCI, "linux/amd64:3"))
	findings := ix.Check(index.NotShadowed)
	if len(findings) != 2 || numbers(findings[1].Others) != "1" {
		t.Errorf("found %+v", findings)
	}
}

// The pairs that are taken for likely are those of the Go that runs the tests.
func TestPairsAreThoseOfGo(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "tool", "dist", "list").Output()
	if err != nil {
		t.Skipf("go tool dist list: %v", err)
	}
	pairs := strings.Fields(string(out))
	if len(pairs) < 40 {
		t.Fatalf("go tool dist list says %q", pairs)
	}
	for i, pair := range pairs {
		ix := list(t, index.OCI, image(i, index.OCI, pair))
		wantFound(t, ix.Check(index.LikelyPlatforms), index.PlatformUnlikely)
	}
}

// moby #41873: the list says arm64, the image amd64.
func TestTruePlatforms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entry, config, want string
		note                bool
	}{
		{"linux/amd64", "linux/amd64", "", false},
		{"linux/arm64", "linux/arm64/v8", "", false},
		{"linux/arm64/v8", "linux/arm64", "", false},
		{"linux/arm/v7", "linux/arm", "", false},
		{"linux/arm", "linux/arm/v7", "", false},
		{"linux/arm/v6", "linux/arm", "", false},
		{"linux/amd64/v3", "linux/amd64", "", false},
		{"linux/x86_64", "linux/amd64", "", false},
		{"windows/amd64", "windows/amd64:10.0.17763.1", "", false},
		{"windows/amd64:10.0.17763.1", "windows/amd64", "", false},
		{"linux/", "linux/amd64", "", false},
		{"", "linux/amd64", "", false},
		{"linux/arm64", "linux/amd64", "the list says linux/arm64, the image's own config says linux/amd64", false},
		{"windows/amd64", "linux/amd64", "the list says windows/amd64, the image's own config says linux/amd64", false},
		{"linux/arm/v6", "linux/arm/v7", "the list says linux/arm/v6, the image's own config says linux/arm/v7", false},
		{"linux/arm", "linux/arm/v6", "the list says linux/arm, the image's own config says linux/arm/v6", false},
		{"windows/amd64:2", "windows/amd64:1", "the list says windows/amd64:2, the image's own config says windows/amd64:1", false},
		{"linux/amd64", "linux/", "the list says linux/amd64, of which the image's own config does not say all", true},
		{"linux/amd64", "/", "the list says linux/amd64, of which the image's own config does not say all", true},
		{"windows/amd64", "linux/", "the list says windows/amd64, the image's own config says linux/?", false},
	} {
		e := image(1, index.OCI, c.entry)
		said := image(1, index.OCI, c.config).Platform
		m := index.Manifest{Entry: e, Config: &v1.ConfigFile{
			OS: said.OS, Architecture: said.Architecture, Variant: said.Variant, OSVersion: said.OSVersion,
		}}
		findings := list(t, index.OCI, e).Check(index.TruePlatforms([]index.Manifest{m}))
		want := []string{}
		if c.want != "" {
			want = []string{"1: " + c.want}
		}
		wantFound(t, findings, index.PlatformMismatch, want...)
		for _, f := range findings {
			if (f.Limit == index.AtMostNote) != c.note {
				t.Errorf("%s against %s has the limit %d", c.entry, c.config, f.Limit)
			}
		}
		if c.config == "linux/amd64" && len(findings) == 1 && findings[0].Values[0] != "linux/amd64" {
			t.Errorf("the config's platform is given as %q", findings[0].Values)
		}
		wantFound(t, list(t, index.OCI, e).Check(index.TruePlatforms(nil)), index.PlatformMismatch)
	}
}

// A list of upstream's may have what its format cannot hold.
func TestExpressible(t *testing.T) {
	t.Parallel()
	ix := parse(t, `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[
		{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","size":1,"digest":"`+digest(1).String()+`","annotations":{"a":"b"}},
		{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","size":1,"digest":"`+digest(2).String()+`","artifactType":"application/x"},
		{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","size":1,"digest":"`+digest(3).String()+`",
		 "artifactType":"application/vnd.docker.container.image.v1+json"}],
		"annotations":{"c":"d"}}`)
	wantFound(t, ix.Check(index.Expressible), index.AnnotationsInV2S2,
		"-: the list has annotations, which a list in the format v2s2 cannot hold",
		"1: entry "+digest(1).String()+" has annotations, which a list in the format v2s2 cannot hold",
		"2: entry "+digest(2).String()+" has an artifactType, which a list in the format v2s2 cannot hold")
	judged, err := index.Policy{Allow: []index.RuleID{index.AnnotationsInV2S2}}.Judge(ix.Check(index.Expressible), index.Publish)
	if err != nil || len(judged) != 3 {
		t.Errorf("allowed, they are %+v, %v", judged, err)
	}
}

func TestIntegrityRules(t *testing.T) {
	t.Parallel()
	const layer = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":1,"digest":"sha256:` +
		`0000000000000000000000000000000000000000000000000000000000000000"}`
	make1 := func(config, layers string) index.Manifest {
		raw := imageDoc(`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":` +
			strconv.Itoa(len(config)) + `,"digest":"` + index.DigestOf([]byte(config)).String() + `"},"layers":[` + layers + `]`)
		e := image(1, index.OCI, "linux/amd64")
		e.Digest, e.Size = index.DigestOf([]byte(raw)), int64(len(raw))
		return index.Manifest{Entry: e, Raw: []byte(raw), RawConfig: []byte(config)}
	}
	good := make1(`{"rootfs":{"diff_ids":["sha256:`+strings.Repeat("0", 64)+`"]}}`, layer)
	short, shortConfig, other := good, good, good
	short.Raw = good.Raw[1:]
	shortConfig.RawConfig = good.RawConfig[1:]
	other.RawConfig = []byte(strings.Replace(string(good.RawConfig), "0", "1", 1))
	for name, c := range map[string]struct {
		m               index.Manifest
		digests, config string
	}{
		"good":           {good, "", ""},
		"manifest":       {short, "its manifest has ", ""},
		"config, size":   {shortConfig, "its config has ", "its config cannot be read"},
		"config, digest": {other, "its config has the digest " + index.DigestOf(other.RawConfig).String() + ", not ", ""},
		"no layer":       {make1(`{"rootfs":{"diff_ids":[]}}`, layer), "", "its config has 0 diff IDs for 1 layers"},
		"no JSON":        {make1(`{`, layer), "", "its config cannot be read: unexpected end of JSON input"},
		"wrong type":     {make1(`{"os":[]}`, layer), "", "its config cannot be read: json: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ix := list(t, index.OCI, c.m.Entry)
			for want, rule := range map[string]index.Rule{
				string(index.DigestMismatch) + "|" + c.digests:  index.Digests([]index.Manifest{c.m}),
				string(index.ConfigUnreadable) + "|" + c.config: index.ReadableConfigs([]index.Manifest{c.m}),
			} {
				id, text, _ := strings.Cut(want, "|")
				findings := ix.Check(rule)
				if text == "" && len(findings) == 0 {
					continue
				}
				if text == "" || len(findings) != 1 || string(findings[0].Rule) != id || !strings.HasPrefix(findings[0].Message, text) {
					t.Errorf("%s found %q, want %q", id, found(findings), text)
				}
			}
		})
	}
}

// An image whose config is not at hand is no artifact.
func TestImagesOnlyWithoutConfigs(t *testing.T) {
	t.Parallel()
	m := index.Manifest{Entry: image(1, index.OCI, "linux/amd64"), Raw: []byte(imageDoc(`"config":` + configA))}
	wantFound(t, list(t, index.OCI, m.Entry).Check(index.ImagesOnly([]index.Manifest{m})), index.NotAnImage)
}

// R8, R9: an attestation and what is not at hand are not looked at.
func TestIntegrityRulesLeaveOut(t *testing.T) {
	t.Parallel()
	e := attestation(1, digest(2))
	absent := image(2, index.OCI, "linux/amd64")
	manifests := []index.Manifest{{Entry: e, Raw: []byte("x"), RawConfig: []byte("x")}, {Entry: absent}}
	ix := list(t, index.OCI, e, absent)
	wantFound(t, ix.Check(index.Digests(manifests), index.ReadableConfigs(manifests)), "")
}

// crane writes the media type of the config into Docker's lists as artifactType.
// That is no reason to refuse the list, and is not carried to the other format.
func TestConfigsAreNoArtifactType(t *testing.T) {
	t.Parallel()
	typed := image(1, index.OCI, "linux/amd64")
	typed.ArtifactType = "application/vnd.docker.container.image.v1+json"
	for _, format := range []index.Format{index.V2S2, index.OCI} {
		ix, _, err := index.New(format).Apply(index.Add(typed))
		if err != nil {
			t.Fatal(err)
		}
		wantFound(t, ix.Check(index.Expressible), index.AnnotationsInV2S2)
		docker, _, err := ix.Apply(index.Convert(index.V2S2))
		if err != nil {
			t.Fatal(err)
		}
		if got := docker.Entries()[0].ArtifactType; format == index.OCI && got != "" {
			t.Errorf("in a Docker list it is %q", got)
		}
	}
}

// What an entry should say, as far as that is known or likely.
func TestPatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule     index.Rule
		platform []string
		want     []string // the platforms with the patch, "" for none
	}{
		{index.PlatformPresent(nil), []string{"linux/", "windows/", ""}, []string{"linux/amd64", "windows/amd64", "linux/arm64"}},
		{index.PlatformPresent(nil), []string{"linux/amd64", "linux/", "/s390x"}, []string{"linux/arm64", "linux/s390x"}},
		{index.PlatformPresent(nil), []string{"linux/amd64", "linux/aarch64/v8", "linux/"}, []string{""}},
		{index.KnownPlatforms, []string{"linux/x86_64", "linux/arm64v8", "lunix/armhf", "macOS/AMD64"}, []string{"linux/amd64", "linux/arm64/v8", "linux/arm/v7", "darwin/amd64"}},
		{index.KnownPlatforms, []string{"linux/armd64", "linux/odd", "lunix/odd"}, []string{"", "", ""}},
		{index.KnownVariants, []string{"linux/amd64/v8", "linux/arm/v9", "linux/arm64/v7", "linux/s390x/v1"}, []string{"linux/amd64", "linux/arm/v7", "linux/arm64", "linux/s390x"}},
		{index.VariantPresent, []string{"linux/arm"}, []string{"linux/arm/v7"}},
	} {
		var entries []index.Entry
		for i, p := range c.platform {
			entries = append(entries, image(i+1, index.OCI, p))
		}
		var got []string
		for _, f := range list(t, index.OCI, entries...).Check(c.rule) {
			text := ""
			if !f.Patch.IsZero() {
				text = index.FormatPlatform(f.Patched())
			}
			got = append(got, text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("of %q become %q, want %q", c.platform, got, c.want)
		}
	}
}

func TestAsConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ entry, config, want string }{
		{"linux/arm64/v8", "linux/amd64", "linux/amd64"},
		{"linux/amd64", "windows/amd64:10.0.1", "windows/amd64:10.0.1"},
		{"linux/arm/v6", "linux/arm/v7", "linux/arm/v7"},
		{"linux/arm/v6", "linux/arm", "linux/arm/v6"},
		{"windows/amd64:10.0.2", "windows/amd64", "windows/amd64:10.0.2"},
	} {
		entry, config := *image(1, index.OCI, c.entry).Platform, *image(1, index.OCI, c.config).Platform
		if got := index.FormatPlatform(index.AsConfig(entry, config).Patch(entry)); got != c.want {
			t.Errorf("%s as %s is %s, want %s", c.entry, c.config, got, c.want)
		}
	}
}
