package ui_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
)

func clock() time.Time { return time.Date(2026, time.March, 4, 5, 6, 7, 89_000, time.UTC) }

// say writes one message of each kind.
func say(s *ui.Streams) {
	s.Info("info %s", "x")
	s.Detail("detail %d", 1)
	s.Warn("warn %v", true)
	s.Tip("tip")
	s.Error("error %s", errors.New("e"))
}

func TestWhatIsSaidWhen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(*ui.Streams)
		want string
	}{
		{"by default", func(*ui.Streams) {}, "info x\nWarning: warn true\nTip: tip\nERROR: error e\n"},
		{"quiet", func(s *ui.Streams) { s.Quiet = true }, "ERROR: error e\n"},
		{"verbose", func(s *ui.Streams) { s.Verbose = true }, "info x\ndetail 1\nWarning: warn true\nTip: tip\nERROR: error e\n"},
		{"quiet wins over verbose", func(s *ui.Streams) { s.Quiet, s.Verbose = true, true }, "ERROR: error e\n"},
		{
			"timestamps", func(s *ui.Streams) { s.Timestamps, s.Quiet = true, true },
			"2026/03/04 05:06:07.000089 ERROR: error e\n",
		},
		{
			"colour", func(s *ui.Streams) { s.Color = true },
			"info x\n\x1b[33;1mWarning: \x1b[0mwarn true\n\x1b[32;1mTip: \x1b[0mtip\n\x1b[31;1mERROR: \x1b[0merror e\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out, err bytes.Buffer
			s := ui.New(&out, &err, ui.Terminal{}, clock)
			c.set(s)
			say(s)
			if got := err.String(); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if out.Len() > 0 {
				t.Errorf("talk went to stdout: %q", out.String())
			}
		})
	}
}

func TestColoursFollowTheTerminal(t *testing.T) {
	t.Parallel()
	for _, term := range []ui.Terminal{{}, {Out: true}, {Err: true}, {Out: true, Err: true}} {
		if s := ui.New(nil, nil, term, clock); s.Color != term.Err {
			t.Errorf("%+v: colour is %v", term, s.Color)
		}
	}
}

func TestSymbol(t *testing.T) {
	t.Parallel()
	var err bytes.Buffer
	s := ui.New(nil, &err, ui.Terminal{}, clock)
	s.Info("list %s", ui.Symbol("a\x1b[2Jb"))
	s.Color = true
	s.Info("list %s", ui.Symbol("a\x1b[2Jb"))
	want := "list 'a\\u001b[2Jb'\nlist \x1b[94ma\\u001b[2Jb\x1b[0m\n"
	if got := err.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// named is text of a type of its own, as digests, kinds and media types are.
type named string

// R36: every argument is text of somebody else unless it is a number.
func TestArgumentsAreEscaped(t *testing.T) {
	t.Parallel()
	var err bytes.Buffer
	s := ui.New(nil, &err, ui.Terminal{}, clock)
	esc := "\x1b[2J"
	s.Info("%s %v %s %v", esc, errors.New(esc), named(esc), fmt.Errorf("at %d: %w", 1, errors.New(esc)))
	s.Warn("%s", esc)
	s.Tip("%s", esc)
	s.Error("%s", esc)
	s.Info("%d of %d, %v, %.1f", 1, int64(2), true, 0.5)
	if got := err.String(); strings.Contains(got, "\x1b") || strings.Count(got, `\u001b[2J`) != 7 ||
		!strings.HasSuffix(got, "\n1 of 2, true, 0.5\n") {
		t.Errorf("got %q", got)
	}
}

// Text of somebody else makes no line of its own: it could pass for one of ours,
// or for a command to GitHub's runner.
func TestAMessageIsOneLine(t *testing.T) {
	t.Parallel()
	var err bytes.Buffer
	s := ui.New(nil, &err, ui.Terminal{}, clock)
	s.Info("%s", "with an end\n")
	s.Info("100%%")
	s.Warn("%s %s", "a\nERROR: b", ui.Symbol("c\n::stop-commands::d"))
	s.Error("%v", errors.Join(errors.New("e"), errors.New("f")))
	want := "with an end\n100%\nWarning: a\\nERROR: b 'c\\n::stop-commands::d'\nERROR: e\\nf\n"
	if got := err.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestACommandIsAsItIs(t *testing.T) {
	t.Parallel()
	var err bytes.Buffer
	s := ui.New(nil, &err, ui.Terminal{}, clock)
	s.Quiet, s.Timestamps, s.Color = true, true, true
	s.Command("::error title=rule::100%25 \x1b[2J")
	if got, want := err.String(), "::error title=rule::100%25 \\u001b[2J\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDataIsExactUnlessATerminalReadsIt(t *testing.T) {
	t.Parallel()
	raw := []byte("{\"a\":\"\x1b[2J\u202e\xff\"}\r\n\tend")
	for _, c := range []struct {
		name string
		term ui.Terminal
		want string
	}{
		{"file", ui.Terminal{}, string(raw)},
		{"file, and stderr is a terminal", ui.Terminal{Err: true}, string(raw)},
		{"terminal", ui.Terminal{Out: true}, "{\"a\":\"\\u001b[2J\\u202e\\xff\"}\\u000d\n\tend\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out, err bytes.Buffer
			s := ui.New(&out, &err, c.term, clock)
			s.Quiet, s.Timestamps, s.Color = true, true, true // all that must not matter
			if err := s.Data(raw); err != nil {
				t.Fatal(err)
			}
			if got := out.String(); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if err.Len() > 0 {
				t.Errorf("data went to stderr: %q", err.String())
			}
		})
	}
	var out bytes.Buffer
	s := ui.New(&out, nil, ui.Terminal{Out: true}, clock)
	if err := s.Data(nil); err != nil || out.Len() > 0 {
		t.Errorf("nothing became %q, %v", out.String(), err)
	}
	if err := s.Data([]byte("line\n")); err != nil || out.String() != "line\n" {
		t.Errorf("a line became %q, %v", out.String(), err)
	}
}

var errFull = errors.New("no space left")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// A script that reads a digest must not go on without it.
func TestDataThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	s := ui.New(full{}, full{}, ui.Terminal{}, clock)
	if err := s.Data([]byte("x")); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	s.Error("nobody hears this") // and nothing panics
}

func TestMessagesDoNotMix(t *testing.T) {
	t.Parallel()
	var err bytes.Buffer
	s := ui.New(nil, &err, ui.Terminal{}, clock)
	s.Color, s.Timestamps = true, true
	const writers, each = 8, 50
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				s.Info("one %s two", ui.Symbol("symbol"))
			}
		})
	}
	all.Wait()
	want := "2026/03/04 05:06:07.000089 one \x1b[94msymbol\x1b[0m two\n"
	if got := err.String(); got != strings.Repeat(want, writers*each) {
		t.Errorf("%d bytes, want %d", len(got), len(want)*writers*each)
	}
}
