package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

type inspectOptions struct {
	reach
	request client.InspectRequest
	output  string
}

func newInspect(f *factory, run func(context.Context, *factory, *inspectOptions) error) *cobra.Command {
	o := &inspectOptions{}
	cmd := &cobra.Command{
		Use:   "inspect LIST|REFERENCE",
		Short: "Show a list from local storage, or else from its registry",
		Long: `Show a list from local storage or, where there is none of the name, what the
registry has: a list or an image.

The output is its exact bytes, fit for jq and for hashing; -o table is for
people, and json, yaml and toml show the same facts to programs.`,
		Example: `  # the digests, by jq
  pack manifest inspect ghcr.io/acme/bp:1.2.3 | jq -r '.manifests[].digest'

  # for people
  pack manifest inspect ghcr.io/acme/bp:1.2.3 -o table`,
		Args: args(cobra.ExactArgs(1), "one list or reference"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Reference = args[0]
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: completeLists(f),
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "raw", "`FORM` of the output: raw, table, json, yaml or toml")
	o.addFlags(cmd)
	completeValues(cmd, "output", "raw", "table", "json", "yaml", "toml")
	return cmd
}

func runInspect(ctx context.Context, f *factory, o *inspectOptions) error {
	form, ok := inspectForms()[o.output]
	if !ok {
		return index.Faultf(index.ErrUsage, "--output", `unknown form %q, want "raw", "table", "json", "yaml" or "toml"`, o.output)
	}
	c, err := f.client(o.reach, o.request.Reference)
	if err != nil {
		return err
	}
	defer c.Close()
	result, err := c.Inspect(ctx, o.request)
	if err != nil {
		return inList(err, o.request.Reference)
	}
	raw, err := form(result)
	if err != nil {
		return err
	}
	return f.streams.Data(raw)
}

func inspectForms() map[string]func(client.InspectResult) ([]byte, error) {
	return map[string]func(client.InspectResult) ([]byte, error){
		"raw":   func(r client.InspectResult) ([]byte, error) { return r.Raw, nil },
		"table": func(r client.InspectResult) ([]byte, error) { return ui.Table(inspectTable(r)), nil },
		"json": func(r client.InspectResult) ([]byte, error) {
			raw, err := json.MarshalIndent(viewOf(r), "", "  ")
			return append(raw, '\n'), err
		},
		"yaml": func(r client.InspectResult) ([]byte, error) { return yaml.Marshal(viewOf(r)) },
		"toml": func(r client.InspectResult) ([]byte, error) {
			var raw bytes.Buffer
			err := toml.NewEncoder(&raw).Encode(viewOf(r))
			return raw.Bytes(), err
		},
	}
}

// view is what the forms for programs show.
type view struct {
	Name         string            `json:"name" toml:"name" yaml:"name"`
	Local        bool              `json:"local" toml:"local" yaml:"local"`
	Digest       string            `json:"digest" toml:"digest" yaml:"digest"`
	MediaType    string            `json:"mediaType" toml:"mediaType" yaml:"mediaType"`
	Size         int               `json:"size" toml:"size" yaml:"size"`
	ArtifactType string            `json:"artifactType,omitempty" toml:"artifactType,omitempty" yaml:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty" toml:"annotations,omitempty" yaml:"annotations,omitempty"`
	Entries      []entryView       `json:"entries" toml:"entries" yaml:"entries"`
}

type entryView struct {
	Platform     string            `json:"platform,omitempty" toml:"platform,omitempty" yaml:"platform,omitempty"`
	OS           string            `json:"os,omitempty" toml:"os,omitempty" yaml:"os,omitempty"`
	Architecture string            `json:"architecture,omitempty" toml:"architecture,omitempty" yaml:"architecture,omitempty"`
	Variant      string            `json:"variant,omitempty" toml:"variant,omitempty" yaml:"variant,omitempty"`
	OSVersion    string            `json:"osVersion,omitempty" toml:"osVersion,omitempty" yaml:"osVersion,omitempty"`
	OSFeatures   []string          `json:"osFeatures,omitempty" toml:"osFeatures,omitempty" yaml:"osFeatures,omitempty"`
	Digest       string            `json:"digest" toml:"digest" yaml:"digest"`
	Size         int64             `json:"size" toml:"size" yaml:"size"`
	MediaType    string            `json:"mediaType" toml:"mediaType" yaml:"mediaType"`
	ArtifactType string            `json:"artifactType,omitempty" toml:"artifactType,omitempty" yaml:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty" toml:"annotations,omitempty" yaml:"annotations,omitempty"`
	Source       string            `json:"source,omitempty" toml:"source,omitempty" yaml:"source,omitempty"`
	Attestation  bool              `json:"attestation,omitempty" toml:"attestation,omitempty" yaml:"attestation,omitempty"`

	format string // for people
}

func viewOf(r client.InspectResult) view {
	v := view{
		Name: r.Name, Local: r.Local, Digest: r.Digest.String(), MediaType: r.MediaType, Size: len(r.Raw),
		Entries: []entryView{},
	}
	if r.Index == nil {
		return v
	}
	v.ArtifactType, v.Annotations = r.Index.ArtifactType(), r.Index.Annotations()
	for _, e := range r.Index.Entries() {
		v.Entries = append(v.Entries, entryViewOf(e))
	}
	return v
}

func entryViewOf(e index.Entry) entryView {
	v := entryView{
		Platform: e.PlatformString(), Digest: e.Digest.String(), Size: e.Size, MediaType: string(e.MediaType),
		ArtifactType: e.ArtifactType, Annotations: e.Annotations, Source: e.Origin.Ref, Attestation: e.IsAttestation(),
		format: formatOf(e),
	}
	if p := e.Platform; p != nil {
		v.OS, v.Architecture, v.Variant, v.OSVersion, v.OSFeatures = p.OS, p.Architecture, p.Variant, p.OSVersion, p.OSFeatures
	}
	return v
}

func inspectTable(r client.InspectResult) [][]string {
	v := viewOf(r)
	where := "registry"
	if v.Local {
		where = "local storage"
	}
	rows := [][]string{
		{"Name:", v.Name}, {"Kept in:", where}, {"Digest:", v.Digest}, {"Media type:", v.MediaType}, {"Size:", strconv.Itoa(v.Size)},
	}
	if v.ArtifactType != "" {
		rows = append(rows, []string{"Artifact type:", v.ArtifactType})
	}
	for _, k := range slices.Sorted(maps.Keys(v.Annotations)) {
		rows = append(rows, []string{"Annotation:", k + "=" + v.Annotations[k]})
	}
	if r.Index == nil {
		return append(rows, []string{"Entries:", "none: it is an image, not a list"})
	}
	rows = append(rows, []string{""}, []string{"PLATFORM", "DIGEST", "SIZE", "FORMAT", "SOURCE", "ANNOTATIONS"})
	for _, e := range v.Entries {
		rows = append(rows, e.row())
	}
	return rows
}

func (e entryView) row() []string {
	platform := orNone(e.Platform)
	if e.Attestation {
		platform = "(attestation)"
	}
	if len(e.OSFeatures) > 0 {
		platform += "+" + strings.Join(e.OSFeatures, "+")
	}
	var annotations []string
	for _, k := range slices.Sorted(maps.Keys(e.Annotations)) {
		annotations = append(annotations, k+"="+e.Annotations[k])
	}
	return []string{
		platform, e.Digest, strconv.FormatInt(e.Size, 10), e.format, orNone(e.Source), orNone(strings.Join(annotations, " ")),
	}
}

// formatOf is the short name of an image's media type, as far as there is one.
func formatOf(e index.Entry) string {
	if f, ok := index.FormatOf(e.MediaType); ok {
		return f.String()
	}
	return string(e.MediaType)
}
