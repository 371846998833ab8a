// The rules of what is drawn while something is under way:
//
//   - only where stderr is a terminal that can be drawn on, and neither --quiet
//     nor --verbose nor --timestamps was given: nothing, or lines, else;
//   - nothing that is over in a moment is drawn;
//   - a line for each thing under way, in the order in which they began, the total
//     below them, the cursor below that, and two rows left of what was there before;
//   - what is over leaves, and is told in a message above the lines, as without
//     them; whatever else is said goes there, too;
//   - no line is as long as the screen is wide, nothing depends on colours, and
//     the cursor is never hidden: whatever kills the program, the next prompt is
//     on a line of its own;
//   - each frame is drawn for the size that the screen has then. Where lines were
//     longer than a screen that was made narrower, the terminal has broken them,
//     and what it left of them stays above;
//   - at the end all lines are gone.

package ui

import (
	"io"
	"slices"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

const (
	// moment is how long something must take to be drawn, and longMoment where
	// it is less than muchBytes.
	moment, longMoment = 200 * time.Millisecond, time.Second
	muchBytes          = 1 << 20
	// mostLines is how many lines are drawn besides the total, on a large screen.
	mostLines = 32
)

// Item is one thing under way.
type Item struct {
	ID        string // tells it from the others
	Name      string // is shown, escaped
	Size      int64  // in bytes
	Unplanned bool   // its bytes are not in those that were announced
}

// Progress draws how far something is. Its methods can be called from many
// goroutines, and on nil, which draws nothing. Make it with [Streams.Progress].
type Progress struct {
	streams *Streams
	screen  *Screen
	noun    string
	drawn   *mpb.Progress // nil until there is something to draw; guarded by streams.mu
	bar     *mpb.Bar

	end    sync.Once
	over   chan struct{}
	waiter sync.WaitGroup

	mu    sync.Mutex
	state state
}

// Progress begins to draw items that are bytes together, and are called noun. It
// returns nil where nothing is drawn. Only one may be drawn at a time, and it
// must be ended.
func (s *Streams) Progress(items int, bytes int64, noun string) *Progress {
	if s.screen == nil || s.NoBars || s.Quiet || s.Verbose || s.Timestamps || items == 0 {
		return nil
	}
	p := &Progress{
		streams: s, screen: s.screen, noun: noun, over: make(chan struct{}),
		state: state{items: items, bytes: bytes, left: map[string]bool{}},
	}
	wait := moment
	if bytes < muchBytes {
		wait = longMoment
	}
	p.waiter.Go(func() {
		select {
		case <-s.screen.After(wait):
			p.show()
		case <-p.over:
		}
	})
	return p
}

// At tells how far an item is. One that is not known yet begins.
func (p *Progress) At(i Item, bytes int64) {
	if p == nil {
		return
	}
	now := p.streams.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.at(i, bytes, now)
}

// Done tells that an item is over, whether it has begun before or was not
// needed.
func (p *Progress) Done(i Item) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.done(i)
}

// End takes away what is drawn. What is said after it is at its place.
func (p *Progress) End() {
	if p == nil {
		return
	}
	p.end.Do(func() {
		close(p.over)
		p.waiter.Wait()
		p.streams.mu.Lock()
		defer p.streams.mu.Unlock()
		if p.drawn != nil {
			p.bar.Abort(true)
			p.drawn.Wait()
		}
		p.streams.progress = nil
	})
}

// show begins to draw. The lines of all items are one bar of the library with
// further lines above it, since how many there are must fit the screen in each
// frame; bars of their own would leave some frames late.
func (p *Progress) show() {
	p.streams.mu.Lock()
	defer p.streams.mu.Unlock()
	drawn := mpb.New(mpb.WithOutput(frames{p.streams.err}), mpb.WithAutoRefresh(), mpb.WithRefreshRate(p.screen.Refresh))
	bar, err := drawn.Add(0, mpb.BarFillerFunc(p.total), mpb.BarFillerTrim(), mpb.BarExtender(mpb.BarFillerFunc(p.lines), true))
	if err != nil {
		return // the terminal is gone already
	}
	p.drawn, p.bar, p.streams.progress = drawn, bar, p
}

// above writes a line above what is drawn, and reports whether it could. The
// caller has the lock of the streams.
func (p *Progress) above(line string) bool {
	_, err := io.WriteString(p.drawn, line)
	return err == nil
}

// total draws the last line.
func (p *Progress) total(w io.Writer, _ decor.Statistics) error {
	columns, _ := p.screen.Size()
	now := p.streams.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := io.WriteString(w, p.state.total(columns-1, p.noun, now))
	return err
}

// lines draws the lines above it, the last one first, as the library wants them.
func (p *Progress) lines(w io.Writer, _ decor.Statistics) error {
	columns, rows := p.screen.Size()
	p.mu.Lock()
	shown := slices.Clone(p.state.underWay[:min(len(p.state.underWay), mostLines, max(rows-3, 0))])
	p.mu.Unlock()
	slices.Reverse(shown)
	for _, i := range shown {
		if _, err := io.WriteString(w, itemLine(i, columns-1)+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// frames writes each frame from the first column on: what a user types meanwhile,
// an interrupt too, moves the cursor.
type frames struct{ w io.Writer }

// Write implements io.Writer.
func (f frames) Write(frame []byte) (int, error) {
	if _, err := f.w.Write(slices.Concat([]byte("\r"), frame)); err != nil {
		return 0, err
	}
	return len(frame), nil
}
