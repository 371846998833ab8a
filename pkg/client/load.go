package client

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Daemon is a Docker daemon. Errors are of the kinds ErrUnreachable, ErrDenied
// and ErrRefused, and ErrUsage and ErrNotFound for what says where it is.
type Daemon interface {
	// Source resolves references and image IDs to the images that the daemon has,
	// with their layers.
	Source
	// Holds reports whether the daemon can hold whole lists, and its platform.
	Holds(ctx context.Context) (lists bool, platform v1.Platform, err error)
	// Load has the daemon load the archive that write writes.
	Load(ctx context.Context, write func(io.Writer) error) error
}

// inDocker is where blobs go that are loaded.
const inDocker = "Docker"

// load loads a list into the Docker daemon, or the one image of it that the
// daemon can run.
func (c *Client) load(ctx context.Context, req SaveRequest) (SaveResult, error) {
	want, names, err := req.parseLoad()
	if err != nil {
		return SaveResult{}, err
	}
	lists, own, err := c.daemon.Holds(ctx)
	if err != nil {
		return SaveResult{}, err
	}
	root, _, err := c.toSave(ctx, req.Reference)
	if err != nil {
		return SaveResult{}, err
	}
	if lists && want == nil {
		return c.loadLayout(ctx, root, names)
	}
	if want == nil {
		want = &own
	}
	image, err := chooseFor(*want, root)
	if err == nil && req.Platform != "" && !root.MediaType.IsIndex() {
		err = suits(image, *want)
	}
	if err != nil {
		return SaveResult{}, err
	}
	load := c.loadImage
	if lists {
		load = c.loadLayout
	}
	result, err := load(ctx, image, names)
	if root.MediaType.IsIndex() {
		result.Loaded, result.LeftOut = &image.Entry, others(root, image)
	}
	return result, err
}

// parseLoad understands what is to be loaded. What is loaded needs a name.
func (req SaveRequest) parseLoad() (*v1.Platform, name.Tag, error) {
	if req.Path != "" {
		return nil, name.Tag{}, index.Faultf(index.ErrUsage, "", "a list is saved to a path or loaded into the Docker daemon, not both at once")
	}
	n, err := parseName(req.Reference)
	if err != nil || req.Platform == "" {
		return nil, n.Tag(), err
	}
	p, err := index.ParsePlatform(req.Platform)
	return &p, n.Tag(), err
}

// loadLayout loads a list, or an image, as it is.
func (c *Client) loadLayout(ctx context.Context, root index.Manifest, names name.Tag) (SaveResult, error) {
	ix, from, err := savedArchive.document(root, names)
	if err != nil {
		return SaveResult{}, err
	}
	blobs, err := c.contentOf(ctx, from)
	if err != nil {
		return SaveResult{}, err
	}
	result := savedResult(names, root, blobs)
	blobs, moving := c.beginSave(blobs, from, inDocker)
	defer moving.end()
	return result, c.daemon.Load(ctx, func(w io.Writer) error {
		return c.writer.StreamArchive(ctx, w, ix, blobs)
	})
}

// loadImage loads one image in the way of all versions of Docker.
func (c *Client) loadImage(ctx context.Context, m index.Manifest, names name.Tag) (SaveResult, error) {
	thing := fmt.Sprintf("entry %s", m.Digest)
	image, err := index.ParseImage(m.Raw, m.MediaType)
	if err == nil && !image.Config.MediaType.IsConfig() {
		err = fmt.Errorf("it is no image, but an artifact with the config %q", image.Config.MediaType)
	}
	if err != nil {
		return SaveResult{}, &index.Fault{Kind: index.ErrInvalid, Thing: thing, Cause: err}
	}
	parts, err := c.parts(ctx, m)
	if err != nil {
		return SaveResult{}, err
	}
	parts = parts[1:] // the daemon makes manifests itself
	if len(parts) != 1+len(image.Layers) {
		return SaveResult{}, index.Faultf(index.ErrInvalid, thing, "it has layers that are where their URLs say; this daemon loads complete images only")
	}
	blobs := distinct(parts)
	result := savedResult(names, m, blobs)
	blobs, moving := c.beginSave(blobs, []index.Manifest{m}, inDocker)
	defer moving.end()
	var layers []index.Blob
	for _, l := range image.Layers {
		layers = append(layers, blobs[slices.IndexFunc(blobs, func(b index.Blob) bool { return b.Digest == l.Digest })])
	}
	return result, c.daemon.Load(ctx, func(w io.Writer) error {
		return c.writer.StreamDocker(ctx, w, dockerName(names), blobs[0], layers)
	})
}

// chooseFor returns the image that "docker pull" takes for a platform, and the
// image itself where it is no list.
func chooseFor(want v1.Platform, root index.Manifest) (index.Manifest, error) {
	for root.MediaType.IsIndex() {
		ix, err := index.Parse(root.Raw)
		if err != nil {
			return root, err
		}
		e, ok := ix.Choose(index.ConsumerDocker, want)
		at := slices.IndexFunc(root.Children, func(m index.Manifest) bool { return m.Digest == e.Digest })
		if !ok || at < 0 {
			return root, index.Faultf(index.ErrNotFound, "image for "+index.FormatPlatform(want),
				"the list has none that Docker would take; it has %s", platformsOf(root.Children))
		}
		root = root.Children[at]
	}
	return root, nil
}

// suits refuses an image whose config says another platform than was asked for.
func suits(m index.Manifest, want v1.Platform) error {
	config := index.ConfigPlatform(m.Config)
	if config == nil || !contradicts(want, *config) {
		return nil
	}
	return index.Faultf(index.ErrNotFound, "image for "+index.FormatPlatform(want), "it is one image, for %s", index.FormatPlatform(*config))
}

// others returns the images of a list but one.
func others(root, but index.Manifest) []index.Entry {
	var left []index.Entry
	for _, m := range index.Flatten([]index.Manifest{root}) {
		if m.Digest != but.Digest && !m.IsAttestation() {
			left = append(left, m.Entry)
		}
	}
	return left
}
