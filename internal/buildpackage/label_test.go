package buildpackage_test

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/buildpacks-community/pack-manifest/internal/buildpackage"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// What pack 0.40.7 writes, licences with capital letters and all.
func TestReadMetadata(t *testing.T) {
	t.Parallel()
	got, err := buildpackage.ReadMetadata(`{"id":"acme/hello","name":"Hello","version":"1.2.3","description":"…","homepage":"https://example.com",
		"keywords":["hello"],"exec-env":["production"],"licenses":[{"Type":"Apache-2.0","URI":""}],"clear-env":true,
		"stacks":[{"id":"*","mixins":["curl"]}]}`)
	want := buildpackage.Metadata{
		Ref: buildpackage.Ref{ID: "acme/hello", Version: "1.2.3"}, Name: "Hello", Description: "…", Homepage: "https://example.com",
		Stacks: []buildpackage.Stack{{ID: "*", Mixins: []string{"curl"}}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestReadLayers(t *testing.T) {
	t.Parallel()
	got, err := buildpackage.ReadLayers(`{"b":{"2":{"api":null,"layerDiffID":"sha256:b"}},"a":{"2":{"api":"0.10","layerDiffID":"sha256:a",
		"order":[{"group":[{"id":"b","version":"2","optional":true}]}],"unknown":[{}]},"1":{"stacks":[{"id":"*"}],"targets":[
		{"os":"linux","arch":"arm","variant":"v7","distros":[{"name":"ubuntu","version":"24.04"}]},{"os":"linux","arch":"arm","arch-variant":"v6"},{}]}}}`)
	ref := func(id, version string) buildpackage.Ref { return buildpackage.Ref{ID: id, Version: version} }
	want := []buildpackage.Module{
		{Ref: ref("a", "1"), Stacks: []buildpackage.Stack{{ID: "*"}}, Targets: []buildpackage.Target{
			{OS: "linux", Arch: "arm", Variant: "v7", Distros: []buildpackage.Distro{{Name: "ubuntu", Version: "24.04"}}},
			{OS: "linux", Arch: "arm", Variant: "v6"},
			{},
		}},
		{Ref: ref("a", "2"), API: "0.10", DiffID: "sha256:a", Order: []buildpackage.Group{
			{Members: []buildpackage.Member{{Ref: ref("b", "2"), Optional: true}}},
		}},
		{Ref: ref("b", "2"), DiffID: "sha256:b"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestReadBuilder(t *testing.T) {
	t.Parallel()
	got, err := buildpackage.ReadBuilder(builderMetadata)
	if err != nil || len(got.Buildpacks) != 1 || got.Extensions[0].ID != "acme/ext" || got.Lifecycle.Version != "0.21.0" ||
		!reflect.DeepEqual(got.Lifecycle.APIs["platform"].Supported, []string{"0.7", "0.15"}) {
		t.Errorf("read %+v, %v", got, err)
	}
}

// hostile is labels that must be refused, with a part of what is said about
// them.
func hostile() map[string][2]string {
	return map[string][2]string{
		"empty":             {"", "the JSON ends too early"},
		"cut":               {`{"id":"a"`, "the JSON ends too early"},
		"no JSON":           {`id = "a"`, "invalid character 'i'"},
		"more":              {`{} {}`, "there is more after the JSON value"},
		"duplicate":         {`{"id":"a","id":"b"}`, `duplicate object member name "id"`},
		"spellings":         {`{"id":"a","ID":"b"}`, `member "ID" comes in two spellings`},
		"deep spellings":    {`{"x":[[{"y":{}},{"stacks":1,"z":{"Stacks":1},"STACKS":2}]]}`, `member "STACKS" comes in two spellings`},
		"invalid UTF-8":     {"{\"id\":\"\xff\"}", "invalid UTF-8"},
		"half a surrogate":  {`{"id":"\ud800"}`, "invalid surrogate pair"},
		"control character": {"{\"id\":\"\x1b[2J\"}", `invalid character '\x1b'`},
		"odd names":         {`{"\u001b[2J":1,"\u001b[2J":2}`, "duplicate"},
		"deep":              {strings.Repeat(`[`, 100_000), "exceeded max depth"},
		"deep object":       {strings.Repeat(`{"a":`, 100_000), "exceeded max depth"},
		"10 MB":             {`{"id":"` + strings.Repeat("x", 10<<20) + `"}`, "it has 10485769 bytes, more than 4194304"},
		"number":            {`1`, "what is at byte 1 is of the type number"},
		"text":              {`"{}"`, "is of the type string"},
	}
}

func TestHostileLabels(t *testing.T) {
	t.Parallel()
	readers := map[string]func(string) error{
		"metadata": func(s string) error { _, err := buildpackage.ReadMetadata(s); return err },
		"layers":   func(s string) error { _, err := buildpackage.ReadLayers(s); return err },
		"builder":  func(s string) error { _, err := buildpackage.ReadBuilder(s); return err },
		"order":    func(s string) error { _, err := buildpackage.ReadOrder(s); return err },
		"app":      func(s string) error { _, err := buildpackage.ReadApp(s); return err },
	}
	for name, c := range hostile() {
		for reader, read := range readers {
			t.Run(name+"/"+reader, func(t *testing.T) {
				t.Parallel()
				err := read(c[0])
				if err == nil || !strings.Contains(err.Error(), c[1]) {
					t.Fatalf("said %v, want %q", err, c[1])
				}
				checkHarmless(t, err.Error())
			})
		}
	}
}

// TestMembersHaveTheNamesOfTheLabel: id was "Ref.id", as in the source here.
func TestMembersHaveTheNamesOfTheLabel(t *testing.T) {
	t.Parallel()
	_, err := buildpackage.ReadMetadata(`{"id":7}`)
	if err == nil || err.Error() != `member "id" is of the type number` {
		t.Errorf("said %v", err)
	}
}

// checkHarmless looks for what a message must not have: control characters, and
// foreign text without end.
func checkHarmless(t *testing.T, message string) {
	t.Helper()
	if len(message) > 4000 || strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("the message is %d bytes long, or harmful: %q", len(message), message[:min(len(message), 200)])
	}
}

func TestWrongTypes(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]string{
		`{"a":{"1":{"api":0.10}}}`:                               `"api" is of the type number`,
		`{"a":{"1":{"api":"new"}}}`:                              `the api "new" of a@1 is no version`,
		`{"a":{"1":{"api":"99999999999999999999"}}}`:             `is no version`,
		`{"a":{"1":[]}}`:                                         "is of the type array",
		`{"a":[]}`:                                               "is of the type array",
		`{"a":{"1":{"targets":{}}}}`:                             `"targets" is of the type object`,
		`{"a":{"1":{"targets":[{"os":["linux"]}]}}}`:             "is of the type array",
		`{"a":{"1":{"layerDiffID":{}}}}`:                         `"layerDiffID" is of the type object`,
		`{"a":{"1":{"order":[{"group":[{"optional":"yes"}]}]}}}`: "is of the type string",
	} {
		if _, err := buildpackage.ReadLayers(label); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: said %v, want %q", label, err, want)
		}
	}
}

// A label of the greatest size that a config can have takes no more than time
// in proportion, whatever is in it.
func TestLargeLabels(t *testing.T) {
	t.Parallel()
	var names strings.Builder
	for i := range 300_000 {
		names.WriteString(`"` + strings.Repeat("k", 1+i%3) + time.Duration(i).String() + `":1,`)
	}
	for name, label := range map[string]string{
		"members":  `{` + names.String()[:4<<20-100] + `":1}`,
		"elements": `[` + strings.Repeat("0,", 1<<21-10) + `0]`,
		"modules":  `{"a":{` + strings.Repeat(`"1":{},`, 100) + `}}`,
	} {
		begin := time.Now()
		_, err := buildpackage.ReadLayers(label)
		if took := time.Since(begin); took > 20*time.Second || len(label) > index.MaxManifest {
			t.Errorf("%s of %d bytes took %s", name, len(label), took)
		}
		if err == nil {
			t.Errorf("%s were read", name)
		}
	}
}

// Labels that make no sense are findings of the image that has them.
func TestHostileLabelsAreFindings(t *testing.T) {
	t.Parallel()
	const prefix = "io.buildpacks."
	for name, c := range hostile() {
		if c[0] == "" || name == "invalid UTF-8" || name == "10 MB" || name == "half a surrogate" {
			continue // such a label counts as missing, or does not survive in a config
		}
		for labels, rule := range map[string]index.RuleID{
			"buildpackage.metadata": index.LabelMissing, "buildpack.layers": index.LabelMissing, "extension.layers": index.LabelMissing,
			"builder.metadata": index.BuilderUnreadable, "builder.metadata buildpack.order": index.BuilderUnreadable,
		} {
			set := map[string]string{}
			for l := range strings.FieldsSeq(labels) {
				set[prefix+l] = c[0]
			}
			m := resolve(t, labelled(t, "linux/amd64", set))
			ix := listOf(t, []index.Manifest{m})
			seen := false
			for _, f := range ix.Check(buildpackage.Rules([]index.Manifest{m})...) {
				checkHarmless(t, f.Message)
				seen = seen || f.Rule == rule && strings.Contains(f.Message, "cannot be read: ")
			}
			if !seen {
				t.Errorf("%s in %s was not found", name, labels)
			}
		}
		for _, l := range []string{"lifecycle.metadata", "build.metadata", "base.id"} {
			m := resolve(t, labelled(t, "linux/amd64", map[string]string{prefix + l: c[0]}))
			if findings := listOf(t, []index.Manifest{m}).Check(buildpackage.Rules([]index.Manifest{m})...); len(findings) > 0 {
				t.Errorf("%s in %s: %s", name, l, show(t, findings))
			}
		}
	}
}

// fuzzLabels tries a reader, and the rules on an image with such a label.
func fuzzLabels(f *testing.F, label string, seeds []string, read func(string) error) {
	f.Helper()
	for _, s := range seeds {
		f.Add(s)
	}
	for _, c := range hostile() {
		if len(c[0]) < 1000 { // longer ones would be shortened for minutes
			f.Add(c[0])
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		if err := read(s); err != nil {
			checkHarmless(t, err.Error())
		}
		config := map[string]string{
			"io.buildpacks.buildpackage.metadata": `{"id":"a/b","version":"1.2.3"}`, label: s,
		}
		if strings.Contains(label, "builder") || strings.Contains(label, "order") {
			config["io.buildpacks.builder.metadata"] = builderMetadata
			config[label] = s
		}
		m := resolve(t, labelled(t, "linux/arm64", config))
		other := resolve(t, labelled(t, "linux/amd64", map[string]string{"io.buildpacks.extension.layers": "{}"}))
		for _, finding := range listOf(t, []index.Manifest{m, other}).Check(buildpackage.Rules([]index.Manifest{m, other})...) {
			checkHarmless(t, finding.Message)
		}
	})
}

func FuzzReadMetadata(f *testing.F) {
	fuzzLabels(f, "io.buildpacks.buildpackage.metadata", []string{`{"id":"a/b","version":"1.2.3","stacks":[{"id":"*","mixins":["x"]}]}`},
		func(s string) error { _, err := buildpackage.ReadMetadata(s); return err })
}

func FuzzReadLayers(f *testing.F) {
	fuzzLabels(f, "io.buildpacks.buildpack.layers", []string{
		`{"a/b":{"1.2.3":{"api":"0.12","stacks":[{"id":"io.buildpacks.stacks.bionic"}],"layerDiffID":"sha256:a"}}}`,
		`{"a/b":{"1.2.3":{"api":"0.12","targets":[{"os":"","arch":"arm","variant":"v6","distros":[{"name":"n","version":"1"}]}]}}}`,
		`{"a/b":{"1.2.3":{"order":[{"group":[{"id":"c","version":"1"}]}]}},"c":{"1":{"targets":[{"os":"windows"}]}}}`,
	}, func(s string) error { _, err := buildpackage.ReadLayers(s); return err })
}

func FuzzReadExtensionLayers(f *testing.F) {
	fuzzLabels(f, "io.buildpacks.extension.layers", []string{`{"a/b":{"1.2.3":{"api":"0.9","layerDiffID":"sha256:a"}}}`},
		func(s string) error { _, err := buildpackage.ReadLayers(s); return err })
}

func FuzzReadBuilder(f *testing.F) {
	fuzzLabels(f, "io.buildpacks.builder.metadata", []string{builderMetadata},
		func(s string) error { _, err := buildpackage.ReadBuilder(s); return err })
}

func FuzzReadOrder(f *testing.F) {
	fuzzLabels(f, "io.buildpacks.buildpack.order", []string{builderOrder, "null"},
		func(s string) error { _, err := buildpackage.ReadOrder(s); return err })
}

func FuzzReadApp(f *testing.F) {
	fuzzLabels(f, "io.buildpacks.lifecycle.metadata", []string{`{"buildpacks":[{"key":"a","version":"1"}],"runImage":{"reference":"r"}}`},
		func(s string) error { _, err := buildpackage.ReadApp(s); return err })
}
