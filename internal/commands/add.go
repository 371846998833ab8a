package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
)

type addOptions struct {
	reach
	platformFlags
	validation  validationFlags
	request     client.AddRequest
	annotations []string
}

func newAdd(f *factory, run func(context.Context, *factory, *addOptions) error) *cobra.Command {
	o := &addOptions{}
	cmd := &cobra.Command{
		Use:   "add LIST SOURCE...",
		Short: "Add images to a list",
		Long: `Add images to a list in local storage. A SOURCE is what it is for create. The
platform flags set what one image is for; they fill in or override its config.`,
		Example: `  # one more platform
  pack manifest add ghcr.io/acme/bp:1.2.3 dist/bp-windows-amd64.cnb

  # a newer image in the place of the one of the same platform
  pack manifest add ghcr.io/acme/bp:1.2.3 ghcr.io/acme/bp:1.2.3-arm64 --replace

  # an image whose config lacks the architecture
  pack manifest add acme/bp:1.2.3 acme/bp:linux --arch amd64`,
		Args: args(cobra.MinimumNArgs(2), "a list and at least one source"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Name, o.request.Sources = args[0], args[1:]
			o.request.Platform = o.patch(cmd)
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: completeSources(f),
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.request.Replace, "replace", false, "Take the place of the image of the same platform")
	flags.StringArrayVar(&o.annotations, "annotation", nil, "Annotation `KEY=VALUE` of the entry (repeatable)")
	addSelection(cmd, &o.request.Selection)
	o.platformFlags.addFlags(cmd)
	o.reach.addFlags(cmd)
	o.addJobs(cmd)
	o.validation.addFlags(cmd)
	completePlatform(cmd)
	return cmd
}

func runAdd(ctx context.Context, f *factory, o *addOptions) error {
	var err error
	if o.request.Annotations, err = parseAnnotations(o.annotations); err != nil {
		return err
	}
	if o.request.Validation, err = o.validation.parse(); err != nil {
		return err
	}
	c, err := f.client(o.reach, o.request.Name)
	if err != nil {
		return err
	}
	defer c.Close()
	result, err := c.Add(ctx, o.request)
	if err != nil {
		return inList(err, o.request.Name)
	}
	tellDiff(f.streams, result.Diff)
	for _, e := range result.Diff.Added {
		f.streams.Info("Successfully added image %s to index %s", ui.Symbol(e.Origin.Ref), ui.Symbol(result.Name.Familiar()))
	}
	return nil
}
