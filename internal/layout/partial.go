package layout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Partial reads OCI layouts in tar files whose lists name more images than the
// layout has, as Docker with containerd's store saves them. The zero value is
// ready for use, and safe for concurrent use.
type Partial struct{}

// Resolve is [Archives.Resolve] for the images of which everything is there, and
// their attestations, without the lists that name them. Where no image is whole
// the error says what each one lacks.
func (Partial) Resolve(ctx context.Context, path string) (_ []index.Manifest, err error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	a, err := openArchive(ctx, f, path)
	if err != nil {
		return nil, blame(ctx, path, err)
	}
	r := &resolver{content: a, origin: index.Origin{Kind: index.SourceArchive, Ref: path}, partial: true}
	found, err := r.resolve(ctx, "")
	return found, blame(ctx, path, err)
}

// attached leaves attestations out whose image is not there.
func attached(manifests []index.Manifest) []index.Manifest {
	there := map[v1.Hash]bool{}
	for _, m := range manifests {
		there[m.Digest] = true
	}
	return slices.DeleteFunc(manifests, func(m index.Manifest) bool {
		of, ok := m.Attests()
		return ok && !there[of]
	})
}

// leaveOut notes what lacks content. At most ten are told.
func (r *resolver) leaveOut(e index.Entry, err error) {
	const most = 10
	switch n := len(r.absent); {
	case e.IsAttestation():
	case n < most:
		r.absent = append(r.absent, strings.TrimPrefix(fmt.Sprintf("%s: %v", e.PlatformString(), err), ": "))
	case n == most:
		r.absent = append(r.absent, "and more")
	}
}
