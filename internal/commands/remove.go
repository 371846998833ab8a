package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
)

func newRemove(f *factory, run func(context.Context, *factory, client.DeleteRequest) error) *cobra.Command {
	request := client.DeleteRequest{}
	cmd := &cobra.Command{
		Use:     "remove LIST...",
		Aliases: []string{"delete"},
		Short:   "Delete lists from local storage",
		Long: `Delete lists from local storage. Nothing in a registry is touched. To remove
entries from a list see rm.`,
		Example: `  # two lists
  pack manifest remove ghcr.io/acme/bp:1.2.2 ghcr.io/acme/bp:1.2.3

  # in a script that may run twice
  pack manifest remove --ignore ghcr.io/acme/bp:1.2.3`,
		Args: args(cobra.MinimumNArgs(1), "at least one list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Names = args
			return run(cmd.Context(), f, request)
		},
		ValidArgsFunction: completeLists(f),
	}
	cmd.Flags().BoolVar(&request.Ignore, "ignore", false, "A list that is not there is no error")
	return cmd
}

func runRemove(ctx context.Context, f *factory, request client.DeleteRequest) error {
	c, err := f.client(reach{}, "")
	if err != nil {
		return err
	}
	defer c.Close()
	deleted, err := c.Delete(ctx, request)
	for _, n := range deleted {
		f.streams.Info("Deleted %s", ui.Symbol(n.Familiar()))
	}
	if err != nil {
		return err
	}
	if len(deleted) == 0 {
		f.streams.Info("Nothing to delete: none of the lists is in local storage")
		return nil
	}
	f.streams.Info("Successfully deleted manifest list(s) from local storage")
	return nil
}
