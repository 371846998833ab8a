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
	request    client.PushRequest
	format     string
}

func newPush(f *factory, run func(context.Context, *factory, *pushOptions) error) *cobra.Command {
	o := &pushOptions{}
	cmd := &cobra.Command{
		Use:   "push LIST",
		Short: "Publish a list",
		Long: `Publish a list from local storage: what its repository lacks of the images, by
digest, then the list at its tag, read back and compared, then further tags.
Stopped anywhere, it leaves nothing but untagged content behind, and the same
command again does what is missing.

On success one line is printed to stdout: REPOSITORY@DIGEST.`,
		Example: `  # as it is kept, and under two further tags
  pack manifest push ghcr.io/acme/bp:1.2.3 --tag 1.2 --tag latest

  # as an OCI image index, and delete it here
  pack manifest push ghcr.io/acme/bp:1.2.3 --format oci --purge`,
		Args: args(cobra.ExactArgs(1), "one list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Name = args[0]
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: completeLists(f),
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.format, "format", "f", "", "`FORMAT` of the list: v2s2 or oci (default: the list's own)")
	flags.StringArrayVar(&o.request.Tags, "tag", nil, "A further `TAG` of the repository, for the list (repeatable)")
	flags.BoolVarP(&o.request.Purge, "purge", "p", false, "Delete the list here once it is published and verified")
	addPreserve(cmd, &o.request.PreserveDigests)
	o.addFlags(cmd)
	o.addJobs(cmd)
	o.validation.addFlags(cmd)
	completeFormat(cmd)
	return cmd
}

func runPush(ctx context.Context, f *factory, o *pushOptions) error {
	if o.format != "" {
		format, err := index.ParseFormat(o.format)
		if err != nil {
			return err
		}
		o.request.Format = &format
	}
	var err error
	if o.request.Validation, err = o.validation.parse(); err != nil {
		return err
	}
	c, err := f.client(o.reach, o.request.Name)
	if err != nil {
		return err
	}
	defer c.Close()
	result, err := c.Push(ctx, o.request)
	if err != nil {
		return inList(err, o.request.Name)
	}
	f.streams.Info("Successfully pushed manifest list %s to registry", ui.Symbol(result.Name.Familiar()))
	if o.request.Purge {
		f.streams.Info("Deleted %s from local storage", ui.Symbol(result.Name.Familiar()))
	}
	return f.streams.Data([]byte(result.Reference() + "\n"))
}
