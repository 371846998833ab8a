package ui

import (
	"io"
	"os"
	"time"

	"github.com/heroku/color"
	"golang.org/x/term"
)

// Terminal says which of the streams is a terminal.
type Terminal struct {
	Out, Err bool
	// Screen is where progress is drawn, on stderr; nil for nowhere.
	Screen *Screen
}

// Screen is a terminal that can be drawn on. All members are set.
type Screen struct {
	// Size is how large it is now, in characters.
	Size func() (columns, rows int)
	// After returns a channel that gets the time when some has passed.
	After func(time.Duration) <-chan time.Time
	// Refresh is the time between two frames.
	Refresh time.Duration
}

// Console returns a writer to f that shows colours on every platform.
func Console(f *os.File) io.Writer {
	if !term.IsTerminal(int(f.Fd())) {
		return f
	}
	return color.NewConsole(f)
}

// Terminals says which of two files is a terminal.
func Terminals(out, err *os.File) Terminal {
	t := Terminal{Out: term.IsTerminal(int(out.Fd())), Err: term.IsTerminal(int(err.Fd()))}
	if t.Err {
		t.Screen = &Screen{Size: func() (int, int) { return size(err) }, After: time.After, Refresh: 100 * time.Millisecond}
	}
	return t
}

// size returns the size of a terminal, or that of the first ones where it does
// not know its own.
func size(f *os.File) (columns, rows int) {
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 1 || rows < 1 {
		return 80, 24
	}
	return columns, rows
}
