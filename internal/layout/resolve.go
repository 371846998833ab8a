package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// The files of a layout beside its blobs (image-spec, image-layout.md).
const (
	markerFile    = "oci-layout"
	indexFile     = "index.json"
	layoutVersion = "1.0.0"
)

// What is read of a layout is bounded: lists in lists, descriptors in all, and
// the bytes of manifests and configs, which stay in memory.
const (
	maxDepth       = 8
	maxDescriptors = 10_000
	maxContent     = 64 << 20
)

// content is where a layout is: an archive or a directory.
type content interface {
	// form is what a layout of the kind is called.
	form() string
	// size tells how big a file of the layout is; fs.ErrNotExist if it is
	// missing.
	size(name string) (int64, error)
	// read returns a file of at most index.MaxManifest bytes.
	read(name string) ([]byte, error)
	// blob returns a file that is there as a blob.
	blob(name string, digest v1.Hash) index.Blob
}

// resolver collects the images of one layout.
type resolver struct {
	content content
	origin  index.Origin
	seen    int   // descriptors
	bytes   int64 // of manifests and configs
	beside  map[v1.Hash][]attachment

	// What lacks content is left out, and noted in absent, where the layout says
	// of others that it may.
	partial bool
	absent  []string
}

// errMissing says that the layout lacks content that it refers to.
var errMissing = errors.New("is missing")

// resolve returns the images of a layout, or those of a name only.
func resolve(ctx context.Context, c content, origin index.Origin, name string) ([]index.Manifest, error) {
	r := &resolver{content: c, origin: origin}
	return r.resolve(ctx, name)
}

func (r *resolver) resolve(ctx context.Context, name string) ([]index.Manifest, error) {
	c := r.content
	if err := checkMarker(c); err != nil {
		return nil, err
	}
	raw, err := c.read(indexFile)
	if err != nil {
		return nil, notALayout(c, err)
	}
	list, err := index.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	found, err := r.find(ctx, list, name)
	if err != nil {
		return nil, r.attribute(err)
	}
	if r.partial {
		found = attached(index.Flatten(found))
	}
	switch {
	case len(index.Flatten(found)) > 0:
		return found, nil
	case len(r.absent) > 0:
		return nil, fmt.Errorf("it has all of no image: %s", strings.Join(r.absent, "; "))
	}
	return nil, fmt.Errorf("%s refers to no image", indexFile)
}

// find returns what an index.json refers to, or what has the name.
func (r *resolver) find(ctx context.Context, list index.Index, name string) ([]index.Manifest, error) {
	entries, err := r.split(list.Entries())
	switch {
	case err != nil:
	case name == "":
		entries, err = r.original(ctx, list, entries)
	default:
		entries, err = named(list.Entries(), name)
	}
	if err != nil {
		return nil, err
	}
	return r.list(ctx, entries, 0)
}

// attribute says of the images that an error is about where they come from.
func (r *resolver) attribute(err error) error {
	if rejected, ok := errors.AsType[*index.Rejection](err); ok {
		for i, f := range rejected.Findings {
			origin := r.origin
			origin.Pin = f.Entry.Digest
			rejected.Findings[i].Entry.Origin = origin
		}
	}
	return err
}

func checkMarker(c content) error {
	raw, err := c.read(markerFile)
	if err != nil {
		return notALayout(c, err)
	}
	var marker struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(raw, &marker); err != nil {
		return fmt.Errorf("%s: %w", markerFile, err)
	}
	if marker.Version != layoutVersion {
		return fmt.Errorf("%s: imageLayoutVersion is %q, want %q", markerFile, marker.Version, layoutVersion)
	}
	return nil
}

// notALayout tells a layout that lacks something from something else.
func notALayout(c content, err error) error {
	_, marker := c.size(markerFile)
	_, list := c.size(indexFile)
	if errors.Is(marker, fs.ErrNotExist) && errors.Is(list, fs.ErrNotExist) {
		return fmt.Errorf("it is not %s: it has neither %s nor %s", c.form(), markerFile, indexFile)
	}
	return err
}

