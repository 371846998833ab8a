package commands_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

//go:generate go test . -run ^TestSchema$ -update

type object = map[string]any

// schema is what "validate -o json" prints, and what the member "findings" of a
// metadata file has.
func schema() object {
	var rules []any
	for _, info := range index.RuleTable() {
		rules = append(rules, string(info.ID))
	}
	text := func(about string) object { return object{"type": "string", "minLength": 1.0, "description": about} }
	finding := object{
		"type": "object", "additionalProperties": false, "required": []any{"rule", "severity", "message"},
		"properties": object{
			"rule":     object{"enum": rules, "description": "what was looked for: docs/rules.md has them all"},
			"severity": object{"enum": []any{"note", "warning", "error"}, "description": "an error stops publishing"},
			"entry": object{
				"type": "string", "pattern": "^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$",
				"description": "the digest of the image that it is about; without it, it is about the list",
			},
			"platform": text("the platform of the entry, as OS/ARCH[/VARIANT][:OSVERSION], ? for what is missing"),
			"source":   text("what the image was taken from, as typed"),
			"message":  text("the cause, for people; it may be worded differently in the next version"),
			"repair":   text("what the author of the image has to do, where no command does; for people"),
			"fix":      text("a command for a POSIX shell after which the rule finds nothing, or that removes the entry or lets it pass"),
		},
	}
	return object{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Findings of pack manifest validate",
		"type":    "array", "items": object{"$ref": "#/$defs/finding"},
		"$defs": object{"finding": finding},
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	raw, err := json.MarshalIndent(schema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	testhelpers.Golden(t, filepath.Join("..", "..", "docs", "validate.schema.json"), append(raw, '\n'))
}

var errSchema = errors.New("it does not fit the schema")

// conforms checks a value by a schema, as far as ours goes; a keyword that it
// does not know is an error
// (https://json-schema.org/draft/2020-12/json-schema-validation).
func conforms(root, s object, v any, at string) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: %s: %s", errSchema, at, fmt.Sprintf(format, args...)))
	}
	for keyword, want := range s {
		switch keyword {
		case "$schema", "$defs", "title", "description":
		case "$ref":
			name := strings.TrimPrefix(want.(string), "#/$defs/")
			faults = append(faults, conforms(root, root["$defs"].(object)[name].(object), v, at))
		case "type":
			if got := typeOf(v); got != want {
				fault("%s in place of %s", got, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				fault("%v is none of %v", v, want)
			}
		case "pattern":
			if text, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(text) {
				fault("%q is not like %s", text, want)
			}
		case "minLength":
			if text, ok := v.(string); ok && float64(len(text)) < want.(float64) {
				fault("%q is too short", text)
			}
		case "items":
			for i, item := range listOf(v) {
				faults = append(faults, conforms(root, want.(object), item, fmt.Sprintf("%s[%d]", at, i)))
			}
		case "required":
			for _, name := range want.([]any) {
				if o, ok := v.(object); ok && o[name.(string)] == nil {
					fault("no %s", name)
				}
			}
		case "properties":
			o, _ := v.(object)
			for name, member := range o {
				if known, ok := want.(object)[name].(object); ok {
					faults = append(faults, conforms(root, known, member, at+"."+name))
				} else if s["additionalProperties"] == false {
					fault("there is a member %s", name)
				}
			}
		case "additionalProperties":
		default:
			fault("the schema has %s", keyword)
		}
	}
	return errors.Join(faults...)
}

func listOf(v any) []any {
	list, _ := v.([]any)
	return list
}

func typeOf(v any) string {
	switch v.(type) {
	case []any:
		return "array"
	case object:
		return "object"
	case string:
		return "string"
	}
	return reflect.TypeOf(v).String()
}

// publishedSchema reads the schema as others do.
func publishedSchema(tb testing.TB) object {
	tb.Helper()
	raw, err := os.ReadFile(testhelpers.RepositoryFile(tb, "docs", "validate.schema.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var s object
	if err := json.Unmarshal(raw, &s); err != nil {
		tb.Fatal(err)
	}
	return s
}

func decodeInto[T any](tb testing.TB, text string) T {
	tb.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		tb.Fatalf("%v in %s", err, text)
	}
	return v
}

// What is printed fits the schema, in all places where findings are; and what
// does not fit is found.
func TestOutputFitsTheSchema(t *testing.T) {
	t.Parallel()
	s := publishedSchema(t)
	w := findingsWorld(t)
	for _, args := range [][]string{
		{"validate", w.list, "-o", "json"}, {"validate", w.a, w.b, "-o", "json"}, {"validate", w.none, "-o", "json"}, {"validate", w.a, "-o", "json"},
		{"validate", w.a, "-o", "json", "--require", "linux/amd64,linux/arm64"},
	} {
		_, out, _ := w.run(args...)
		if err := conforms(s, s, decodeInto[any](t, out), "$"); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		if args[1] != w.a && !strings.Contains(out, `"fix"`) {
			t.Errorf("%v: no finding in %s", args, out)
		}
	}
	file := filepath.Join(t.TempDir(), "m.json")
	if code, _, said := w.run("create", w.list+"-new", w.a, w.b, "--publish", "--allow", "version-mismatch", "--metadata-file", file); code != 0 {
		t.Fatal(said)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	findings := decodeInto[object](t, string(raw))["findings"]
	if err := conforms(s, s, findings, "$"); err != nil || len(listOf(findings)) != 1 {
		t.Errorf("in the metadata: %v\n%v", err, findings)
	}
	for _, bad := range []string{
		`{}`, `[{}]`, `["x"]`, `[{"rule":"version-mismatch","severity":"error"}]`, `[{"rule":"nonsense","severity":"error","message":"x"}]`,
		`[{"rule":"version-mismatch","severity":"fatal","message":"x"}]`, `[{"rule":"version-mismatch","severity":"note","message":""}]`,
		`[{"rule":"version-mismatch","severity":"note","message":"x","more":1}]`, `[{"rule":"version-mismatch","severity":"note","message":"x","fix":1}]`,
		`[{"rule":"version-mismatch","severity":"note","message":"x","entry":"sha256:0"}]`,
	} {
		if err := conforms(s, s, decodeInto[any](t, bad), "$"); !errors.Is(err, errSchema) {
			t.Errorf("%s fits: %v", bad, err)
		}
	}
}

// The example of the manual is what the program prints.
func TestExampleOfFindings(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(testhelpers.RepositoryFile(t, "docs", "validate.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```console\n\\$ pack (manifest [^\n]*)\n(.*?)```").FindStringSubmatch(string(raw))
	if block == nil {
		t.Fatal("there is no example")
	}
	w := findingsWorld(t)
	args := strings.Fields(strings.ReplaceAll(block[1], "ghcr.io", w.host))[1:]
	code, out, said := w.run(args...)
	if got := strings.ReplaceAll(out, w.host, "ghcr.io"); code != 3 || got != block[2] {
		t.Errorf("exit %d, it prints\n%s\nthe manual says\n%s\n%s", code, got, block[2], said)
	}
}

// world is a registry with images that something is found about.
type world struct {
	host, list, a, b, none string
	run                    func(args ...string) (code int, out, said string)
}

// findingsWorld has packages of two releases, a list of them, and a list of two
// packages without an architecture.
func findingsWorld(t *testing.T) world {
	t.Helper()
	reg := testhelpers.NewRegistry(t)
	w := world{
		host: reg.Host, list: reg.Host + "/acme/bp:1.2.3", a: reg.Host + "/acme/bp:1.2.3-amd64", b: reg.Host + "/acme/bp:1.2.3-arm64",
		none: reg.Host + "/acme/none:1",
	}
	arm, windows := v1.Platform{OS: "linux", Architecture: "arm64"}, v1.Platform{OS: "windows", Architecture: "amd64"}
	a := testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true})
	b := testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true, Platform: arm, Version: "1.2.2"})
	reg.Push(t, "acme/bp:1.2.3-amd64", a)
	reg.Push(t, "acme/bp:1.2.3-arm64", b)
	reg.PushIndex(t, "acme/bp:1.2.3", testhelpers.List(t, a, b))
	reg.PushIndex(t, "acme/none:1", testhelpers.List(t,
		testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true, EmptyArch: true}),
		testhelpers.Buildpackage(t, testhelpers.PackageSpec{OCI: true, EmptyArch: true, Platform: windows})))
	env := map[string]string{"PACK_HOME": t.TempDir(), "DOCKER_CONFIG": t.TempDir()}
	w.run = func(args ...string) (int, string, string) {
		got := do(t, env, append([]string{"manifest"}, args...)...)
		return got.code, got.out, got.err
	}
	return w
}
