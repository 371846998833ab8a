package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Blobs reads single blobs of registries.
type Blobs interface {
	// Blob returns the content of a blob, checked while it is read.
	Blob(ctx context.Context, repo name.Repository, d v1.Descriptor) (io.ReadCloser, error)
}

// Writer writes OCI layouts with a given index.json. What exists is an
// ErrExists. What it writes is the same for the same input.
type Writer interface {
	WriteArchive(ctx context.Context, dest string, ix index.Index, blobs []index.Blob) error
	WriteDirectory(ctx context.Context, dest string, ix index.Index, blobs []index.Blob) error
	// StreamArchive writes what WriteArchive writes to w.
	StreamArchive(ctx context.Context, w io.Writer, ix index.Index, blobs []index.Blob) error
	// StreamDocker writes an archive of one image, with the name that it gets,
	// that every version of Docker loads. layers are in the order of the image.
	StreamDocker(ctx context.Context, w io.Writer, as string, config index.Blob, layers []index.Blob) error
}

// SaveRequest asks to write a list with all that it refers to into files.
type SaveRequest struct {
	Reference string // a list that is kept, else what a registry has
	// Path is where it goes, and says as what: .tar an OCI archive, .cnb a
	// package of several images for pack, anything else the directory of an OCI
	// layout.
	Path string
	// Docker loads the list into the Docker daemon instead: the whole list where
	// the daemon's store holds lists, else one image of it.
	Docker bool
	// Platform is that of the image to load; empty for what the daemon says.
	// With it one image is loaded always.
	Platform string
}

// SaveResult is what was saved.
type SaveResult struct {
	Reference string // registry, repository and digest
	Path      string
	Blobs     int   // manifests, configs and layers
	Bytes     int64 // of all of them
	// Loaded is the one image that a Docker daemon was given of a list, and LeftOut
	// are the others; nil where all was saved.
	Loaded  *index.Entry
	LeftOut []index.Entry
}

// Save writes a list, or an image, into a file or directory: what is kept, and
// from the registries that the images come from what is not. Layers that are
// not to be distributed are left where their URLs say. The index.json of an
// archive or directory refers to the list itself, so that its digest stays;
// that of a .cnb file to the images, the one for linux/amd64 first, since pack
// takes the first. Errors: ErrUsage for the path, ErrExists where there is
// something, ErrNotFound where there is no such list or content of it is in no
// known place, and those of the registries. Then nothing is written. A .cnb file
// has the list, too, as a blob that an annotation of its index.json names
// ([index.ListAnnotation]). A Docker daemon gets the list under its name,
// which is moved if it has it already; errors are those of [Daemon] in addition.
func (c *Client) Save(ctx context.Context, req SaveRequest) (SaveResult, error) {
	if req.Docker {
		return c.load(ctx, req)
	}
	as, err := savedAs(req.Path)
	if err != nil {
		return SaveResult{}, err
	}
	root, names, err := c.toSave(ctx, req.Reference)
	if err != nil {
		return SaveResult{}, err
	}
	ix, from, err := as.document(root, names)
	if err != nil {
		return SaveResult{}, err
	}
	blobs, err := c.contentOf(ctx, from)
	if err != nil {
		return SaveResult{}, err
	}
	result := savedResult(names, root, blobs)
	result.Path = req.Path
	write := c.writer.WriteArchive
	if as == savedDirectory {
		write = c.writer.WriteDirectory
	}
	blobs, moving := c.beginSave(blobs, from, req.Path)
	defer moving.end()
	return result, write(ctx, req.Path, ix, blobs)
}

// savedResult counts what is saved.
func savedResult(names name.Reference, what index.Manifest, blobs []index.Blob) SaveResult {
	result := SaveResult{Reference: names.Context().Name() + "@" + what.Digest.String(), Blobs: len(blobs)}
	for _, b := range blobs {
		result.Bytes += b.Size
	}
	return result
}

// form is what a list is saved as.
type form int

const (
	savedDirectory form = iota
	savedArchive
	savedPackage
)

func savedAs(path string) (form, error) {
	thing := fmt.Sprintf("destination %q", path)
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case path == "":
		return 0, index.Faultf(index.ErrUsage, "", "no destination: name a .tar file, a .cnb file or a directory")
	case ext == ".tar":
		return savedArchive, nil
	case ext == ".cnb":
		return savedPackage, nil
	case slices.Contains([]string{".gz", ".tgz", ".zst", ".xz", ".bz2", ".zip"}, ext):
		return 0, index.Faultf(index.ErrUsage, thing, "compressed archives are not written; want a .tar file, a .cnb file or a directory")
	}
	return savedDirectory, nil
}

// toSave returns what a reference means, with what is known of all below it.
func (c *Client) toSave(ctx context.Context, reference string) (index.Manifest, name.Reference, error) {
	names, err := parseReference(reference)
	if err != nil {
		return index.Manifest{}, nil, err
	}
	if n, err := parseName(reference); err == nil {
		ix, err := c.store.Get(ctx, n)
		if err == nil {
			root, err := c.keptRoot(ctx, n, ix)
			return root, n.Tag(), err
		}
		if !errors.Is(err, index.ErrNotFound) {
			return index.Manifest{}, nil, err
		}
	}
	found, err := c.registry.Resolve(ctx, reference)
	if err != nil {
		return index.Manifest{}, nil, err
	}
	return found[0], names, nil
}

// keptRoot returns a list that is kept as a manifest.
func (c *Client) keptRoot(ctx context.Context, n index.Name, ix index.Index) (index.Manifest, error) {
	root, err := listManifest(ix)
	if err != nil {
		return index.Manifest{}, err
	}
	children, err := c.children(ctx, n, ix)
	if err != nil {
		return index.Manifest{}, err
	}
	for _, m := range children {
		if m.Raw == nil && m.Origin.Repository == "" {
			m.Origin.Repository = n.Repository() // a list that upstream pack left: nothing says where its images are
		}
		if m, err = c.fetched(ctx, m); err != nil {
			return index.Manifest{}, err
		}
		root.Children = append(root.Children, m)
	}
	return root, nil
}

func listManifest(ix index.Index) (index.Manifest, error) {
	raw, err := ix.RawManifest()
	return index.Manifest{Raw: raw, Entry: index.Entry{Descriptor: v1.Descriptor{
		MediaType: ix.Format().IndexType(), Digest: ix.Digest(), Size: int64(len(raw)),
	}}}, err
}
