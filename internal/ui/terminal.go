package ui

import (
	"io"
	"os"

	"github.com/heroku/color"
	"golang.org/x/term"
)

// Console returns a writer to f that shows colours on every platform.
func Console(f *os.File) io.Writer {
	if !term.IsTerminal(int(f.Fd())) {
		return f
	}
	return color.NewConsole(f)
}

// Terminals says which of two files is a terminal.
func Terminals(out, err *os.File) Terminal {
	return Terminal{Out: term.IsTerminal(int(out.Fd())), Err: term.IsTerminal(int(err.Fd()))}
}
