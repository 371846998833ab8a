package commands_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/internal/commands"
	"github.com/buildpacks-community/pack-manifest/internal/ui"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// drawing is a terminal that keeps all that was ever drawn.
type drawing struct {
	mu      sync.Mutex
	all     bytes.Buffer
	changed chan struct{}
}

func newDrawing() *drawing { return &drawing{changed: make(chan struct{}, 1)} }

// Write implements io.Writer.
func (d *drawing) Write(raw []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case d.changed <- struct{}{}:
	default:
	}
	return d.all.Write(raw)
}

func (d *drawing) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all.String()
}

// shows waits until something was drawn, for some seconds.
func (d *drawing) shows(pattern *regexp.Regexp) bool {
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	for !pattern.MatchString(d.String()) {
		select {
		case <-d.changed:
		case <-timeout.C:
			return false
		}
	}
	return true
}

// onTerminal is a process whose stderr is a terminal of 80 columns on which
// everything takes longer than a moment.
func onTerminal(env map[string]string, out io.Writer, err *drawing, args ...string) commands.Process {
	p := process(env, out, err, args...)
	moment := make(chan time.Time)
	close(moment)
	p.Term = ui.Terminal{Err: true, Screen: &ui.Screen{
		Size:    func() (int, int) { return 80, 24 },
		After:   func(time.Duration) <-chan time.Time { return moment },
		Refresh: time.Millisecond,
	}}
	return p
}

// waiting passes a request for a blob on once something was drawn.
func waiting(d *drawing, pattern *regexp.Regexp) testhelpers.Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !d.shows(pattern) {
			http.Error(w, "nothing was drawn", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// Issue 3: bars for each blob and a total on a terminal, messages above them.
func TestProgressOfCommands(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	env := map[string]string{"PACK_HOME": t.TempDir()}
	dir := t.TempDir()
	img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{LayerSizes: []int64{2_000_000}})
	file := testhelpers.WriteCNB(t, filepath.Join(dir, "bp.cnb"), img)
	from := reg.Host + "/acme/from:1"
	reg.Push(t, "acme/from:1", testhelpers.Buildpackage(t, testhelpers.PackageSpec{
		Platform: v1.Platform{OS: "linux", Architecture: "arm64"}, LayerSizes: []int64{2_000_000},
	}))
	for _, row := range []struct {
		name, method, path, bar, total, line string
		args                                 []string
	}{
		{
			"create", http.MethodPut, "/acme/bp/blobs/uploads/", `[0-9a-f]{12} linux/amd64 bp\.cnb +\[[=>-]+\] +\d\.\d/2\.0 MB +\d+%`,
			`\d of 2 blobs  [0-9.]+/2\.0 MB`, `Uploaded sha256:[0-9a-f]{64} \(2\.0 MB\)`,
			[]string{"manifest", "create", reg.Host + "/acme/bp:1", file, "--publish"},
		},
		{
			"save", http.MethodGet, "/acme/from/blobs/", `[0-9a-f]{12} linux/arm64 from:1 +\[-+\] +0\.0/2\.0 MB +0%`,
			`\d of 2 blobs  [0-9.]+/2\.0 MB`, `Read sha256:[0-9a-f]{64} \(2\.0 MB\)`,
			[]string{"manifest", "save", from, "-o", filepath.Join(dir, "saved.tar")},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			d := newDrawing()
			// The config is the second request where there is one.
			reg.Inject(testhelpers.Fault{Method: row.method, Match: row.path, Nth: 2, Times: 1, Do: waiting(d, regexp.MustCompile(row.bar))})
			if code := commands.Main(t.Context(), onTerminal(env, &out, d, row.args...)); code != 0 {
				t.Fatalf("exit %d: %q", code, d)
			}
			got := d.String()
			for _, pattern := range []string{row.bar, row.total, "\x1b\\[\\d+A\x1b\\[J", "(\n|\x1b\\[J)" + row.line + "\n"} {
				if !regexp.MustCompile(pattern).MatchString(got) {
					t.Errorf("it never shows %s: %q", pattern, got)
				}
			}
			// Whatever was drawn last was erased, and what follows is at its place.
			last := atTheEnd(got)
			if strings.Contains(last, "blobs  ") || !strings.Contains(last, "Successfully ") {
				t.Errorf("left at the end: %q", last)
			}
			if want := regexp.MustCompile(`^` + regexp.QuoteMeta(reg.Host) + `/acme/\w+@sha256:[0-9a-f]{64}\n$`); !want.MatchString(out.String()) {
				t.Errorf("stdout is %q", out.String())
			}
		})
	}
}

