package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// What one reference may lead to.
const (
	maxDepth   = 8         // lists in lists
	maxEntries = 10_000    // entries in all of them
	maxBytes   = 256 << 20 // manifests and configs together
)

// resolution is the resolving of one reference.
type resolution struct {
	client  *Client
	session *session
	repo    name.Repository
	origin  index.Origin
	entries atomic.Int64
	bytes   atomic.Int64
}

// Resolve returns what a reference names: an image, or a list with what it
// refers to as Children, in the list's order, lists in it likewise. Each image has its
// manifest's bytes and its config; entries of a list keep what the list says of
// them, and get the platform of their config only where the list gives none.
// Attestations stay, without their config, and so does what is no image, with
// its config not decoded. Errors are as with [Client.Fetch]; content that breaks
// a rule is index.ErrInvalid.
func (c *Client) Resolve(ctx context.Context, ref string) ([]index.Manifest, error) {
	parsed, err := index.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	origin := index.Origin{Kind: index.SourceRegistry, Ref: ref, Repository: parsed.Context().Name()}
	top, err := c.fetch(ctx, ref, parsed)
	if err != nil {
		return nil, top.refused(origin, err)
	}
	s, err := c.connect(ctx, parsed.Context())
	if err != nil {
		return nil, err
	}
	origin.Pin = top.digest
	r := &resolution{client: c, session: s, repo: parsed.Context(), origin: origin}
	if top.mediaType.IsIndex() {
		m, err := r.list(ctx, top.entry(), top.raw, []v1.Hash{top.digest})
		return []index.Manifest{m}, err
	}
	m, err := r.single(ctx, top)
	if err != nil {
		return nil, classify(ctx, ref, err)
	}
	return []index.Manifest{m}, nil
}

// entry is the entry of what no list tells of.
func (d document) entry() index.Entry {
	return index.Entry{Descriptor: v1.Descriptor{MediaType: d.mediaType, Size: int64(len(d.raw)), Digest: d.digest}}
}

// refused returns why a document that a registry gave cannot be taken.
func (d document) refused(origin index.Origin, err error) error {
	fault, ok := errors.AsType[*index.Fault](err)
	if !ok || d.digest.Hex == "" {
		return err
	}
	e := d.entry()
	e.Origin = origin
	return &index.Fault{Kind: fault.Kind, Thing: fault.Thing, Cause: reject(index.NotAnImage, e, fault.Cause)}
}

// reject says that an image breaks a rule that nothing turns off, where its
// content is at fault.
func reject(rule index.RuleID, e index.Entry, err error) error {
	if !errors.Is(err, errContent) {
		return err
	}
	return &index.Rejection{Findings: []index.Finding{{Rule: rule, Severity: index.Error, Entry: e, Message: err.Error()}}}
}

// single returns an image that no list tells of.
func (r *resolution) single(ctx context.Context, d document) (index.Manifest, error) {
	e := d.entry()
	e.Origin = r.origin
	manifest, err := index.ParseImage(d.raw, d.mediaType)
	if err != nil {
		return index.Manifest{}, reject(index.NotAnImage, e, fmt.Errorf("%w: %w", errContent, err))
	}
	e.ArtifactType = manifest.ArtifactType
	return r.image(ctx, e, d.raw)
}

// list returns a list with what it refers to. path holds the digests of the
// lists that led here, it included.
func (r *resolution) list(ctx context.Context, e index.Entry, raw []byte, path []v1.Hash) (index.Manifest, error) {
	thing := r.thing(path[len(path)-1])
	ix, err := index.Parse(raw)
	if err != nil {
		return index.Manifest{}, &index.Fault{Kind: index.ErrInvalid, Thing: thing, Cause: err}
	}
	if len(path) > maxDepth {
		return index.Manifest{}, index.Faultf(index.ErrInvalid, thing, "lists in lists, more than %d deep", maxDepth)
	}
	if r.entries.Add(int64(ix.Len())) > maxEntries {
		return index.Manifest{}, index.Faultf(index.ErrInvalid, r.origin.Ref, "more than %d entries", maxEntries)
	}
	e.Origin = r.origin
	entries := ix.Entries()
	m := index.Manifest{Entry: e, Raw: raw, Children: make([]index.Manifest, len(entries))}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.client.opts.Jobs)
	for i, e := range entries {
		group.Go(func() error {
			var err error
			m.Children[i], err = r.entry(ctx, e, path)
			return classify(ctx, r.thing(e.Digest), err)
		})
	}
	return m, group.Wait()
}

