package registry_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

const other = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// TestReadFaults are the rows of the fault matrix that concern reading.
func TestReadFaults(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	date := noon.Add(20 * time.Second).Format(http.TimeFormat)
	const tag, config = "/manifests/1$", "/blobs/sha256"
	digest, err := image(t, 0).Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name    string
		fault   testhelpers.Fault
		want    error // nil where the client gets by
		texts   []string
		waits   []time.Duration // exactly; nil for any
		tries   int             // of the request that fails; 0 for any
		faulted int             // the same, where the registry's log comes late
	}{
		{name: "R2 500 twice", fault: testhelpers.Fault{Match: tag, Times: 2, Do: testhelpers.Status(500, nil, "")}, tries: 3},
		{
			name:  "R1 500 for ever",
			fault: testhelpers.Fault{Match: tag, Do: testhelpers.Status(500, nil, "")},
			want:  index.ErrRefused, texts: []string{"a/list:1", "500 Internal Server Error"}, tries: 5,
		},
		{
			name:  "R4 429 with Retry-After",
			fault: testhelpers.Fault{Match: tag, Times: 2, Do: testhelpers.Status(429, map[string]string{"Retry-After": "7"}, "")},
			waits: []time.Duration{7 * time.Second, 7 * time.Second}, tries: 3,
		},
		{
			name:  "R4 429 on the config",
			fault: testhelpers.Fault{Match: config, Times: 1, Do: testhelpers.Status(429, map[string]string{"Retry-After": "1"}, "")},
			waits: []time.Duration{time.Second},
		},
		{
			name:  "R4 429 on the ping",
			fault: testhelpers.Fault{Match: "^/v2/$", Times: 1, Do: testhelpers.Status(429, map[string]string{"Retry-After": "1"}, "")},
			waits: []time.Duration{time.Second},
		},
		{
			name:  "R5 503 with a date",
			fault: testhelpers.Fault{Match: tag, Times: 1, Do: testhelpers.Status(503, map[string]string{"Retry-After": date}, "")},
			waits: []time.Duration{20 * time.Second},
		},
		{
			name:  "R5 503 with an hour",
			fault: testhelpers.Fault{Match: tag, Do: testhelpers.Status(503, map[string]string{"Retry-After": "3600"}, "")},
			want:  index.ErrRefused, texts: []string{"1h0m0s", "5m0s"}, waits: []time.Duration{}, tries: 1,
		},
		{name: "R6 a manifest cut once", fault: testhelpers.Fault{Match: tag, Times: 1, Do: testhelpers.Cut(20)}, faulted: 1},
		{name: "R6 a config cut once", fault: testhelpers.Fault{Match: config, Times: 1, Do: testhelpers.Cut(20)}},
		{name: "R6 a reset", fault: testhelpers.Fault{Match: tag, Times: 1, Do: testhelpers.Reset(0)}, faulted: 1},
		{
			name:  "R7 cut always",
			fault: testhelpers.Fault{Match: tag, Do: testhelpers.Cut(20)},
			want:  index.ErrUnreachable, texts: []string{"a/list:1", "unexpected EOF"}, faulted: 5,
		},
		{
			name:  "R8 wrong bytes for a digest",
			fault: testhelpers.Fault{Match: digest.String(), Do: testhelpers.Pad()},
			want:  index.ErrInvalid, texts: []string{"it should be " + digest.String(), "and is sha256:"},
		},
		{
			name:  "R9 wrong bytes of a config",
			fault: testhelpers.Fault{Match: config, Do: testhelpers.Corrupt(30)},
			want:  index.ErrInvalid, texts: []string{"config sha256:", "it should be sha256:", "and is sha256:"},
		},
		{
			name:  "R10 a Content-Type that lies",
			fault: testhelpers.Fault{Match: tag, Do: testhelpers.ContentType("text/html")},
			want:  index.ErrInvalid, texts: []string{"text/html"},
		},
		{
			name:  "R10 no Content-Type",
			fault: testhelpers.Fault{Match: tag, Do: testhelpers.Header("Content-Type", "")},
			want:  index.ErrInvalid, // net/http guesses text/plain then
		},
		{
			name:  "R10 a parameter does not matter",
			fault: testhelpers.Fault{Match: tag, Do: testhelpers.ContentType("application/vnd.oci.image.index.v1+json; charset=utf-8")},
		},
		{name: "R11 a digest header that lies", fault: testhelpers.Fault{Match: "", Do: testhelpers.Header("Docker-Content-Digest", other)}},
		{
			name:  "R17 denied",
			fault: testhelpers.Fault{Match: tag, Do: testhelpers.Status(403, nil, `{"errors":[{"code":"DENIED","message":"no pull for you"}]}`)},
			want:  index.ErrDenied, texts: []string{"403 Forbidden", "DENIED", "no pull for you"}, tries: 1,
		},
		{
			name:  "not found",
			fault: testhelpers.Fault{Match: tag, Do: testhelpers.Status(404, nil, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)},
			want:  index.ErrNotFound, texts: []string{"404 Not Found", "MANIFEST_UNKNOWN"}, tries: 1,
		},
		{
			name:  "R36 a long, wild error body",
			fault: testhelpers.Fault{Match: tag, Do: testhelpers.Status(400, nil, `{"errors":[{"code":"X","message":"\u001b[31mred\u009b\ud800 `+strings.Repeat("long ", 4000)+`"}]}`)},
			want:  index.ErrRefused, texts: []string{"red"}, tries: 1,
		},
		{
			name:  "R36 ten megabytes of no JSON",
			fault: testhelpers.Fault{Match: tag, Do: testhelpers.Status(400, nil, strings.Repeat("\x1b]0;\xff", 2<<20))},
			want:  index.ErrRefused, texts: []string{"400 Bad Request"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			reg.PushIndex(t, "a/list:1", testhelpers.List(t, image(t, 0), image(t, 1)))
			reg.Inject(row.fault)
			w := &waits{}
			c := newClient(t, sleeping(w), func(o *registry.Options) { o.Now = func() time.Time { return noon } })
			tree, err := c.Resolve(t.Context(), reg.Host+"/a/list:1")
			ms := index.Flatten(tree)
			if row.want != nil {
				wants(t, err, row.want, append(row.texts, reg.Host)...)
				if text := fmt.Sprint(err); len(text) > 1500 || strings.ContainsAny(text, "\x1b\u009b") {
					t.Errorf("an error of %d bytes: %q", len(text), text[:min(len(text), 200)])
				}
			} else if err != nil || len(ms) != 2 || ms[1].Config.OSVersion != "1" {
				t.Errorf("got %d manifests, %v", len(ms), err)
			}
			if row.waits != nil && !slices.Equal(row.waits, w.slept()) {
				t.Errorf("slept %v, want %v", w.slept(), row.waits)
			}
			if row.faulted != 0 && reg.Faulted() != row.faulted {
				t.Errorf("%d tries, want %d", reg.Faulted(), row.faulted)
			}
			if n := reg.Count("GET", row.fault.Match); row.tries != 0 && n != row.tries {
				t.Errorf("%d tries, want %d", n, row.tries)
			}
		})
	}
}