// atTheEnd is what comes after the last time that something was erased.
func atTheEnd(drawn string) string {
	const erase = "\x1b[J"
	return drawn[strings.LastIndex(drawn, erase)+len(erase):]
}

// Where bars would be in the way there are lines, or nothing.
func TestProgressInLines(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	file := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "bp.cnb"), testhelpers.Buildpackage(t, testhelpers.PackageSpec{
		LayerSizes: []int64{2_000_000},
	}))
	for i, row := range []struct {
		name  string
		env   map[string]string
		flag  string
		drawn bool
		lines bool
	}{
		{"terminal", nil, "--no-color", true, true},
		{"CI", map[string]string{"CI": "true"}, "--no-color", false, true},
		{"CI with a number", map[string]string{"CI": "1"}, "--no-color", false, true},
		{"no CI", map[string]string{"CI": "false"}, "--no-color", true, true},
		{"dumb", map[string]string{"TERM": "dumb"}, "--no-color", false, true},
		{"another terminal", map[string]string{"TERM": "vt100"}, "--no-color", true, true},
		{"quiet", nil, "--quiet", false, false},
		{"verbose", nil, "--verbose", false, true},
		{"timestamps", nil, "--timestamps", false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"PACK_HOME": t.TempDir(), "NO_COLOR": "1"}
			maps.Copy(env, row.env)
			repository := "/acme/bp" + string(rune('a'+i))
			d := newDrawing()
			drawn := regexp.MustCompile("of 2 blobs")
			if row.drawn {
				reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: repository + "/blobs/uploads/", Nth: 2, Times: 1, Do: waiting(d, drawn)})
			}
			var out bytes.Buffer
			args := []string{"manifest", "create", reg.Host + repository + ":1", file, "--publish", row.flag}
			if code := commands.Main(t.Context(), onTerminal(env, &out, d, args...)); code != 0 {
				t.Fatalf("exit %d: %q", code, d)
			}
			got := d.String()
			if drawn.MatchString(got) != row.drawn || strings.ContainsAny(got, "\r\x1b") != row.drawn {
				t.Errorf("want it drawn: %v; it shows %q", row.drawn, got)
			}
			if strings.Contains(got, "Uploaded sha256:") != row.lines {
				t.Errorf("want lines: %v; it shows %q", row.lines, got)
			}
		})
	}
}

// S1: an interrupt takes away what is drawn before it is told.
func TestProgressInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	reg := testhelpers.NewRegistry(t)
	file := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "bp.cnb"), testhelpers.Buildpackage(t, testhelpers.PackageSpec{}))
	d := newDrawing()
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/blobs/", Do: func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		if d.shows(regexp.MustCompile("0 of 2 blobs")) {
			cancel(&commands.Interrupt{Name: "interrupt", Code: 130})
		}
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}})
	env := map[string]string{"PACK_HOME": t.TempDir(), "NO_COLOR": "1"}
	var out bytes.Buffer
	code := commands.Main(ctx, onTerminal(env, &out, d, "manifest", "create", reg.Host+"/acme/bp:1", file, "--publish"))
	last := atTheEnd(d.String())
	if want := "ERROR: interrupted (interrupt): nothing was written\n"; code != 130 || strings.TrimPrefix(last, "\r") != want || out.Len() > 0 {
		t.Errorf("exit %d, at the end %q, want %q; all of it %q", code, last, want, d)
	}
}
