package commands

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func newList(f *factory, run func(context.Context, *factory, string) error) *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "Show the lists in local storage",
		Example: `  # a table
  pack manifest list

  # the names, for a script
  pack manifest list -o json | jq -r '.[].name'`,
		Args: args(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, output) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "`FORM` of the output: table or json")
	completeValues(cmd, "output", "table", "json")
	return cmd
}

// listRow is one list as list -o json shows it.
type listRow struct {
	Name      string   `json:"name"`
	Digest    string   `json:"digest,omitempty"`
	Format    string   `json:"format,omitempty"`
	Platforms []string `json:"platforms"`
	Entries   int      `json:"entries"`
	Error     string   `json:"error,omitempty"`
}

func runList(ctx context.Context, f *factory, output string) error {
	if output != "table" && output != "json" {
		return index.Faultf(index.ErrUsage, "--output", `unknown form %q, want "table" or "json"`, output)
	}
	lists, err := f.lists(ctx)
	if err != nil {
		return err
	}
	rows := make([]listRow, len(lists))
	for i, l := range lists {
		rows[i] = rowOf(l)
	}
	if output == "json" {
		raw, err := json.MarshalIndent(rows, "", "  ")
		if err != nil {
			return err
		}
		return f.streams.Data(append(raw, '\n'))
	}
	return f.streams.Data(ui.Table(listTable(rows)))
}

func rowOf(l client.ListedList) listRow {
	row := listRow{Name: l.Name.Familiar(), Platforms: []string{}}
	if l.Err != nil {
		row.Error = l.Err.Error()
		return row
	}
	row.Digest, row.Format, row.Entries = l.Index.Digest().String(), l.Index.Format().String(), l.Index.Len()
	for _, e := range l.Index.Entries() {
		if !e.IsAttestation() {
			row.Platforms = append(row.Platforms, orNone(e.PlatformString()))
		}
	}
	return row
}

func listTable(rows []listRow) [][]string {
	table := [][]string{{"NAME", "FORMAT", "ENTRIES", "PLATFORMS", "DIGEST"}}
	for _, r := range rows {
		if r.Error != "" {
			table = append(table, []string{r.Name, "-", "-", "-", "unreadable: " + r.Error})
			continue
		}
		table = append(table, []string{r.Name, r.Format, strconv.Itoa(r.Entries), orNone(strings.Join(r.Platforms, ",")), r.Digest})
	}
	return table
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
