package commands

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// newHelp is cobra's help command, but a word that is no command is an error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		Example: `  # the commands
  pack help

  # one of them
  pack help completion`,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return index.Faultf(index.ErrUsage, "", "%w", err)
			}
			if len(rest) > 0 {
				return unknownCommand(about, rest[0])
			}
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, sub := range about.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// dress gives a command and all below it pack's words for --help, and the
// examples the name that the program has.
func (f *factory) dress(cmd *cobra.Command) {
	cmd.Flags().BoolP("help", "h", false, fmt.Sprintf("Help for '%s'", cmd.Name()))
	if f.standsAlone() {
		cmd.Example = regexp.MustCompile(`\bpack( manifest)? `).ReplaceAllString(cmd.Example, f.program()+" ")
	}
	for _, sub := range cmd.Commands() {
		f.dress(sub)
	}
}

// group makes cmd a command that only has subcommands: alone it shows its help,
// and with a word that it does not know it fails.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args[0])
	}
	cmd.SuggestionsMinimumDistance = 2
	return cmd
}

func unknownCommand(cmd *cobra.Command, word string) error {
	near := ""
	if names := cmd.SuggestionsFor(word); len(names) > 0 {
		near = fmt.Sprintf(", did you mean %q?", strings.Join(names, `" or "`))
	}
	return index.Faultf(index.ErrUsage, "", "unknown command %q for %q%s; see '%s --help'", word, cmd.CommandPath(), near, cmd.CommandPath())
}

// args wraps a check of the number of arguments so that its failure is a fault
// of usage that shows how the command is meant.
func args(check cobra.PositionalArgs, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return index.Faultf(index.ErrUsage, "", "want %s, got %d argument(s): %s; see '%s --help'",
				want, len(args), cmd.UseLine(), cmd.CommandPath())
		}
		return nil
	}
}