// list returns what a list refers to, in order. depth is how many lists led to
// it; no list can lead to itself, since it would have to contain its own digest.
func (r *resolver) list(ctx context.Context, entries []index.Entry, depth int) ([]index.Manifest, error) {
	if depth > maxDepth {
		return nil, tooDeep()
	}
	var found []index.Manifest
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.seen++; r.seen > maxDescriptors {
			return nil, fmt.Errorf("it refers to more than %d images and lists", maxDescriptors)
		}
		m, err := r.entry(ctx, e, depth)
		if r.partial && errors.Is(err, errMissing) {
			r.leaveOut(e, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		if depth == 0 && contains(found, m) {
			continue
		}
		found = append(found, m)
	}
	return found, nil
}

func tooDeep() error { return fmt.Errorf("lists refer to lists more than %d deep", maxDepth) }

func (r *resolver) entry(ctx context.Context, e index.Entry, depth int) (index.Manifest, error) {
	if !e.MediaType.IsIndex() {
		return r.image(e)
	}
	raw, err := r.manifest(e)
	if err != nil {
		return index.Manifest{}, err
	}
	nested, err := parseList(raw, e.MediaType)
	if err != nil {
		return index.Manifest{}, fmt.Errorf("list %s: %w", e.Digest, err)
	}
	m := index.Manifest{Entry: r.describe(e), Raw: raw}
	if m.Referrers, err = r.referrers(e.Digest); err != nil {
		return index.Manifest{}, err
	}
	var from *index.Manifest
	if len(m.Referrers) > 0 {
		list := m
		from = &list
	}
	m.Children, err = r.list(ctx, nested.Entries(), depth+1)
	for i := range m.Children {
		m.Children[i].From = from
	}
	return m, err
}

func parseList(raw []byte, declared types.MediaType) (index.Index, error) {
	if _, err := index.MediaTypeOf(raw, declared); err != nil {
		return index.Index{}, err
	}
	return index.Parse(raw)
}

// contains reports whether what m describes is there already: skopeo describes
// an image once for every name that it has in the archive.
func contains(found []index.Manifest, m index.Manifest) bool {
	return slices.ContainsFunc(found, func(o index.Manifest) bool {
		return o.Digest == m.Digest && o.PlatformString() == m.PlatformString() && maps.Equal(o.Annotations, m.Annotations)
	})
}

// image reads one image by its descriptor.
func (r *resolver) image(e index.Entry) (index.Manifest, error) {
	if !e.MediaType.IsImage() {
		return index.Manifest{}, reject(index.NotAnImage, e,
			"%s is of the media type %q, which is no image manifest and no list", e.Digest, e.MediaType)
	}
	m, image, err := r.parts(e)
	if err != nil {
		return index.Manifest{}, err
	}
	if m.Referrers, err = r.referrers(e.Digest); err != nil {
		return index.Manifest{}, err
	}
	if e.IsAttestation() || !image.Config.MediaType.IsConfig() {
		return m, nil
	}
	if m.Config, err = parseConfig(m.RawConfig, len(image.Layers)); err != nil {
		return index.Manifest{}, reject(index.ConfigUnreadable, e, "config %s of %s: %w", image.Config.Digest, e.Digest, err)
	}
	if !m.HasPlatform() {
		m.Platform = index.ConfigPlatform(m.Config)
	}
	return m, nil
}

// parts reads a manifest that is no list, its config and where its layers are.
func (r *resolver) parts(e index.Entry) (index.Manifest, v1.Manifest, error) {
	none := index.Manifest{}
	raw, err := r.manifest(e)
	if err != nil {
		return none, v1.Manifest{}, err
	}
	image, err := index.ParseImage(raw, e.MediaType)
	if err != nil {
		return none, image, reject(index.NotAnImage, e, "manifest %s: %w", e.Digest, err)
	}
	m := index.Manifest{Entry: r.describe(e), Raw: raw}
	if m.Layers, err = r.layers(e, image.Layers); err != nil {
		return none, image, err
	}
	if size := image.Config.Size; size > index.MaxManifest && image.Config.MediaType.IsConfig() {
		return none, image, reject(index.ConfigUnreadable, e, "config %s has %d bytes, more than %d", image.Config.Digest, size, index.MaxManifest)
	}
	m.RawConfig, err = r.verified("config", e, image.Config)
	return m, image, err
}

// describe makes the entry of a list from the layout's descriptor: without
// names, which are those of images in the layout, and without a copy of the
// content, which is at hand.
func (r *resolver) describe(e index.Entry) index.Entry {
	delete(e.Annotations, refName)
	delete(e.Annotations, containerdName)
	if len(e.Annotations) == 0 {
		e.Annotations = nil
	}
	e.Data = nil
	e.Origin = r.origin
	e.Origin.Pin = e.Digest
	return e
}

// manifest returns the verified bytes of a manifest or list.
func (r *resolver) manifest(e index.Entry) ([]byte, error) {
	return r.verified("manifest", e, e.Descriptor)
}

// verified returns the bytes that a descriptor names. e is the entry that they
// are read for, and what says what they are.
func (r *resolver) verified(what string, e index.Entry, d v1.Descriptor) ([]byte, error) {
	if err := r.present(what, e, d); err != nil {
		return nil, err
	}
	if r.bytes += d.Size; r.bytes > maxContent {
		return nil, fmt.Errorf("its manifests and configs have more than %d bytes in all", maxContent)
	}
	raw, err := r.content.read(blobFile(d.Digest))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if got := index.DigestOf(raw); got != d.Digest {
		return nil, reject(index.DigestMismatch, e, "%s %s has content of the digest %s", what, d.Digest, got)
	}
	return raw, nil
}

// present checks that content is there in the size that its descriptor gives.
func (r *resolver) present(what string, e index.Entry, d v1.Descriptor) error {
	size, err := r.content.size(blobFile(d.Digest))
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && d.Digest == e.Digest:
		return fmt.Errorf("%s %s %w", what, d.Digest, errMissing)
	case missing:
		return fmt.Errorf("%s %s of %s %w", what, d.Digest, e.Digest, errMissing)
	case err != nil:
		return fmt.Errorf("%s %s: %w", what, d.Digest, err)
	case size != d.Size:
		return reject(index.DigestMismatch, e, "%s %s has %d bytes, but its descriptor says %d", what, d.Digest, size, d.Size)
	}
	return nil
}

