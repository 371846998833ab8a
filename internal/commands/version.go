package commands

import "github.com/spf13/cobra"

func newVersion(f *factory) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Example: `  # as a command
  pack version

  # as a flag
  pack --version`,
		Args: args(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			return f.streams.Data([]byte(f.process.Version + "\n"))
		},
	}
}
