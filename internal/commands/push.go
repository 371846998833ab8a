package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

type pushOptions struct {
	reach
	validation validationFlags
	results    resultFlags
	request    client.PushRequest
	format     string
}

func newPush(f *factory, run func(context.Context, *factory, *pushOptions) error) *cobra.Command {
	o := &pushOptions{}
	cmd := &cobra.Command{
		Use:   "push LIST [DESTINATION...]",
		Short: "Publish a list",
		Long: `Publish a list from local storage, to where its name says or to DESTINATIONS in
its place: what the repositories lack of the images, by digest, then the list at
its tag, read back and compared, then further tags. No tag is written before all
images are in all repositories. Stopped before, it leaves nothing but untagged
content behind; the same command again does what is missing.

With --with-referrers the signatures, SBOMs and attestations that refer to the
images where they come from are copied as well. Those of an image that was
converted are an error: they would be about another digest.

On success one line for each repository is printed to stdout: REPOSITORY@DIGEST.
With --dry-run registries are read, if they can be reached, but not written to.`,
		Example: `  # as it is kept, and under two further tags
  pack manifest push ghcr.io/acme/bp:1.2.3 --tag 1.2 --tag latest

  # to two other places at once, if neither tag is there yet
  pack manifest push ghcr.io/acme/bp:1.2.3 ghcr.io/acme/mirror:1.2.3 ghcr.io/acme/other:1.2.3 --if-tag absent

  # with the signatures and SBOMs that the images have where they come from
  pack manifest push ghcr.io/acme/bp:1.2.3 --with-referrers

  # as an OCI image index, and delete it here
  pack manifest push ghcr.io/acme/bp:1.2.3 --format oci --purge`,
		Args: args(cobra.MinimumNArgs(1), "a list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Name, o.request.Destinations = args[0], args[1:]
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: completeLists(f),
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.format, "format", "f", "", "`FORMAT` of the list: v2s2 or oci (default: the list's own)")
	flags.StringArrayVar(&o.request.Tags, "tag", nil, "A further `TAG` of each repository, for the list (repeatable)")
	flags.StringVar(&o.request.IfTag, "if-tag", "", "Only if the first tag of each repository names this `DIGEST`, or nothing, if it is \"absent\"")
	flags.BoolVar(&o.request.Referrers, "with-referrers", false, referrersUsage)
	flags.BoolVar(&o.request.DryRun, "dry-run", false, "Write nothing; show what would be done, and the digest")
	flags.BoolVarP(&o.request.Purge, "purge", "p", false, "Delete the list here once it is published and verified")
	addPreserve(cmd, &o.request.PreserveDigests)
	o.addFlags(cmd)
	o.addJobs(cmd)
	o.validation.addFlags(cmd)
	o.validation.addDeep(cmd, "")
	o.results.addFlags(cmd, "")
	completeFormat(cmd)
	return cmd
}

func runPush(ctx context.Context, f *factory, o *pushOptions) (err error) {
	if o.format != "" {
		format, err := index.ParseFormat(o.format)
		if err != nil {
			return err
		}
		o.request.Format = &format
	}
	if o.request.Validation, err = o.validation.parse(); err != nil {
		return err
	}
	return f.making(making{
		list: o.request.Name, reach: o.reach, results: o.results, dryRun: o.request.DryRun,
		make: func(c *client.Client) (client.ListResult, error) { return c.Push(ctx, o.request) },
		tell: func(result client.ListResult) { o.tell(f.streams, result) },
	})
}

func (o *pushOptions) tell(streams *ui.Streams, result client.ListResult) {
	list := ui.Symbol(result.Name.Familiar())
	if len(o.request.Destinations) == 0 {
		streams.Info("Successfully pushed manifest list %s to registry", list)
	} else {
		for _, to := range result.To {
			streams.Info("Successfully pushed manifest list %s to %s", list, ui.Symbol(to.Familiar()))
		}
	}
	if o.request.Purge {
		streams.Info("Deleted %s from local storage", list)
	}
}
