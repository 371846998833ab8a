// Package ui is how the program talks: data to stdout, everything else to
// stderr. It is the only place that knows colours and terminals.
//
// The rules of the house:
//   - stdout is data and is never decorated, timestamped or silenced;
//   - a message is one line: what happened, to what, in the words of the manual;
//   - text that came from elsewhere (a registry, a file, an argument) is escaped
//     before it is shown, so that it cannot drive the terminal;
//   - --quiet leaves data and errors, --verbose adds details.
package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/heroku/color"
)

// Streams is where a command writes. Make it with [New].
type Streams struct {
	out, err  io.Writer
	outIsTerm bool
	screen    *Screen
	now       func() time.Time

	// What the global flags say; set before the first message.
	Quiet, Verbose, Timestamps, Color bool
	// NoBars is for terminals on which nothing can be drawn: what is under way is
	// told in lines there, as in a file.
	NoBars bool

	mu       sync.Mutex
	progress *Progress // nil while nothing is drawn
}

// New returns streams that write data to out and talk to err. now is asked for
// timestamps, and for how fast something goes on.
func New(out, err io.Writer, term Terminal, now func() time.Time) *Streams {
	return &Streams{out: out, err: err, outIsTerm: term.Out, screen: term.Screen, Color: term.Err, now: now}
}

// Symbol is a name of the user's world in a message: shown in blue, or in
// quotes where there are no colours.
type Symbol string

// Data writes data to stdout: exactly, or escaped where stdout is a terminal.
func (s *Streams) Data(raw []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outIsTerm {
		raw = []byte(Escape(string(raw)))
		if len(raw) > 0 && raw[len(raw)-1] != '\n' {
			raw = append(raw, '\n')
		}
	}
	_, err := s.out.Write(raw)
	return err
}

// Info writes a message that --quiet silences. Arguments are escaped.
func (s *Streams) Info(format string, args ...any) {
	if !s.Quiet {
		s.line("", format, args)
	}
}

// Detail writes a message that only --verbose shows.
func (s *Streams) Detail(format string, args ...any) {
	if s.Verbose && !s.Quiet {
		s.line("", format, args)
	}
}

// Warn writes a warning. --quiet silences it.
func (s *Streams) Warn(format string, args ...any) {
	if !s.Quiet {
		s.line(s.paint("Warning: ", color.FgYellow, color.Bold), format, args)
	}
}

// Tip writes a command to go on with, that can be pasted. --quiet silences it.
func (s *Streams) Tip(format string, args ...any) {
	if !s.Quiet {
		s.line(s.paint("Tip: ", color.FgGreen, color.Bold), format, args)
	}
}

// Command writes a line to stderr for the program that runs this one, such as
// a workflow command: as it is, but escaped.
func (s *Streams) Command(line string) {
	s.say(Escape(line))
}

// Error writes an error. Nothing silences it.
func (s *Streams) Error(format string, args ...any) {
	s.line(s.paint("ERROR: ", color.FgRed, color.Bold), format, args)
}

func (s *Streams) line(prefix, format string, args []any) {
	text := fmt.Sprintf(format, s.safe(args)...)
	if s.Timestamps {
		prefix = s.now().Format("2006/01/02 15:04:05.000000 ") + prefix
	}
	s.say(prefix + strings.TrimSuffix(text, "\n"))
}

// say writes a line to stderr, above what is drawn there.
func (s *Streams) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.progress != nil && s.progress.above(line+"\n") {
		return
	}
	// There is nowhere to tell of a stderr that cannot be written to.
	_, _ = fmt.Fprintln(s.err, line) //nolint:errcheck // see above
}

// safe escapes every argument that is text of some kind, and keeps it on the
// line of the message.
func (s *Streams) safe(args []any) []any {
	safe := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case Symbol:
			safe[i] = s.symbol(v)
		case int, int64, bool, float64:
			safe[i] = v
		default:
			safe[i] = oneLine(fmt.Sprint(v))
		}
	}
	return safe
}

// oneLine escapes text that stands in a message. A line of its own could pass
// for one of ours, or for a command to what reads our stderr.
func oneLine(text string) string {
	return strings.ReplaceAll(Escape(strings.TrimSuffix(text, "\n")), "\n", `\n`)
}

func (s *Streams) symbol(v Symbol) string {
	text := oneLine(string(v))
	if !s.Color {
		return "'" + text + "'"
	}
	return s.paint(text, color.FgHiBlue)
}

func (s *Streams) paint(text string, attributes ...color.Attribute) string {
	if !s.Color {
		return text
	}
	return color.New(attributes...).Sprint(text)
}