// layers returns the layers that are there, each once. Those that an image
// refers to elsewhere may be missing.
func (r *resolver) layers(e index.Entry, descriptors []v1.Descriptor) ([]index.Blob, error) {
	var blobs []index.Blob
	seen := map[v1.Hash]bool{}
	for _, d := range descriptors {
		if seen[d.Digest] {
			continue
		}
		seen[d.Digest] = true
		if _, err := r.content.size(blobFile(d.Digest)); errors.Is(err, fs.ErrNotExist) && (len(d.URLs) > 0 || !d.MediaType.IsDistributable()) {
			continue
		}
		if err := r.present("layer", e, d); err != nil {
			return nil, err
		}
		blobs = append(blobs, r.content.blob(blobFile(d.Digest), d.Digest))
	}
	return blobs, nil
}

// parseConfig reads the config of an image, which must know as many layers as
// the manifest does (image-spec, config.md, "rootfs").
func parseConfig(raw []byte, layers int) (*v1.ConfigFile, error) {
	var config v1.ConfigFile
	if err := json.Unmarshal(raw, &config); err != nil {
		return nil, err
	}
	if n := len(config.RootFS.DiffIDs); n != layers {
		return nil, fmt.Errorf("it has %d diff_ids, but the manifest %d layers", n, layers)
	}
	return &config, nil
}

func blobFile(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// reject says that an image breaks a rule that nothing turns off. The text
// names the image.
func reject(rule index.RuleID, e index.Entry, format string, args ...any) error {
	return &index.Rejection{Findings: []index.Finding{{
		Rule: rule, Severity: index.Error, Entry: e, Message: fmt.Errorf(format, args...).Error(),
	}}}
}
