package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/internal/buildpackage"
	"github.com/buildpacks-community/pack-manifest/internal/daemon"
	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

var (
	_ Store    = (*store.Dir)(nil)
	_ Registry = wiredRegistry{}
	_ Source   = layout.Archives{}
	_ Source   = layout.Transports{}
	_ Writer   = layout.Writers{}
	_ Blobs    = (*registry.Client)(nil)
	_ Daemon   = (*daemon.Client)(nil)
)

// Settings is what the world outside says to a client that [Open] makes.
type Settings struct {
	Home      string              // pack's folder; lists are kept in its folder manifests
	Env       func(string) string // answers for environment variables
	Insecure  bool                // allow plain HTTP and TLS that cannot be verified
	Jobs      int                 // requests in flight at most; 0 for DefaultJobs
	UserAgent string
	Temp      string // folder for the images of a Docker daemon while they are read; empty for the system's
	Command   string // what others are told that waits for a list
	Now       func() time.Time
	Log       func(request string) // told of each request, a line; nil for nobody
}

// Open returns a client that keeps lists in pack's folder and speaks with
// registries and a Docker daemon as Docker's configuration says. It does no I/O.
func Open(s Settings, options ...Option) *Client {
	if s.Jobs == 0 {
		s.Jobs = DefaultJobs
	}
	reg := registry.New(registry.Options{
		Insecure: s.Insecure, Jobs: s.Jobs, Env: s.Env, UserAgent: s.UserAgent, Now: s.Now, Log: logger(s.Log),
	})
	lists := store.New(store.Options{
		Root: filepath.Join(s.Home, "manifests"), RuntimeDir: s.Env("XDG_RUNTIME_DIR"), Command: s.Command,
	})
	docker := daemon.New(daemon.Options{
		Env: s.Env, Temp: s.Temp, UserAgent: s.UserAgent, Log: s.Log, Layout: layout.Partial{}.Resolve,
	})
	wired := []Option{
		WithStore(lists), WithRegistry(wiredRegistry{reg}), WithArchives(layout.Archives{}),
		WithLayouts(layout.Transports{}), WithWriter(layout.Writers{Jobs: s.Jobs}), WithBlobs(reg), WithDaemon(docker), WithJobs(s.Jobs),
		WithRulebook(rulebook{reg, s.Jobs}.rules), WithDescriber(describe),
	}
	return New(append(wired, options...)...)
}

// rulebook has the rules about buildpackages and other images of Cloud Native
// Buildpacks.
type rulebook struct {
	blobs Blobs
	jobs  int // layers of registries that are read at once
}

// rules is a Rulebook. Programs are looked at where layers are at hand.
func (r rulebook) rules(ctx context.Context, manifests []index.Manifest, v Validation) ([]index.Rule, error) {
	open, bounds := buildpackage.AtHand, buildpackage.Bounds{}
	if v.Deep {
		open, bounds.Jobs = r.open, r.jobs
	}
	programs, err := buildpackage.BinaryArch(ctx, manifests, open, bounds)
	if err != nil {
		return nil, err
	}
	return append(buildpackage.Rules(manifests), programs), nil
}

// open opens a layer where it is: at hand, else in the registry that its image
// is from.
func (r rulebook) open(ctx context.Context, m index.Manifest, layer v1.Descriptor) (io.ReadCloser, error) {
	near, err := buildpackage.AtHand(ctx, m, layer)
	if _, absent := errors.AsType[*buildpackage.SkippedError](err); !absent {
		return near, err
	}
	if len(layer.URLs) > 0 || !layer.MediaType.IsDistributable() {
		return nil, &buildpackage.SkippedError{Why: "it is not distributed with its image"} // image-spec, layer.md
	}
	repo, ok := m.Origin.Repo()
	if !ok {
		return nil, unknownPlace(m, "the layer")
	}
	return r.blobs.Blob(ctx, repo, layer)
}

// describe returns what images of Cloud Native Buildpacks have in common.
func describe(manifests []index.Manifest) Package {
	facts := buildpackage.DescribeAll(manifests)
	switch facts.Kind {
	case buildpackage.Unknown, buildpackage.Plain:
		return Package{}
	default:
		return Package{Kind: facts.Kind.String(), ID: facts.ID, Version: facts.Version}
	}
}

func logger(log func(string)) func(registry.Request) {
	if log == nil {
		return nil
	}
	return func(r registry.Request) {
		answer := strconv.Itoa(r.Status)
		if r.Err != nil {
			answer = r.Err.Error()
		}
		log(fmt.Sprintf("%s %s: %s in %s", r.Method, r.URL, answer, r.Duration.Round(time.Millisecond)))
	}
}

// Close ends the connections to registries and a Docker daemon, and deletes what
// was saved of its images.
func (c *Client) Close() {
	if closer, ok := c.registry.(interface{ Close() }); ok {
		closer.Close()
	}
	if closer, ok := c.daemon.(io.Closer); ok {
		_ = closer.Close() //nolint:errcheck // the work is done, and a temporary file is nothing to fail for
	}
}

// wiredRegistry gives what internal/registry returns the types of the ports.
type wiredRegistry struct{ *registry.Client }

// Fetch returns the bytes that a reference names.
func (w wiredRegistry) Fetch(ctx context.Context, ref string) (index.Document, error) {
	raw, mediaType, digest, err := w.Client.Fetch(ctx, ref)
	return index.Document{MediaType: string(mediaType), Digest: digest, Raw: raw}, err
}
