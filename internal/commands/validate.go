package commands

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

type validateOptions struct {
	reach
	validation validationFlags
	request    client.ValidateRequest
	output     string
	rules      bool
}

func newValidate(f *factory, run func(context.Context, *factory, *validateOptions) error) *cobra.Command {
	o := &validateOptions{}
	cmd := &cobra.Command{
		Use:   "validate LIST|REFERENCE|SOURCE...",
		Short: "Show what would stop a list from being published, and write nothing",
		Long: `Let all rules look at a list in local storage, at a list or image in a registry,
or at sources taken together as create would, with the severities of publishing.
Nothing is written. The exit code is 3 if something would stop the list from
being published, else 0.

Of what is in a registry, manifests and configs are read. With --deep the layers
of packages are, too: streamed, each once, --jobs at once (16 at most). Of one
layer no more than 4 GiB are read, of all 64 GiB in half an hour; what was not
looked at is a note. A layer that cannot be read is an error.`,
		Example: `  # the packages of a release, before they are published
  pack manifest validate dist/bp-linux-amd64.cnb dist/bp-linux-arm64.cnb

  # do the programs of a published list fit their platforms?
  pack manifest validate ghcr.io/acme/bp:1.2.3 --deep

  # a published list, which must have these platforms and may have others
  pack manifest validate ghcr.io/acme/bp:1.2.3 --require linux/amd64,linux/arm64+`,
		Args: func(cmd *cobra.Command, given []string) error {
			if o.rules {
				return args(cobra.NoArgs, "no arguments")(cmd, given)
			}
			return args(cobra.MinimumNArgs(1), "a list or at least one source")(cmd, given)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.References = args
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: completeSources(f),
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "`FORM` of the output: table or json")
	cmd.Flags().BoolVar(&o.rules, "rules", false, "Show the table of rules instead")
	o.validation.addFlags(cmd)
	o.validation.addDeep(cmd, "")
	o.addFlags(cmd)
	o.addJobs(cmd)
	completeValues(cmd, "output", "table", "json")
	return cmd
}

func runValidate(ctx context.Context, f *factory, o *validateOptions) error {
	if o.output != "table" && o.output != "json" {
		return index.Faultf(index.ErrUsage, "--output", `unknown form %q, want "table" or "json"`, o.output)
	}
	if o.rules {
		return showRules(f.streams, o.output)
	}
	var err error
	if o.request.Validation, err = o.validation.parse(); err != nil {
		return err
	}
	list := o.request.References[0]
	c, err := f.client(o.reach, list)
	if err != nil {
		return err
	}
	defer c.Close()
	f.at = nowhere // until it is known
	result, err := c.Validate(ctx, o.request)
	if err != nil {
		return inList(err, list)
	}
	views := findingViews(f.advisorOn(list, result), result.Findings)
	nameImages(views, result.Index)
	if f.process.Env("GITHUB_ACTIONS") == "true" {
		annotate(f.streams, views)
	}
	if err := showFindings(f.streams, views, o.output); err != nil {
		return err
	}
	if !result.Valid() {
		return index.Faultf(index.ErrInvalid, "", "the list cannot be published as it is")
	}
	f.streams.Info("The list can be published: %d image(s), no error", result.Index.Len())
	return nil
}

// findingView is a finding as validate -o json shows it.
type findingView struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	Entry    string `json:"entry,omitempty"` // the digest; none: the list itself
	Platform string `json:"platform,omitempty"`
	Source   string `json:"source,omitempty"`
	Message  string `json:"message"`
	Repair   string `json:"repair,omitempty"` // what the command does not say
	Fix      string `json:"fix,omitempty"`    // the command that repairs it

	image string // what a person knows the image by
}

// advisorOn returns an advisor about what was validated: a list in local
// storage, a published one, or sources that are no list yet.
func (f *factory) advisorOn(list string, result client.ValidateResult) advisor {
	switch entries := result.Index.Entries(); {
	case result.Local:
		f.at = inStorage
	case len(entries) > 0 && entries[0].Origin.Pin == result.Index.Digest():
		f.at = inRegistry
	}
	a := f.advisor(list)
	a.format = result.Index.Format()
	return a
}

func findingViews(a advisor, findings []index.Finding) []findingView {
	views := []findingView{}
	for _, found := range findings {
		r := a.repair(found)
		v := findingView{
			Rule: string(found.Rule), Severity: found.Severity.String(), Platform: found.Entry.PlatformString(),
			Source: found.Entry.Origin.Ref, Message: found.Message, Repair: r.sentence, Fix: r.command,
		}
		if found.Entry.Digest.Hex != "" {
			v.Entry = found.Entry.Digest.String()
		}
		views = append(views, v)
	}
	return views
}

func showFindings(streams *ui.Streams, views []findingView, form string) error {
	if form == "json" {
		raw, err := asJSON(views)
		if err != nil {
			return err
		}
		return streams.Data(raw)
	}
	rows := [][]string{{"SEVERITY", "RULE", "IMAGE", "FINDING"}}
	for _, v := range views {
		if v.Severity == index.Note.String() && !streams.Verbose {
			continue
		}
		rows = append(rows, []string{v.Severity, v.Rule, v.image, withSentence(v.Message, v.Repair)})
		if v.Fix != "" {
			rows = append(rows, []string{"", "", "", "repair: " + v.Fix})
		}
	}
	if len(rows) == 1 {
		return nil
	}
	return streams.Data(ui.Table(rows))
}

// asJSON returns indented JSON with a line end, in which commands stay what they
// are: encoding/json would write "&&" as escapes.
func asJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return out.Bytes(), err
}

// nameImages gives the findings names for their images: the source or, where
// several images are from one, the platform.
func nameImages(views []findingView, ix index.Index) {
	from := map[string]int{}
	for _, e := range ix.Entries() {
		from[e.Origin.Ref]++
	}
	for i, v := range views {
		name := v.Source
		if from[name] > 1 {
			name = v.Platform
		}
		views[i].image = cmp.Or(name, v.Platform, v.Entry, "(list)")
	}
}

// annotate writes workflow commands of GitHub Actions, which show findings
// beside the run
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands).
func annotate(streams *ui.Streams, views []findingView) {
	level := map[string]string{"error": "error", "warning": "warning", "note": "notice"}
	text := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	for _, v := range views {
		streams.Command(fmt.Sprintf("::%s title=%s::%s", level[v.Severity], v.Rule, text.Replace(v.image+": "+v.Message)))
	}
}

// ruleView is a rule as validate --rules shows it.
type ruleView struct {
	Rule     string `json:"rule"`
	Group    string `json:"group"`
	Local    string `json:"local"`
	Publish  string `json:"publish"`
	Optional bool   `json:"optional"`
	Check    string `json:"check"`
}

func showRules(streams *ui.Streams, form string) error {
	var views []ruleView
	rows := [][]string{{"RULE", "KEPT", "PUBLISHED", "ALLOW", "CHECK"}}
	for _, r := range index.RuleTable() {
		v := ruleView{string(r.ID), r.Group, r.Local.String(), r.Publish.String(), r.Optional, r.Check}
		if r.PublishOnly {
			v.Local = "-"
		}
		views = append(views, v)
		allow := "no"
		if v.Optional {
			allow = "yes"
		}
		rows = append(rows, []string{v.Rule, v.Local, v.Publish, allow, v.Check})
	}
	if form == "table" {
		return streams.Data(ui.Table(rows))
	}
	raw, err := json.MarshalIndent(views, "", "  ")
	if err != nil {
		return err
	}
	return streams.Data(append(raw, '\n'))
}
