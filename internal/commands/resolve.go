package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

type resolveOptions struct {
	reach
	request client.ResolveRequest
	output  string
}

func newResolve(f *factory, run func(context.Context, *factory, *resolveOptions) error) *cobra.Command {
	o := &resolveOptions{}
	cmd := &cobra.Command{
		Use:   "resolve LIST|REFERENCE",
		Short: "Show which image of a list docker, podman, pack and others take",
		Long: `Show which image of a list in local storage, or else in its registry, each
consumer takes for a platform, and why; then the entries that a consumer never
takes, whatever it is asked for. Only the list is read, not its images.

A version of Windows in the platform is that of the host. The exit code is 5 if
no consumer finds an image.

docker is version 23 or later. Before (20.10 was tried), it takes the first
image for any arm where none is for the variant, no lower variant of anything
else, and no entry without a platform.`,
		Example: `  # who gets what on a server with arm
  pack manifest resolve ghcr.io/acme/bp:1.2.3 --platform linux/arm64

  # on a host with Windows Server 2022, for jq
  pack manifest resolve ghcr.io/acme/bp:1.2.3 --platform windows/amd64:10.0.20348 -o json`,
		Args: args(cobra.ExactArgs(1), "one list or reference"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Reference = args[0]
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: completeLists(f),
	}
	cmd.Flags().StringVar(&o.request.Platform, "platform", "", "`PLATFORM` that is asked for: OS/ARCH[/VARIANT][:OSVERSION]")
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "`FORM` of the output: table or json")
	o.addFlags(cmd)
	completeValues(cmd, "platform", commonPlatforms()...)
	completeValues(cmd, "output", "table", "json")
	return cmd
}

func runResolve(ctx context.Context, f *factory, o *resolveOptions) error {
	if o.output != "table" && o.output != "json" {
		return index.Faultf(index.ErrUsage, "--output", `unknown form %q, want "table" or "json"`, o.output)
	}
	if o.request.Platform == "" {
		return index.Faultf(index.ErrUsage, "--platform", "say for which platform, as in --platform linux/arm64")
	}
	list := o.request.Reference
	c, err := f.client(o.reach, list)
	if err != nil {
		return err
	}
	defer c.Close()
	result, err := c.Resolve(ctx, o.request)
	if err != nil {
		return inList(err, list)
	}
	if err := showResolved(f.streams, resolvedViewOf(result), o.output); err != nil {
		return err
	}
	if !result.Found() {
		return inList(index.Faultf(index.ErrNotFound, list, "no consumer finds an image for %s", index.FormatPlatform(result.Platform)), list)
	}
	return nil
}

// resolvedView is what resolve -o json shows.
type resolvedView struct {
	Name     string         `json:"name"`
	Local    bool           `json:"local"`
	Digest   string         `json:"digest"`
	Platform string         `json:"platform"` // that was asked for, normalised
	Choices  []choiceView   `json:"choices"`
	Shadowed []shadowedView `json:"shadowed"`
}

// choiceView is what a consumer takes; without digest it takes nothing.
type choiceView struct {
	Consumer string `json:"consumer"`
	Found    bool   `json:"found"`
	Platform string `json:"platform,omitempty"` // of the entry, as it stands there
	Digest   string `json:"digest,omitempty"`
	Reason   string `json:"reason"`
}

// shadowedView is an entry that some consumers never take.
type shadowedView struct {
	Platform  string   `json:"platform,omitempty"`
	Digest    string   `json:"digest"`
	Consumers []string `json:"consumers"`
}

func resolvedViewOf(r client.ResolveResult) resolvedView {
	v := resolvedView{
		Name: r.Name, Local: r.Local, Digest: r.Digest.String(), Platform: index.FormatPlatform(r.Platform), Shadowed: []shadowedView{},
	}
	for _, c := range r.Choices {
		choice := choiceView{Consumer: string(c.Consumer), Found: c.Found, Reason: c.Reason}
		if c.Found {
			choice.Platform, choice.Digest = c.Entry.PlatformString(), c.Entry.Digest.String()
		}
		v.Choices = append(v.Choices, choice)
	}
	for _, s := range r.Shadowed {
		hidden := shadowedView{Platform: s.Entry.PlatformString(), Digest: s.Entry.Digest.String()}
		for _, c := range s.For {
			hidden.Consumers = append(hidden.Consumers, string(c))
		}
		v.Shadowed = append(v.Shadowed, hidden)
	}
	return v
}

func showResolved(streams *ui.Streams, v resolvedView, output string) error {
	if output == "json" {
		return showJSON(streams, v)
	}
	rows := [][]string{{"CONSUMER", "TAKES", "DIGEST", "REASON"}}
	for _, c := range v.Choices {
		takes := orNone(c.Platform)
		if !c.Found {
			takes = "none"
		}
		rows = append(rows, []string{c.Consumer, takes, orNone(c.Digest), c.Reason})
	}
	if len(v.Shadowed) > 0 {
		rows = append(rows, []string{""}, []string{"SHADOWED ENTRY", "DIGEST", "NEVER TAKEN BY"})
	}
	for _, s := range v.Shadowed {
		rows = append(rows, []string{orNone(s.Platform), s.Digest, strings.Join(s.Consumers, ", ")})
	}
	return streams.Data(ui.Table(rows))
}
