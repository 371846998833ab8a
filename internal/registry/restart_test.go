package registry_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// restarting is a registry that ends while it is sent its first blob, and takes
// no connection until it is started again.
type restarting struct {
	handler http.Handler
	mu      sync.Mutex
	server  *http.Server
	host    string
	ended   bool
}

func (r *restarting) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/blobs/") {
		r.mu.Lock()
		first := !r.ended
		r.ended = true
		if first {
			_ = r.server.Close() //nolint:errcheck // as if it were killed
		}
		r.mu.Unlock()
		if first {
			panic(http.ErrAbortHandler)
		}
	}
	r.handler.ServeHTTP(w, req)
}

func (r *restarting) start(ctx context.Context, t *testing.T) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.host)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.host, r.server = l.Addr().String(), &http.Server{Handler: r, ErrorLog: log.New(io.Discard, "", 0)}
	go func(s *http.Server) {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	}(r.server)
	t.Cleanup(func() { _ = r.server.Close() }) //nolint:errcheck // it may be closed
}

// TestRegistryIsRestarted: what was being sent to a registry that is started
// again goes on once it takes connections; one that was never there is not
// waited for.
func TestRegistryIsRestarted(t *testing.T) {
	t.Parallel()
	r := &restarting{host: "127.0.0.1:0", handler: ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))}
	r.start(t.Context(), t)
	var slept int
	c := newClient(t, jobs(1), func(o *registry.Options) {
		o.Sleep = func(ctx context.Context, _ time.Duration) error {
			if slept++; slept == 2 { // a try was refused
				r.start(ctx, t)
			}
			return ctx.Err()
		}
	})
	m, _ := local(t, image(t, 0))
	pub := publication(t, []index.Manifest{m}, r.host+"/a/list:1")
	mustPublish(t, c, pub)
	sameEverywhere(t, c, pub)
	if slept != 2 {
		t.Errorf("it waited %d times", slept)
	}
	var never waits
	_, err := newClient(t, sleeping(&never)).Resolve(t.Context(), "127.0.0.1:1/a/bp:1")
	wants(t, err, index.ErrUnreachable, "refused")
	if n := len(never.slept()); n > 0 {
		t.Errorf("it waited %d times for what was never there", n)
	}
}
