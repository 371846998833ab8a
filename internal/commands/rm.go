package commands

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
)

func newRm(f *factory, run func(context.Context, *factory, client.RemoveEntriesRequest) error) *cobra.Command {
	return &cobra.Command{
		Use:   "rm LIST ENTRY...",
		Short: "Remove entries from a list",
		Long: `Remove entries from a list in local storage, all or none. The attestations of an
image go with it. No registry is asked. To delete whole lists see remove.`,
		Example: `  # by platform
  pack manifest rm ghcr.io/acme/bp:1.2.3 windows/amd64

  # by the beginning of the digest, and by the source it was made from
  pack manifest rm ghcr.io/acme/bp:1.2.3 sha256:3f5a2c dist/bp-linux-arm64.cnb`,
		Args: args(cobra.MinimumNArgs(2), "a list and at least one entry"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), f, client.RemoveEntriesRequest{Name: args[0], Entries: args[1:]})
		},
		ValidArgsFunction: completeEntries(f),
	}
}

func runRm(ctx context.Context, f *factory, request client.RemoveEntriesRequest) error {
	c, err := f.client(reach{}, request.Name)
	if err != nil {
		return err
	}
	defer c.Close()
	result, err := c.RemoveEntries(ctx, request)
	if err != nil {
		return inList(err, request.Name)
	}
	tellDiff(f.streams, result.Diff)
	f.streams.Info("Successfully removed image(s) from index: %s", ui.Symbol(result.Name.Familiar()))
	return nil
}
