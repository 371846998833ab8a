package ui_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
)

// terminal is one in memory. It knows the few controls that are used, and
// refuses all others.
type terminal struct {
	tb      testing.TB
	changed chan struct{}
	after   chan time.Time

	mu            sync.Mutex
	columns, rows int
	lines         [][]rune // all that there ever were; the last ones are the screen
	row, column   int
	resized       bool
	waited        []time.Duration
	now           time.Time
}

func newTerminal(tb testing.TB, columns, rows int) *terminal {
	tb.Helper()
	return &terminal{
		tb: tb, changed: make(chan struct{}, 1), after: make(chan time.Time), columns: columns, rows: rows,
		lines: make([][]rune, 1), now: clock(),
	}
}

// streams returns streams that talk to the terminal.
func (x *terminal) streams() *ui.Streams {
	screen := &ui.Screen{
		Size: func() (int, int) {
			x.mu.Lock()
			defer x.mu.Unlock()
			return x.columns, x.rows
		},
		After: func(d time.Duration) <-chan time.Time {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.waited = append(x.waited, d)
			return x.after
		},
		Refresh: time.Millisecond,
	}
	s := ui.New(nil, x, ui.Terminal{Err: true, Screen: screen}, func() time.Time {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.now
	})
	s.Color = false
	return s
}

func (x *terminal) pass(d time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now = x.now.Add(d)
}

func (x *terminal) resize(columns, rows int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.columns, x.rows, x.resized = columns, rows, true
}

// Write implements io.Writer.
func (x *terminal) Write(raw []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	up := regexp.MustCompile(`^\x1b\[(\d+)A`)
	for text := string(raw); text != ""; {
		if n := up.FindStringSubmatch(text); n != nil {
			count, err := strconv.Atoi(n[1])
			if x.row -= count; err != nil || x.row < 0 || count >= x.rows && !x.resized {
				x.tb.Errorf("the cursor goes %s lines up, of %d", n[1], x.rows)
				x.row = max(x.row, 0)
			}
			text = text[len(n[0]):]
			continue
		}
		if rest, ok := strings.CutPrefix(text, "\x1b[J"); ok {
			x.lines = x.lines[:x.row+1]
			x.lines[x.row] = x.lines[x.row][:min(x.column, len(x.lines[x.row]))]
			text = rest
			continue
		}
		r := []rune(text)[0]
		x.put(r)
		text = strings.TrimPrefix(text, string(r))
	}
	select {
	case x.changed <- struct{}{}:
	default:
	}
	return len(raw), nil
}

func (x *terminal) put(r rune) {
	switch {
	case r == '\r':
		x.column = 0
	case r == '\n':
		x.row, x.column = x.row+1, 0
		if x.row == len(x.lines) {
			x.lines = append(x.lines, nil)
		}
	case r < ' ':
		x.tb.Errorf("a control character %q", r)
	default:
		line := x.lines[x.row]
		for len(line) <= x.column {
			line = append(line, ' ')
		}
		line[x.column] = r
		x.lines[x.row] = line
		x.column++
		if x.column >= x.columns {
			x.tb.Errorf("a line reaches the last of %d columns: %q", x.columns, string(line))
		}
	}
}

// text is all that the terminal shows, and the line of the cursor.
func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var lines []string
	for _, line := range x.lines {
		lines = append(lines, strings.TrimRight(string(line), " "))
	}
	return strings.Join(lines, "\n")
}

// shows waits until the terminal shows what is wanted.
func (x *terminal) shows(want ...string) {
	x.tb.Helper()
	x.until(strings.Join(append(slices.Clone(want), ""), "\n"), func(got, want string) bool { return got == want })
}

func (x *terminal) until(want string, is func(got, want string) bool) {
	x.tb.Helper()
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	for !is(x.text(), want) {
		select {
		case <-x.changed:
		case <-timeout.C:
			x.tb.Fatalf("it shows\n%s\nwant\n%s", x.text(), want)
		}
	}
}
