package ui_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
)

const mega = 1_000_000

func item(name string, megabytes int64) ui.Item {
	return ui.Item{ID: name, Name: name, Size: megabytes * mega}
}

func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, 80, 24)
	s := x.streams()
	p := s.Progress(3, 60*mega, "blobs")
	t.Cleanup(p.End)
	a, b, c := item("aaaa linux/amd64 a.cnb", 10), item("bbbb linux/arm64 b.cnb", 40), item("cccc linux/s390x c.cnb", 10)
	s.Info("before")
	p.At(a, 0)
	p.At(b, 0)
	x.shows("before")
	x.after <- clock()
	x.shows(
		"before",
		"aaaa linux/amd64 a.cnb                     [-------------]    0.0/10.0 MB    0%",
		"bbbb linux/arm64 b.cnb                     [-------------]    0.0/40.0 MB    0%",
		"0 of 3 blobs  0.0/60.0 MB",
	)
	x.pass(10 * time.Second)
	p.At(b, 20*mega)
	p.At(a, 5*mega)
	s.Warn("a line of %s", "words")
	x.shows(
		"before",
		"Warning: a line of words",
		"aaaa linux/amd64 a.cnb                     [======>------]    5.0/10.0 MB   50%",
		"bbbb linux/arm64 b.cnb                     [======>------]   20.0/40.0 MB   50%",
		"0 of 3 blobs  25.0/60.0 MB  14s left  2.5 MB/s",
	)
	p.Done(b)
	s.Info("Uploaded %s", "bbbb")
	x.shows(
		"before",
		"Warning: a line of words",
		"Uploaded bbbb",
		"aaaa linux/amd64 a.cnb                     [======>------]    5.0/10.0 MB   50%",
		"1 of 3 blobs  45.0/60.0 MB  3s left  4.5 MB/s",
	)
	p.Done(c) // was there already, so it was never sent
	p.At(a, 10*mega)
	x.shows(
		"before",
		"Warning: a line of words",
		"Uploaded bbbb",
		"aaaa linux/amd64 a.cnb                     [============>]   10.0/10.0 MB  100%",
		"2 of 3 blobs  50.0/50.0 MB",
	)
	s.Error("the last")
	p.End()
	p.End()
	s.Info("after")
	if got, want := x.text(), "before\nWarning: a line of words\nUploaded bbbb\nERROR: the last\nafter\n"; got != want {
		t.Errorf("it shows\n%s\nwant\n%s", got, want)
	}
}

// What takes no longer than a moment is not drawn; what is small, only when it
// takes long.
func TestProgressOfAMoment(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, 80, 24)
	s := x.streams()
	for _, bytes := range []int64{1 << 20, 1<<20 - 1, 0} {
		p := s.Progress(1, bytes, "blobs")
		p.At(item("a", 1), 5)
		p.Done(item("a", 1))
		p.End()
	}
	if got := x.text(); got != "" {
		t.Errorf("it shows %q", got)
	}
	if want := []time.Duration{200 * time.Millisecond, time.Second, time.Second}; !slices.Equal(x.waited, want) {
		t.Errorf("it waits %v, want %v", x.waited, want)
	}
}

func TestWhereNothingIsDrawn(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*ui.Streams){
		"quiet":      func(s *ui.Streams) { s.Quiet = true },
		"verbose":    func(s *ui.Streams) { s.Verbose = true },
		"timestamps": func(s *ui.Streams) { s.Timestamps = true },
		"no bars":    func(s *ui.Streams) { s.NoBars = true },
	} {
		s := newTerminal(t, 80, 24).streams()
		set(s)
		if p := s.Progress(1, mega, "blobs"); p != nil {
			t.Errorf("%s: it is drawn", name)
		}
	}
	if p := newTerminal(t, 80, 24).streams().Progress(0, 0, "blobs"); p != nil {
		t.Error("nothing under way is drawn")
	}
	p := ui.New(nil, nil, ui.Terminal{Err: true}, clock).Progress(1, mega, "blobs")
	if p != nil {
		t.Error("it is drawn without a screen")
	}
	p.At(item("a", 1), 1) // and nobody need ask
	p.Done(item("a", 1))
	p.End()
}

func TestProgressOnASmallScreen(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, 40, 6)
	p := x.streams().Progress(30, 300*mega, "blobs")
	t.Cleanup(p.End)
	for i := range 30 {
		p.At(item(fmt.Sprintf("%02d linux/amd64 package-of-someone.cnb", i), 10), mega)
	}
	x.after <- clock()
	x.shows(
		"00 linux/amd64 package-of-someo..   10%",
		"01 linux/amd64 package-of-someo..   10%",
		"02 linux/amd64 package-of-someo..   10%",
		"0 of 30 blobs  30.0/300.0 MB",
	)
	p.Done(item("01 linux/amd64 package-of-someone.cnb", 10))
	p.At(item("00 linux/amd64 package-of-someone.cnb", 10), 0) // begins anew
	x.shows(
		"00 linux/amd64 package-of-someo..    0%",
		"02 linux/amd64 package-of-someo..   10%",
		"03 linux/amd64 package-of-someo..   10%",
		"1 of 30 blobs  38.0/300.0 MB",
	)
	x.resize(16, 4)
	x.shows("00 linux/amd6..", "1 of 30 blobs")
	x.resize(10, 2)
	x.shows("1 of 30..")
	x.resize(200, 100)
	x.until("", func(got, _ string) bool { return strings.Count(got, "\n") == 30 })
	if got := x.text(); !strings.Contains(got, "\n29 linux/amd64 package-of-someone.cnb  ") {
		t.Errorf("it shows\n%s", got)
	}
	p.End()
	x.shows()
}