// TestBackoffGrowsWithinLimits: where the registry does not say how long to
// wait, the waits are random up to a limit that doubles.
func TestBackoffGrowsWithinLimits(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.Inject(testhelpers.Fault{Match: "/manifests/", Do: testhelpers.Status(502, nil, "")})
	w := &waits{}
	c := newClient(t, sleeping(w), func(o *registry.Options) {
		o.Jitter = func(limit time.Duration) time.Duration { return limit }
	})
	_, err := c.Resolve(t.Context(), reg.Host+"/a/list:1")
	wants(t, err, index.ErrRefused, "502 Bad Gateway")
	want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
	if !slices.Equal(w.slept(), want) {
		t.Errorf("slept %v, want %v", w.slept(), want)
	}
}

// TestTimeouts: R19, R20: silence at any point ends, and says so.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	short := func(o *registry.Options) {
		o.Timeouts = registry.Timeouts{TLS: 5 * time.Second, Header: 200 * time.Millisecond, Idle: 200 * time.Millisecond}
	}
	drip := func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		for range 1000 {
			_, err := w.Write([]byte(" "))
			if err = errors.Join(err, http.NewResponseController(w).Flush()); err != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	for _, row := range []struct {
		name string
		do   testhelpers.Action
		text string
	}{
		{"R19 no answer", testhelpers.Hang(), "timeout"},
		{"R20 an answer that stops", testhelpers.Stall(10, time.Minute), "no progress"},
		{"R20 an answer of a byte now and then", drip, "no progress"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			reg.Push(t, "a/list:1", image(t, 0))
			reg.Inject(testhelpers.Fault{Match: "/manifests/", Do: row.do})
			began := time.Now()
			_, err := newClient(t, short).Resolve(t.Context(), reg.Host+"/a/list:1")
			wants(t, err, index.ErrUnreachable, reg.Host, row.text)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	t.Run("R19 a silent server", func(t *testing.T) {
		t.Parallel()
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // the test is over
		_, err = newClient(t, short).Resolve(t.Context(), l.Addr().String()+"/a/list:1")
		wants(t, err, index.ErrUnreachable, l.Addr().String(), "timeout")
	})
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		_, err := newClient(t).Resolve(t.Context(), "127.0.0.1:1/a/list:1")
		wants(t, err, index.ErrUnreachable, "127.0.0.1:1", "connection refused")
	})
}
