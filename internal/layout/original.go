package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// original returns the entry of the list that the entries of index.json were
// made of (index.ListAnnotation), as long as it has the same images. Programs
// that change a layout know nothing of that list: what it says holds no longer
// when images came or went, and then the entries are those of index.json.
func (r *resolver) original(ctx context.Context, flat index.Index, own []index.Entry) ([]index.Entry, error) {
	e, ok := r.listed(flat.Annotations()[index.ListAnnotation])
	if !ok {
		return own, nil
	}
	there := map[v1.Hash]bool{}
	for _, e := range own {
		there[e.Digest] = true
	}
	raw, err := r.manifest(e)
	if err != nil {
		return nil, err
	}
	if e.MediaType, err = index.MediaTypeOf(raw, ""); err != nil {
		return nil, fmt.Errorf("list %s: %w", e.Digest, err)
	}
	images := map[v1.Hash]bool{}
	complete, err := r.images(ctx, e, raw, images, 0)
	if err != nil {
		return nil, err
	}
	if !complete || !maps.Equal(there, images) {
		return own, nil
	}
	return []index.Entry{e}, nil
}

// listed returns the entry, but for its media type, of the list that index.json
// names; ok is false where it names none that is there.
func (r *resolver) listed(digest string) (e index.Entry, ok bool) {
	h, err := v1.NewHash(digest)
	if err != nil {
		return e, false
	}
	size, err := r.content.size(blobFile(h))
	e.Digest, e.Size = h, size
	return e, err == nil
}

// images adds the images that a list refers to, down to the last list in it;
// complete is false where one of these is missing.
func (r *resolver) images(ctx context.Context, e index.Entry, raw []byte, found map[v1.Hash]bool, depth int) (complete bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if depth > maxDepth {
		return false, tooDeep()
	}
	list, err := parseList(raw, e.MediaType)
	if err != nil {
		return false, fmt.Errorf("list %s: %w", e.Digest, err)
	}
	for _, child := range list.Entries() {
		if !child.MediaType.IsIndex() {
			found[child.Digest] = true
			continue
		}
		if _, err := r.content.size(blobFile(child.Digest)); errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		raw, err := r.manifest(child)
		if err != nil {
			return false, err
		}
		if complete, err := r.images(ctx, child, raw, found, depth+1); err != nil || !complete {
			return false, err
		}
	}
	return true, nil
}
