package commands_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	text := func(about string) object { return object{"type": "string", "minLength": 1, "description": about} }
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

// node is a schema, as far as ours goes
// (https://json-schema.org/draft/2020-12/json-schema-validation).
type node struct {
	Schema      string          `json:"$schema"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Defs        map[string]node `json:"$defs"`
	Ref         string          `json:"$ref"`
	Type        string          `json:"type"`
	Enum        []string        `json:"enum"`
	Pattern     string          `json:"pattern"`
	MinLength   int             `json:"minLength"`
	Items       *node           `json:"items"`
	Required    []string        `json:"required"`
	Properties  map[string]node `json:"properties"`
	Additional  bool            `json:"additionalProperties"`
}

// conforms checks a value by a schema.
func (root *node) conforms(s *node, v any, at string) error {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		def := root.Defs[name]
		return root.conforms(&def, v, at)
	}
	if got := typeOf(v); s.Type != "" && got != s.Type {
		return fmt.Errorf("%w: %s is of the type %s", errSchema, at, got)
	}
	switch v := v.(type) {
	case string:
		if s.Enum != nil && !slices.Contains(s.Enum, v) || !regexp.MustCompile(s.Pattern).MatchString(v) || len(v) < s.MinLength {
			return fmt.Errorf("%w: %s is %q", errSchema, at, v)
		}
	case []any:
		return root.items(s, v, at)
	case object:
		return root.members(s, v, at)
	}
	return nil
}

func (root *node) items(s *node, list []any, at string) error {
	var faults []error
	for i, item := range list {
		faults = append(faults, root.conforms(s.Items, item, fmt.Sprintf("%s[%d]", at, i)))
	}
	return errors.Join(faults...)
}

func (root *node) members(s *node, o object, at string) error {
	var faults []error
	for _, name := range s.Required {
		if o[name] == nil {
			faults = append(faults, fmt.Errorf("%w: %s has no %s", errSchema, at, name))
		}
	}
	for name, member := range o {
		known, ok := s.Properties[name]
		switch {
		case ok:
			faults = append(faults, root.conforms(&known, member, at+"."+name))
		case !s.Additional:
			faults = append(faults, fmt.Errorf("%w: %s has a member %s", errSchema, at, name))
		}
	}
	return errors.Join(faults...)
}

func typeOf(v any) string {
	switch v.(type) {
	case []any:
		return "array"
	case object:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}

// publishedSchema reads the schema as others do. What node does not know is an
// error.
func publishedSchema(tb testing.TB) *node {
	tb.Helper()
	raw, err := os.ReadFile(testhelpers.RepositoryFile(tb, "docs", "validate.schema.json"))
	if err != nil {
		tb.Fatal(err)
	}
	var s node
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		tb.Fatal(err)
	}
	return &s
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
		{"validate", w.list, "-o", "json"},
		{"validate", w.a, w.b, "-o", "json"},
		{"validate", w.none, "-o", "json"},
		{"validate", w.a, "-o", "json"},
		{"validate", w.a, "-o", "json", "--require", "linux/amd64,linux/arm64"},
	} {
		_, out, _ := w.run(args...)
		if err := s.conforms(s, decodeInto[any](t, out), "$"); err != nil {
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
	if err := s.conforms(s, findings, "$"); err != nil || strings.Count(string(raw), `"rule"`) != 1 {
		t.Errorf("in the metadata: %v\n%v", err, findings)
	}
	for _, bad := range []string{
		`{}`, `[{}]`, `["x"]`, `[{"rule":"version-mismatch","severity":"error"}]`, `[{"rule":"nonsense","severity":"error","message":"x"}]`,
		`[{"rule":"version-mismatch","severity":"fatal","message":"x"}]`, `[{"rule":"version-mismatch","severity":"note","message":""}]`,
		`[{"rule":"version-mismatch","severity":"note","message":"x","more":1}]`, `[{"rule":"version-mismatch","severity":"note","message":"x","fix":1}]`,
		`[{"rule":"version-mismatch","severity":"note","message":"x","entry":"sha256:0"}]`,
	} {
		if err := s.conforms(s, decodeInto[any](t, bad), "$"); !errors.Is(err, errSchema) {
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
