package layout

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// dockerItem is one image of manifest.json
// (https://github.com/moby/docker-image-spec/blob/main/v1.3.md#combined-image-json--filesystem-changeset-format).
type dockerItem struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// StreamDocker writes one image as "docker load" of every version reads it,
// under a name, to whoever reads it on. layers are in their order, as they are:
// Docker uncompresses them itself.
func (Writers) StreamDocker(ctx context.Context, w io.Writer, name string, config index.Blob, layers []index.Blob) error {
	item := dockerItem{Config: config.Digest.Hex + ".json", RepoTags: []string{name}, Layers: []string{}}
	for _, l := range layers {
		item.Layers = append(item.Layers, layerFile(l.Digest))
	}
	list, err := json.Marshal([]dockerItem{item})
	if err != nil {
		return err
	}
	return writeTar(w, func(to sink) error {
		if err := to.file(item.Config, config.Size, func(w io.Writer) error { return copyBlob(ctx, w, config) }); err != nil {
			return err
		}
		seen := map[v1.Hash]bool{}
		for _, l := range slices.SortedStableFunc(slices.Values(layers), byDigest) {
			if seen[l.Digest] {
				continue
			}
			seen[l.Digest] = true
			if err := to.file(layerFile(l.Digest), l.Size, func(w io.Writer) error { return copyBlob(ctx, w, l) }); err != nil {
				return err
			}
		}
		return writeBytes(to, "manifest.json", list)
	})
}

func layerFile(h v1.Hash) string { return h.Hex + ".tar" }

func byDigest(a, b index.Blob) int { return strings.Compare(a.Digest.String(), b.Digest.String()) }