// However many are under way: a screen of that size does not help anybody.
func TestProgressOfVeryMany(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, 100, 1000)
	p := x.streams().Progress(100, 100*mega, "blobs")
	t.Cleanup(p.End)
	for i := range 100 {
		p.At(item(strconv.Itoa(i), 1), 0)
	}
	x.after <- clock()
	x.until("", func(got, _ string) bool { return strings.HasPrefix(got, "0 ") && strings.Count(got, "\n") == 33 })
}

func TestWhatProgressCounts(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, 60, 24)
	p := x.streams().Progress(3, 10*mega, "files")
	t.Cleanup(p.End)
	x.after <- clock()
	x.shows("0 of 3 files  0.0/10.0 MB")
	mounted := item("mounted", 7)
	mounted.Unplanned = true
	p.Done(mounted)
	x.shows("1 of 3 files  0.0/10.0 MB")
	refused := item("refused", 30)
	refused.Unplanned = true
	p.At(refused, mega)
	x.shows("refused                                                  3%", "1 of 3 files  1.0/40.0 MB")
	p.Done(refused)
	p.At(refused, mega) // a request that was answered early still reads
	p.Done(refused)
	x.shows("2 of 3 files  30.0/40.0 MB")
	p.At(ui.Item{ID: "e", Name: "empty"}, 0)
	x.shows("empty                                                  100%", "2 of 3 files  30.0/40.0 MB")
}

// R36: names are text from elsewhere.
func TestProgressEscapesNames(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, 50, 24)
	p := x.streams().Progress(1, mega, "blobs")
	t.Cleanup(p.End)
	p.At(ui.Item{ID: "a", Name: "a\x1b[2J\nb\u202e", Size: mega}, 0)
	p.At(ui.Item{ID: "b", Name: strings.Repeat("世界", 20), Size: mega}, 0)
	x.after <- clock()
	x.until("", func(got, _ string) bool {
		return strings.Contains(got, `a\u001b[2J\nb\u202e`) && strings.Contains(got, strings.Repeat("世界", 10)+"..     0%")
	})
}

// What is typed meanwhile, an interrupt too, leaves nothing behind.
func TestProgressWhereSomebodyTypes(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, 60, 24)
	p := x.streams().Progress(2, 2*mega, "blobs")
	t.Cleanup(p.End)
	p.At(item("a", 1), 0)
	x.after <- clock()
	x.until("", func(got, _ string) bool { return strings.Contains(got, "0 of 2 blobs") })
	if _, err := x.Write([]byte("^C")); err != nil {
		t.Fatal(err)
	}
	x.shows("a                                                        0%", "0 of 2 blobs  0.0/2.0 MB")
	if _, err := x.Write([]byte("^C")); err != nil {
		t.Fatal(err)
	}
	p.End()
	x.shows()
}

var errGone = errors.New("the terminal is gone")

type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errGone }

// A terminal that is closed stops nothing.
func TestProgressOnATerminalThatIsGone(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, 60, 24)
	screen := &ui.Screen{
		Size:    func() (int, int) { return 60, 24 },
		After:   func(time.Duration) <-chan time.Time { return x.after },
		Refresh: time.Millisecond,
	}
	s := ui.New(nil, gone{}, ui.Terminal{Err: true, Screen: screen}, clock)
	for range 20 {
		p := s.Progress(1, mega, "blobs")
		x.after <- clock()
		p.At(item("a", 1), 0)
		s.Info("nobody hears this")
		p.Done(item("a", 1))
		p.End()
	}
}

// Whatever comes from many goroutines, all that is said is there, and nothing
// else.
func TestProgressOfManyGoroutines(t *testing.T) {
	t.Parallel()
	x := newTerminal(t, 70, 12)
	s := x.streams()
	const workers, each = 8, 30
	for range 3 {
		p := s.Progress(workers*each, workers*each*mega, "blobs")
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				for i := range each {
					it := item(fmt.Sprintf("%d-%d", w, i), 1)
					for n := range int64(4) {
						p.At(it, n*mega/4)
					}
					p.Done(it)
					s.Info("done %d %d", w, i)
				}
			})
		}
		x.after <- clock()
		all.Wait()
		p.End()
	}
	lines := strings.Split(strings.TrimSuffix(x.text(), "\n"), "\n")
	for _, line := range lines {
		if !strings.HasPrefix(line, "done ") {
			t.Errorf("it shows %q", line)
		}
	}
	if len(lines) != 3*workers*each {
		t.Errorf("%d lines, want %d", len(lines), 3*workers*each)
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_550_000: "1.6 MB", 2_000_000_000: "2.0 GB", 1 << 50: "1.1 PB", 1 << 62: "4.6 EB",
	} {
		if got := ui.Bytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
