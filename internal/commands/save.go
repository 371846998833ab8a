package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
)

type saveOptions struct {
	reach
	request client.SaveRequest
}

func newSave(f *factory, run func(context.Context, *factory, *saveOptions) error) *cobra.Command {
	o := &saveOptions{}
	cmd := &cobra.Command{
		Use:   "save LIST",
		Short: "Write a list and its images into a file or directory",
		Long: `Write a list and its images into a file or directory: a list from local storage
or, where there is none of the name, what the registry has. What is not kept
here is read from the registries that the images come from.

The same list gives the same bytes. An OCI archive and an OCI layout have the
list as it is. A .cnb file has the images themselves, that for linux/amd64
first, as pack reads it, and the list beside them. Of all three, create makes
the list again, with its digest: create LIST FILE.cnb, oci-archive:FILE.tar or
oci:DIR. Nothing is overwritten. What a directory needs is read side by side,
as --jobs allows, what an archive needs in the order that it has there.

On success one line is printed to stdout: REPOSITORY@DIGEST.`,
		Example: `  # one file for all platforms, to carry where no registry is
  pack manifest save ghcr.io/acme/bp:1.2.3 -o bp-1.2.3.tar

  # for pack, one .cnb file for all platforms
  pack manifest save ghcr.io/acme/bp:1.2.3 -o bp-1.2.3.cnb

  # a directory that is an OCI layout
  pack manifest save ghcr.io/acme/bp:1.2.3 -o ./bp-1.2.3-layout`,
		Args: args(cobra.ExactArgs(1), "one list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Reference = args[0]
			return run(cmd.Context(), f, o)
		},
		ValidArgsFunction: completeLists(f),
	}
	cmd.Flags().StringVarP(&o.request.Path, "output", "o", "",
		"`PATH` to write to: FILE.tar for an OCI archive, FILE.cnb for pack, any other for the directory of an OCI layout")
	completeFiles(cmd, "output")
	o.addFlags(cmd)
	o.addJobs(cmd)
	return cmd
}

func runSave(ctx context.Context, f *factory, o *saveOptions) error {
	c, err := f.client(o.reach, o.request.Reference)
	if err != nil {
		return err
	}
	defer c.Close()
	result, err := c.Save(ctx, o.request)
	if err != nil {
		return inList(err, o.request.Reference)
	}
	f.streams.Info("Successfully saved %s to %s: %d blob(s), %s",
		ui.Symbol(o.request.Reference), ui.Symbol(result.Path), result.Blobs, ui.Bytes(result.Bytes))
	return f.streams.Data([]byte(result.Reference + "\n"))
}
