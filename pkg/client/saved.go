package client

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// document returns the index.json that a list or image is saved with, and what
// it refers to.
func (as form) document(root index.Manifest, names name.Reference) (index.Index, []index.Manifest, error) {
	images := index.Flatten([]index.Manifest{root})
	if len(images) == 0 {
		return index.Index{}, nil, index.Faultf(index.ErrInvalid, fmt.Sprintf("list %q", names.String()), "it has no image")
	}
	if as == savedPackage {
		ix, err := packageIndex(root, images)
		return ix, []index.Manifest{root}, err
	}
	e := index.Entry{Descriptor: v1.Descriptor{
		MediaType: root.MediaType, Digest: root.Digest, Size: root.Size, Annotations: namesOf(names),
	}}
	ix, _, err := index.New(index.OCI).Apply(index.Add(e))
	return ix, []index.Manifest{root}, err
}

// namesOf are the annotations by which other tools find a list in a layout:
// that of the image-spec, and containerd's, which "docker load" reads.
func namesOf(names name.Reference) map[string]string {
	annotations := map[string]string{"org.opencontainers.image.ref.name": names.Name()}
	if _, ok := names.(name.Tag); ok {
		annotations["io.containerd.image.name"] = dockerName(names)
	}
	return annotations
}

// dockerName is a name in full as Docker and containerd have it: their name of
// Docker Hub is another than that of its registry.
func dockerName(names name.Reference) string {
	if rest, ok := strings.CutPrefix(names.Name(), name.DefaultRegistry+"/"); ok {
		return "docker.io/" + rest
	}
	return names.Name()
}

// packageIndex lists the images themselves, with their platforms, and says which
// list they are. Upstream pack takes the first of a file, whatever it is for, and
// looks at nothing else.
func packageIndex(root index.Manifest, images []index.Manifest) (index.Index, error) {
	var annotations map[string]string
	if root.MediaType.IsIndex() {
		list, err := index.Parse(root.Raw)
		if err != nil {
			return index.Index{}, err
		}
		if annotations = list.Annotations(); annotations == nil {
			annotations = map[string]string{}
		}
		annotations[index.ListAnnotation] = root.Digest.String()
	}
	ordered := entries(images)
	for i, m := range images {
		if m.Platform == nil {
			ordered[i].Platform = index.ConfigPlatform(m.Config)
		}
	}
	slices.SortStableFunc(ordered, func(a, b index.Entry) int { return rank(a) - rank(b) })
	ix, _, err := index.New(index.OCI).Apply(index.Add(ordered...), index.AnnotateIndex(annotations))
	return ix, err
}

func rank(e index.Entry) int {
	if e.Platform != nil && index.SamePlatform(*e.Platform, v1.Platform{OS: "linux", Architecture: "amd64"}) {
		return 0
	}
	return 1
}

// fetched returns m with its manifest, from the repository that it comes from
// where it is not kept, and so do all below it.
func (c *Client) fetched(ctx context.Context, m index.Manifest) (index.Manifest, error) {
	if m.Raw == nil {
		repo, ok := m.Origin.Repo()
		if !ok {
			return m, unknownPlace(m, "its manifest")
		}
		found, err := c.registry.Resolve(ctx, repo.Name()+"@"+m.Digest.String())
		if err != nil {
			return m, err
		}
		got := found[0]
		got.Entry = m.Entry
		return got, nil
	}
	for i, child := range m.Children {
		var err error
		if m.Children[i], err = c.fetched(ctx, child); err != nil {
			return m, err
		}
	}
	return m, nil
}

func unknownPlace(m index.Manifest, what string) error {
	return index.Faultf(index.ErrNotFound, fmt.Sprintf("entry %s", m.Digest), "%s is not kept with the list, and in no known registry", what)
}

// contentOf returns the manifests, configs and layers of manifests and of all
// below them, each once, from where they are.
func (c *Client) contentOf(ctx context.Context, manifests []index.Manifest) ([]index.Blob, error) {
	var all []index.Blob
	for _, m := range manifests {
		parts, err := c.parts(ctx, m)
		if err != nil {
			return nil, err
		}
		below, err := c.contentOf(ctx, m.Children)
		if err != nil {
			return nil, err
		}
		all = slices.Concat(all, parts, below)
	}
	return distinct(all), nil
}

// distinct returns each blob once, in order.
func distinct(blobs []index.Blob) []index.Blob {
	seen := map[v1.Hash]bool{}
	return slices.DeleteFunc(slices.Clone(blobs), func(b index.Blob) bool {
		before := seen[b.Digest]
		seen[b.Digest] = true
		return before
	})
}

// parts returns a manifest and the blobs that it refers to itself.
func (c *Client) parts(ctx context.Context, m index.Manifest) ([]index.Blob, error) {
	parts := []index.Blob{index.BytesBlob(m.Digest, m.Raw)}
	if m.MediaType.IsIndex() {
		return parts, nil
	}
	image, err := index.ParseImage(m.Raw, m.MediaType)
	if err != nil {
		return nil, &index.Fault{Kind: index.ErrInvalid, Thing: fmt.Sprintf("entry %s", m.Digest), Cause: err}
	}
	near := map[v1.Hash]index.Blob{}
	for _, b := range m.Layers {
		near[b.Digest] = b
	}
	if m.RawConfig != nil {
		near[image.Config.Digest] = index.BytesBlob(image.Config.Digest, m.RawConfig)
	}
	repo, remote := m.Origin.Repo()
	for _, d := range append([]v1.Descriptor{image.Config}, image.Layers...) {
		b, ok := near[d.Digest]
		switch {
		case ok:
		case len(d.URLs) > 0 || !d.MediaType.IsDistributable():
			continue // image-spec, layer.md: it is where its URLs say
		case remote:
			b = c.remote(ctx, repo, d)
		default:
			return nil, unknownPlace(m, "blob "+d.Digest.String())
		}
		parts = append(parts, b)
	}
	return parts, nil
}

// remote is a blob that a registry has.
func (c *Client) remote(ctx context.Context, repo name.Repository, d v1.Descriptor) index.Blob {
	return index.Blob{Digest: d.Digest, Size: d.Size, Open: func() (io.ReadCloser, error) { return c.blobs.Blob(ctx, repo, d) }}
}
