package ui

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"
)

// Table lays out rows of cells in columns, two spaces apart, without blanks at
// the ends of lines. Cells are escaped, newlines and tabs too.
func Table(rows [][]string) []byte {
	var laid bytes.Buffer
	w := tabwriter.NewWriter(&laid, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(Escape(cell))
		}
		// A tabwriter over a buffer has nothing that could fail.
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) //nolint:errcheck // see above
	}
	_ = w.Flush() //nolint:errcheck // see above
	lines := strings.Split(laid.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return []byte(strings.Join(lines, "\n"))
}
