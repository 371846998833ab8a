package registry_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestMain(m *testing.M) {
	// Credential helpers are looked for on the PATH of the process.
	dir, err := filepath.Abs("testdata/helpers")
	if err == nil {
		err = os.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	}
	log, logErr := os.MkdirTemp("", "helpers-")
	if err = errors.Join(err, logErr, os.Setenv("HELPER_LOG", log)); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, testhelpers.Lingering(), goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(log); err != nil {
			panic(err)
		}
		os.Exit(code)
	}))
}

// waits notes how long a client would have slept.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	w.all = append(w.all, d)
	w.mu.Unlock()
	return ctx.Err()
}

func (w *waits) slept() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all)
}

// newClient returns a client that never sleeps.
func newClient(t *testing.T, edits ...func(*registry.Options)) *registry.Client {
	t.Helper()
	opts := registry.Options{UserAgent: "test", Sleep: (&waits{}).sleep}
	for _, edit := range edits {
		edit(&opts)
	}
	c := registry.New(opts)
	t.Cleanup(c.Close)
	return c
}

// env answers for environment variables, "NAME=value" each.
func env(pairs ...string) func(*registry.Options) {
	return func(o *registry.Options) {
		o.Env = func(name string) string {
			for _, p := range pairs {
				if value, ok := strings.CutPrefix(p, name+"="); ok {
					return value
				}
			}
			return ""
		}
	}
}

func trust(reg *testhelpers.Registry) func(*registry.Options) {
	return func(o *registry.Options) { o.RootCAs = reg.CertPool() }
}

func sleeping(w *waits) func(*registry.Options) {
	return func(o *registry.Options) { o.Sleep = w.sleep }
}

func jobs(n int) func(*registry.Options) { return func(o *registry.Options) { o.Jobs = n } }

// image makes a package for the i-th of many platforms.
func image(t *testing.T, i int) v1.Image {
	t.Helper()
	return testhelpers.Buildpackage(t, testhelpers.PackageSpec{
		OCI: true, Seed: uint64(i) + 1, SharedSeed: 99, LayerSizes: []int64{64, 64},
		Platform: v1.Platform{OS: "linux", Architecture: []string{"amd64", "arm64", "arm", "s390x"}[i%4], OSVersion: strconv.Itoa(i)},
	})
}

// resolve resolves references side by side, as one command does.
func resolve(t *testing.T, c *registry.Client, refs ...string) []index.Manifest {
	t.Helper()
	found := make([][]index.Manifest, len(refs))
	var group errgroup.Group
	for i, ref := range refs {
		group.Go(func() (err error) { found[i], err = c.Resolve(t.Context(), ref); return err })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return index.Flatten(slices.Concat(found...))
}

// publication makes a list of manifests that is to go to tags.
func publication(t *testing.T, children []index.Manifest, to ...string) index.Publication {
	t.Helper()
	p := index.Publication{Children: children, Fresh: true}
	entries := make([]index.Entry, len(children))
	for i, m := range children {
		entries[i] = m.Entry
	}
	var err error
	if p.Index, _, err = index.New(index.OCI).Apply(index.Add(entries...)); err != nil {
		t.Fatal(err)
	}
	for _, tag := range to {
		p.To = append(p.To, tagOf(t, tag))
	}
	return p
}

func tagOf(t *testing.T, s string) name.Tag {
	t.Helper()
	tag, err := name.NewTag(s)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// publish plans and runs, and returns the steps that were reported.
func publish(t *testing.T, c *registry.Client, p index.Publication) ([]index.Step, error) {
	t.Helper()
	plan, err := c.Plan(t.Context(), p)
	if err != nil {
		return nil, err
	}
	var done []index.Step
	err = c.Run(t.Context(), plan, index.Watch{Done: func(s index.Step) { done = append(done, s) }})
	return done, err
}

func mustPublish(t *testing.T, c *registry.Client, p index.Publication) []index.Step {
	t.Helper()
	done, err := publish(t, c, p)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// has fails the test unless the registry has the very bytes of the list at a tag.
func has(t *testing.T, reg *testhelpers.Registry, repository, tag string, ix index.Index) {
	t.Helper()
	want, err := ix.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	got, mediaType, ok := reg.Manifest(repository, tag)
	if !ok || string(got) != string(want) {
		t.Errorf("%s:%s holds\n%s\nwant\n%s", repository, tag, got, want)
	}
	if media, err := ix.MediaType(); err != nil || mediaType != string(media) {
		t.Errorf("%s:%s has media type %q, want %q (%v)", repository, tag, mediaType, media, err)
	}
}

// wants fails the test unless the error is of the kind and says all of texts.
func wants(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %q is not %q", fmt.Sprint(err), kind)
	}
	for _, text := range texts {
		if !strings.Contains(fmt.Sprint(err), text) {
			t.Errorf("error %q does not say %q", fmt.Sprint(err), text)
		}
	}
}

// kinds counts steps.
func kinds(steps []index.Step) map[string]int {
	n := map[string]int{}
	for _, s := range steps {
		key := string(s.Kind)
		if s.Skipped {
			key += " skipped"
		}
		n[key]++
	}
	return n
}
