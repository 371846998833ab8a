//go:build acceptance

package acceptance_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// console is a shell in a terminal of tmux.
type console struct {
	tb     testing.TB
	home   *home
	tmux   string
	socket string // in the home, where the programs run: paths of sockets are short
}

// newConsole starts a shell whose prompt is "$ ". It ends with the test.
func newConsole(tb testing.TB, h *home, columns, rows int) *console {
	tb.Helper()
	size := []string{"-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows)}
	c := &console{
		tb: tb, tmux: testhelpers.Peer(tb, "tmux"), socket: "tmux" + size[1],
		home: h.with("PACK="+testhelpers.Binary(tb), "LC_ALL=C.UTF-8"),
	}
	tb.Cleanup(func() { c.do("kill-server") })
	c.do(slices.Concat([]string{"new-session", "-d"}, size, []string{"/bin/sh"})...)
	c.shows(`^[#$] $`)
	c.runs("PS1='$ '")
	c.shows(`^\$ $`)
	return c
}

func (c *console) do(args ...string) string {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience) // also when the test has ended
	defer cancel()
	cmd := c.home.command(ctx, c.tmux, slices.Concat([]string{"-S", c.socket, "-f", "/dev/null", "-u"}, args)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.tb.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// runs types a command on an empty screen.
func (c *console) runs(command string) {
	c.tb.Helper()
	c.do("send-keys", "-R")
	c.do("clear-history")
	c.do("send-keys", "-l", command)
	c.do("send-keys", "Enter")
}

// text is all that the terminal shows, with what was scrolled away; what it
// broke into several lines is one.
func (c *console) text() string {
	c.tb.Helper()
	var lines []string
	for line := range strings.Lines(c.do("capture-pane", "-p", "-J", "-S", "-")) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + " " // of the prompt
}

// shows waits until the terminal shows what fits a pattern.
func (c *console) shows(pattern string) string {
	c.tb.Helper()
	want := regexp.MustCompile("(?m)" + pattern)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		text := c.text()
		if want.MatchString(text) {
			return text
		}
		if time.Now().After(deadline) {
			c.tb.Fatalf("it does not show %s, but\n%s", pattern, text)
		}
	}
}

// drawn matches what is shown while something is under way only.
func drawn() *regexp.Regexp { return regexp.MustCompile(`\d+%|of \d+ blobs|\[[=>-]+\]`) }

// slowly is a registry that takes the beginning of each blob, and the rest of it
// when it is told to go on.
func slowly(goOn <-chan struct{}) testhelpers.Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		beginning := make([]byte, 512<<10)
		n, err := io.ReadFull(r.Body, beginning)
		if err == nil {
			select {
			case <-goOn:
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		}
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(beginning[:n]), r.Body))
		next.ServeHTTP(w, r)
	}
}

