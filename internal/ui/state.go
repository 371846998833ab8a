package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// state is how far items are.
type state struct {
	items int   // that there are
	bytes int64 // of all that are to be moved
	begun time.Time

	underWay []position // in the order in which they began
	left     map[string]bool
	moved    int64 // bytes of those that have left
}

// position is how far one item is.
type position struct {
	Item
	bytes int64
}

func (s *state) at(i Item, bytes int64, now time.Time) {
	if s.left[i.ID] {
		return // a request that was answered early still reads
	}
	at := s.find(i.ID)
	if at < 0 {
		at = len(s.underWay)
		s.underWay = append(s.underWay, position{Item: i})
		if i.Unplanned {
			s.bytes += i.Size
		}
	}
	if s.begun.IsZero() {
		s.begun = now
	}
	s.underWay[at].bytes = bytes
}

func (s *state) done(i Item) {
	if s.left[i.ID] {
		return
	}
	s.left[i.ID] = true
	at := s.find(i.ID)
	switch {
	case at >= 0:
		s.moved += i.Size
		s.underWay = slices.Delete(s.underWay, at, at+1)
	case !i.Unplanned:
		s.bytes -= i.Size // it was there already
	}
}

func (s *state) find(id string) int {
	return slices.IndexFunc(s.underWay, func(p position) bool { return p.ID == id })
}

// total is the line about all items: as much of it as a width has room for.
func (s *state) total(width int, noun string, now time.Time) string {
	moved := s.moved
	for _, p := range s.underWay {
		moved += p.bytes
	}
	line := fmt.Sprintf("%d of %d %s", len(s.left), s.items, noun)
	parts := []string{bytesOf(moved, s.bytes)}
	if took := now.Sub(s.begun); !s.begun.IsZero() && took >= time.Second && moved > 0 && moved < s.bytes {
		rate := float64(moved) / took.Seconds()
		left := time.Duration(float64(s.bytes-moved) / rate * float64(time.Second))
		parts = append(parts, left.Round(time.Second).String()+" left", Bytes(int64(rate))+"/s")
	}
	for _, part := range parts {
		if longer := line + "  " + part; len(longer) <= width {
			line = longer
		}
	}
	return cut(line, width)
}

// The least width of a line that has a bar in it, and the least room that is left
// for a name where figures stand beside it.
const (
	widthOfBars = 60
	leastName   = 12
)

// itemLine is the line about an item: its name and how far it is, with a bar and
// the bytes where there is room.
func itemLine(p position, width int) string {
	percent := int64(100)
	if p.Size > 0 {
		percent = p.bytes * 100 / p.Size
	}
	right := fmt.Sprintf("  %3d%%", percent)
	if width >= widthOfBars {
		right = fmt.Sprintf("  %s %14s  %3d%%", bar(p, width/5), bytesOf(p.bytes, p.Size), percent)
	}
	room := width - runewidth.StringWidth(right)
	if room < leastName {
		right, room = "", width
	}
	return runewidth.FillRight(cut(oneLine(p.Name), room), room) + right
}

// cut shortens text to a width.
func cut(text string, width int) string { return runewidth.Truncate(text, max(width, 0), "..") }

// bar is drawn by the library.
func bar(p position, width int) string {
	var b strings.Builder
	// A builder has nothing that could fail.
	_ = mpb.BarStyle().Build().Fill(&b, decor.Statistics{AvailableWidth: width, Total: p.Size, Current: p.bytes}) //nolint:errcheck // see above
	return b.String()
}