// entry returns what one entry of a list stands for.
func (r *resolution) entry(ctx context.Context, e index.Entry, path []v1.Hash) (index.Manifest, error) {
	if slices.Contains(path, e.Digest) {
		return index.Manifest{}, fmt.Errorf("%w: the list contains itself", errContent)
	}
	d, err := r.client.manifest(ctx, r.session, e.Digest.String(), e.Digest)
	if err != nil {
		return index.Manifest{}, err
	}
	if err := checkSize(d.raw, e.Descriptor); err != nil {
		return index.Manifest{}, err
	}
	if d.mediaType != e.MediaType {
		return index.Manifest{}, fmt.Errorf("%w: media type %q was declared as %q", errContent, d.mediaType, e.MediaType)
	}
	if d.mediaType.IsIndex() {
		return r.list(ctx, e, d.raw, append(slices.Clone(path), e.Digest))
	}
	return r.image(ctx, e, d.raw)
}

// image reads what an image's entry refers to.
func (r *resolution) image(ctx context.Context, e index.Entry, raw []byte) (index.Manifest, error) {
	e.Origin = r.origin
	manifest, err := index.ParseImage(raw, e.MediaType)
	if err != nil {
		return index.Manifest{}, reject(index.NotAnImage, e, fmt.Errorf("%w: %w", errContent, err))
	}
	if err := r.count(raw); err != nil {
		return index.Manifest{}, err
	}
	r.client.note(r.repo, e.Digest)
	m := index.Manifest{Entry: e, Raw: raw}
	if e.IsAttestation() || !isImageConfig(manifest.Config.MediaType) {
		return m, nil
	}
	if m.RawConfig, err = r.client.smallBlob(ctx, r.session, manifest.Config); err != nil {
		return index.Manifest{}, reject(index.ConfigUnreadable, e, fmt.Errorf("config %s: %w", manifest.Config.Digest, err))
	}
	if err := r.count(m.RawConfig); err != nil {
		return index.Manifest{}, err
	}
	if m.Config, err = decodeConfig(m.RawConfig, len(manifest.Layers)); err != nil {
		return index.Manifest{}, reject(index.ConfigUnreadable, e, fmt.Errorf("config %s: %w", manifest.Config.Digest, err))
	}
	if !m.HasPlatform() {
		m.Platform = index.ConfigPlatform(m.Config)
	}
	return m, nil
}

func (r *resolution) count(raw []byte) error {
	if r.bytes.Add(int64(len(raw))) > maxBytes {
		return fmt.Errorf("%w: manifests and configs of more than %d bytes in all", errContent, maxBytes)
	}
	return nil
}

func (r *resolution) thing(h v1.Hash) string { return r.repo.Name() + "@" + h.String() }

func isImageConfig(t types.MediaType) bool {
	return t == types.OCIConfigJSON || t == types.DockerConfigJSON
}

// decodeConfig reads an image's config; it must have one diff ID for each layer
// (https://github.com/opencontainers/image-spec/blob/main/config.md#properties).
func decodeConfig(raw []byte, layers int) (*v1.ConfigFile, error) {
	var config v1.ConfigFile
	if err := json.Unmarshal(raw, &config); err != nil {
		return nil, fmt.Errorf("%w: %w", errContent, err)
	}
	if n := len(config.RootFS.DiffIDs); n != layers {
		return nil, fmt.Errorf("%w: it has %d diff IDs for %d layers", errContent, n, layers)
	}
	return &config, nil
}