// TestProgressInATerminal (issue 3): bars while a slow registry takes its time,
// and nothing of them afterwards.
func TestProgressInATerminal(t *testing.T) {
	t.Parallel()
	testhelpers.Peer(t, "tmux") // before anything is made
	reg, h := testhelpers.NewRegistry(t), newHome(t)
	for i, arch := range []string{"amd64", "arm64", "s390x"} {
		testhelpers.WriteCNB(t, h.path(arch+".cnb"), testhelpers.Buildpackage(t, testhelpers.PackageSpec{
			Platform: v1.Platform{OS: "linux", Architecture: arch}, Seed: uint64(i) + 1, LayerSizes: []int64{16_000_000},
		}))
	}
	goOn := make(chan struct{})
	reg.Inject(testhelpers.Fault{Method: "PUT", Match: "^/v2/acme/(slow|narrow)/blobs/", Do: slowly(goOn)})
	reg.Inject(testhelpers.Fault{Method: "PUT", Match: "^/v2/acme/held/blobs/", Do: slowly(nil)})
	reg.Inject(testhelpers.Fault{Method: "PUT", Match: "^/v2/acme/(quiet|file)/blobs/", Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		time.Sleep(600 * time.Millisecond) // three times as long as what would be drawn
		next.ServeHTTP(w, r)
	}})
	create := func(name string) string {
		return `"$PACK" manifest create ` + reg.Host + "/acme/" + name + ":1 amd64.cnb arm64.cnb s390x.cnb --publish"
	}
	address := regexp.QuoteMeta(reg.Host) + `/acme/\w+@sha256:[0-9a-f]{64}`
	wide, narrow := newConsole(t, h, 80, 24), newConsole(t, h.with("PACK_HOME="+h.path("other")), 40, 6)

	// Midway there is a bar for each layer, in the order in which they began.
	wide.runs("digest=$(" + create("slow") + ")")
	text := wide.shows(`(?s)(^[0-9a-f]{12} linux/\w+ \w+\.cnb +\[=*>-+\] +\d+\.\d/16\.0 MB  +\d\d?%$.){3}^3 of 6 blobs  \d+\.\d/48\.0 MB  \d+\w+ left  .*/s $`)
	for _, arch := range []string{"amd64", "arm64", "s390x"} {
		if strings.Count(text, " linux/"+arch+" "+arch+".cnb ") != 1 {
			t.Errorf("midway no bar for %s:\n%s", arch, text)
		}
	}
	// What fits of them where there is little room, and the total.
	narrow.runs(create("narrow"))
	narrow.shows(`(?s)(^[0-9a-f]{12} linux/\w+ \w+\.c?\.\. +\d\d?%$.){3}^3 of 6 blobs  \d+\.\d/48\.0 MB`)
	close(goOn)

	wide.shows(`^Successfully pushed manifest list`)
	wide.do("send-keys", "-l", `echo "[$digest]"`)
	wide.do("send-keys", "Enter")
	text = wide.shows(`^\[` + address + `\]$`)
	if drawn().MatchString(text) || strings.Count(text, "Uploaded sha256:") != 6 || strings.Count(text, " (16.0 MB)\n") != 3 ||
		strings.Count(text, "Copied image linux/") != 3 {
		t.Errorf("afterwards it shows\n%s", text)
	}
	text = narrow.shows(`(?s)^Successfully pushed manifest list.*^` + address + `\n\$ $`)
	if drawn().MatchString(text) || strings.Count(text, "Uploaded sha256:") != 6 {
		t.Errorf("afterwards the narrow one shows\n%s", text)
	}

	// An interrupt leaves nothing of them either.
	wide.runs(create("held"))
	wide.shows(`^3 of 6 blobs`)
	wide.do("send-keys", "C-c")
	text = wide.shows(`^ERROR: interrupted \(interrupt\): \d of \d+ steps are done, no tag was written\n\$ $`)
	if drawn().MatchString(text) || strings.Count(text, "Uploaded sha256:") != 3 || strings.Contains(text, "^C") {
		t.Errorf("after an interrupt it shows\n%s", text)
	}
	if got := wide.do("display-message", "-p", "cursor #{cursor_flag} at #{cursor_x}"); got != "cursor 1 at 2\n" {
		t.Errorf("the prompt is not as it was: %s", got)
	}

	// There is only the digest with -q, and where stderr is a file.
	for _, command := range []string{create("quiet") + " -q", create("file") + " 2>talk"} {
		wide.runs(command)
		if text := wide.shows(`^` + address + `\n\$ $`); strings.Count(text, "\n") != 2 {
			t.Errorf("%s shows\n%s", command, text)
		}
	}
	talk := readFile(t, h.path("talk"))
	if strings.ContainsAny(talk, "\x1b\r%") || strings.Count(talk, "Uploaded sha256:") != 6 || !strings.Contains(talk, "\nSuccessfully pushed") {
		t.Errorf("the file has %q", talk)
	}
}
