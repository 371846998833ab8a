package commands

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func newPlatforms(f *factory, run func(*factory, string, []string) error) *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "platforms [PLATFORM]",
		Short: "Show the names that platforms are made of, or what one means",
		Long: `Show the operating systems and architectures that are known, with the other
names that are understood, the variants, and in parentheses the variant that
consumers take for granted where none is given.

With a platform, show what its names mean; names that are not known are an
error that offers those that are near.`,
		Example: `  # all names
  pack manifest platforms

  # what a name means
  pack manifest platforms linux/aarch64`,
		Args: args(cobra.MaximumNArgs(1), "at most one platform"),
		RunE: func(_ *cobra.Command, args []string) error { return run(f, output, args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return commonPlatforms(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "`FORM` of the output: table or json")
	completeValues(cmd, "output", "table", "json")
	return cmd
}

func runPlatforms(f *factory, output string, args []string) error {
	if output != "table" && output != "json" {
		return index.Faultf(index.ErrUsage, "--output", `unknown form %q, want "table" or "json"`, output)
	}
	if len(args) == 0 {
		return showNames(f.streams, output)
	}
	p, err := index.ParsePlatform(args[0])
	if err != nil {
		return err
	}
	v := platformView{Platform: index.FormatPlatform(p), OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion}
	if !index.Likely(p) {
		f.streams.Warn("nothing is known to run on %s/%s", p.OS, p.Architecture)
	}
	if unknown := index.UnknownVariant(p); unknown != "" {
		f.streams.Warn("%s", unknown)
	}
	if v.Variant == "" {
		v.Implied = impliedVariant(p.Architecture)
	}
	return showOnePlatform(f.streams, output, v)
}

func impliedVariant(arch string) string {
	for _, known := range index.Architectures() {
		if known.Name == arch {
			return known.Default
		}
	}
	return ""
}

// platformView is what platforms PLATFORM -o json shows.
type platformView struct {
	Platform     string `json:"platform"`
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
	OSVersion    string `json:"osVersion,omitempty"`
	Implied      string `json:"impliedVariant,omitempty"` // what consumers take for granted
}

func showOnePlatform(streams *ui.Streams, output string, v platformView) error {
	if output == "json" {
		return showJSON(streams, v)
	}
	variant := orNone(v.Variant)
	if v.Implied != "" {
		variant = "(" + v.Implied + ")"
	}
	return streams.Data(ui.Table([][]string{
		{"PLATFORM", "OS", "ARCHITECTURE", "VARIANT", "OSVERSION"},
		{v.Platform, v.OS, v.Architecture, variant, orNone(v.OSVersion)},
	}))
}

// namesView is what platforms -o json shows.
type namesView struct {
	OperatingSystems []nameView `json:"operatingSystems"`
	Architectures    []nameView `json:"architectures"`
}

type nameView struct {
	Name     string      `json:"name"`
	Aliases  []aliasView `json:"aliases,omitempty"`
	Variants []string    `json:"variants,omitempty"`
	Implied  string      `json:"impliedVariant,omitempty"`
	With     []string    `json:"with,omitempty"`
}

type aliasView struct {
	Name    string `json:"name"`
	Variant string `json:"variant,omitempty"`
}

func showNames(streams *ui.Streams, output string) error {
	v := namesView{nameViews(index.OperatingSystems()), nameViews(index.Architectures())}
	if output == "json" {
		return showJSON(streams, v)
	}
	rows := [][]string{{"OS", "ALSO", "ARCHITECTURES"}}
	for _, os := range v.OperatingSystems {
		rows = append(rows, []string{os.Name, os.also(), orNone(strings.Join(os.With, " "))})
	}
	rows = append(rows, []string{""}, []string{"ARCHITECTURE", "ALSO", "VARIANTS"})
	for _, arch := range v.Architectures {
		rows = append(rows, []string{arch.Name, arch.also(), arch.variants()})
	}
	return streams.Data(ui.Table(rows))
}

func nameViews(known []index.KnownName) []nameView {
	var views []nameView
	for _, n := range known {
		v := nameView{Name: n.Name, Variants: n.Variants, Implied: n.Default, With: n.With}
		for _, a := range n.Aliases {
			v.Aliases = append(v.Aliases, aliasView(a))
		}
		views = append(views, v)
	}
	return views
}

func (v nameView) also() string {
	var texts []string
	for _, a := range v.Aliases {
		if a.Variant != "" {
			a.Name += "=" + a.Variant
		}
		texts = append(texts, a.Name)
	}
	return orNone(strings.Join(texts, " "))
}

func (v nameView) variants() string {
	var texts []string
	for _, variant := range v.Variants {
		if variant == v.Implied {
			variant = "(" + variant + ")"
		}
		texts = append(texts, variant)
	}
	return orNone(strings.Join(texts, " "))
}

func showJSON(streams *ui.Streams, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return streams.Data(append(raw, '\n'))
}
