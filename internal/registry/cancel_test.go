package registry_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestCancelWhilePublishing: S1, in each phase; nothing is tagged.
func TestCancelWhilePublishing(t *testing.T) {
	t.Parallel()
	for _, match := range []string{"/list/blobs/uploads/$", "/list/blobs/uploads/.", "/list/manifests/sha256", "/list/manifests/1$"} {
		t.Run(match, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			hit := make(chan struct{}, 100)
			m, _ := local(t, image(t, 0))
			pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
			c := newClient(t)
			plan, err := c.Plan(t.Context(), pub)
			if err != nil {
				t.Fatal(err)
			}
			reg.Inject(testhelpers.Fault{Match: match, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				hit <- struct{}{}
				testhelpers.Hang()(w, r, next)
			}})
			stops(t, hit, func(ctx context.Context) error {
				err := c.Run(ctx, plan, index.Watch{})
				var failed *index.Unfinished
				if !errors.As(err, &failed) || len(failed.Left) == 0 {
					t.Errorf("error %v does not say what is left", err)
				}
				return err
			})
			if _, _, ok := reg.Manifest("a/list", "1"); ok {
				t.Error("the tag is there")
			}
		})
	}
	t.Run("while content does not come", func(t *testing.T) {
		t.Parallel()
		reg, from := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
		from.Push(t, "a/source:0", image(t, 0))
		c := newClient(t)
		pub := publication(t, resolve(t, c, from.Host+"/a/source:0"), reg.Host+"/a/list:1")
		hit := make(chan struct{}, 100)
		from.Inject(testhelpers.Fault{Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			hit <- struct{}{}
			testhelpers.Stall(10, time.Minute)(w, r, next)
		}})
		stops(t, hit, func(ctx context.Context) error {
			plan, err := c.Plan(ctx, pub)
			if err != nil {
				return err
			}
			return c.Run(ctx, plan, index.Watch{})
		})
	})
}

// TestCancelWhileReading: S1: the end of the context is the end of the work,
// wherever it is.
func TestCancelWhileReading(t *testing.T) {
	t.Parallel()
	for _, match := range []string{"^/v2/$", "^/token$", "/manifests/1$", "/manifests/sha256", "/blobs/"} {
		t.Run(match, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", "p"))
			reg.PushIndex(t, "a/list:1", testhelpers.List(t, image(t, 0), image(t, 1)))
			hit := make(chan struct{}, 100)
			reg.Inject(testhelpers.Fault{Match: match, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				hit <- struct{}{}
				testhelpers.Hang()(w, r, next)
			}})
			stops(t, hit, func(ctx context.Context) error {
				_, err := newClient(t).Resolve(ctx, reg.Host+"/a/list:1")
				return err
			})
		})
	}
	t.Run("while waiting to try again", func(t *testing.T) {
		t.Parallel()
		reg := testhelpers.NewRegistry(t)
		reg.Inject(testhelpers.Fault{Do: testhelpers.Status(429, map[string]string{"Retry-After": "60"}, "")})
		hit := make(chan struct{}, 100)
		c := newClient(t, func(o *registry.Options) {
			o.Sleep = func(ctx context.Context, d time.Duration) error {
				hit <- struct{}{}
				return registry.Sleep(ctx, d)
			}
		})
		stops(t, hit, func(ctx context.Context) error {
			_, err := c.Resolve(ctx, reg.Host+"/a/list:1")
			return err
		})
	})
}

// stops cancels work once it hit something, and fails the test unless it ends
// soon with the context's error.
func stops(t *testing.T, hit <-chan struct{}, work func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	select {
	case <-hit:
	case err := <-done:
		t.Fatalf("ended before it was stopped: %v", err)
	}
	cancel()
	select {
	case err := <-done:
		wants(t, err, context.Canceled)
		if errors.Is(err, index.ErrUnreachable) {
			t.Errorf("the registry is blamed: %v", err)
		}
	case <-time.After(time.Second):
		t.Error("still at work a second after it was stopped")
	}
}
