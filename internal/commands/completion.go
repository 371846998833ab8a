package commands

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func newCompletion(f *factory) *cobra.Command {
	shell := ""
	cmd := &cobra.Command{
		Use:   "completion",
		Short: "Write a completion script for the shell and print its path",
		Example: `  # bash: in ~/.bashrc
  . $(pack completion)

  # zsh
  . $(pack completion --shell zsh)`,
		Args: args(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.writeCompletion(cmd.Root(), shell) },
	}
	cmd.Flags().StringVarP(&shell, "shell", "s", "bash", "`SHELL`: bash, zsh, fish or powershell")
	completeValues(cmd, "shell", "bash", "zsh", "fish", "powershell")
	return cmd
}

func (f *factory) writeCompletion(root *cobra.Command, shell string) (err error) {
	scripts := map[string]struct {
		extension string
		write     func(io.Writer) error
	}{
		"bash":       {"sh", func(w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
		"zsh":        {"zsh", root.GenZshCompletion},
		"fish":       {"fish", func(w io.Writer) error { return root.GenFishCompletion(w, true) }},
		"powershell": {"ps1", root.GenPowerShellCompletionWithDesc},
	}
	script, ok := scripts[shell]
	if !ok {
		return index.Faultf(index.ErrUsage, "--shell", `unknown shell %q, want "bash", "zsh", "fish" or "powershell"`, shell)
	}
	home, err := f.process.packHome()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	path := filepath.Join(home, fmt.Sprintf("completion-%s.%s", root.Name(), script.extension))
	// Shells run it, so it is nobody else's to write, whatever the umask.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // in the folder that the user names
	if err != nil {
		return err
	}
	if err := script.write(file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	return f.streams.Data([]byte(path + "\n"))
}

type completer func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

// completeValues completes the values of a flag.
func completeValues(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the flag does not exist: no command with such a flag can be built
	}
}

// completeFiles lets the shell complete the value of a flag as a path.
func completeFiles(cmd *cobra.Command, flag string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	})
	if err != nil {
		panic(err) // as in completeValues
	}
}

func completeFormat(cmd *cobra.Command) { completeValues(cmd, "format", "v2s2", "oci") }

func completePlatform(cmd *cobra.Command) {
	completeValues(cmd, "os", "linux", "windows", "darwin", "freebsd")
	completeValues(cmd, "arch", "amd64", "arm64", "arm", "386", "ppc64le", "riscv64", "s390x")
	completeValues(cmd, "variant", "v5", "v6", "v7", "v8")
}

// completeLists completes the names of lists in local storage.
func completeLists(f *factory) completer {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		lists, err := f.lists(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var names []string
		for _, l := range lists {
			names = append(names, l.Name.Familiar())
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeSources completes a list first and then files.
func completeSources(f *factory) completer {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return completeLists(f)(cmd, args, toComplete)
		}
		return []string{"cnb"}, cobra.ShellCompDirectiveFilterFileExt
	}
}

// completeEntries completes a list first and then platforms and digests of its
// entries. No registry is asked.
func completeEntries(f *factory) completer {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return completeLists(f)(cmd, args, toComplete)
		}
		lists, err := f.lists(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		n, err := index.ParseName(args[0])
		at := slices.IndexFunc(lists, func(l client.ListedList) bool { return err == nil && l.Name == n })
		if at < 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var entries []string
		for _, e := range lists[at].Index.Entries() {
			if !e.IsAttestation() && e.Platform != nil {
				entries = append(entries, e.PlatformString())
			}
			entries = append(entries, e.Digest.String())
		}
		return entries, cobra.ShellCompDirectiveNoFileComp
	}
}

// lists reads what is in local storage.
func (f *factory) lists(ctx context.Context) ([]client.ListedList, error) {
	c, err := f.client(reach{}, "")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.List(ctx)
}
