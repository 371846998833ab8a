package registry

import (
	"errors"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// content returns the steps for blobs and for children. Each blob is sent once,
// however many children need it.
func (pl *planning) content(children []index.Manifest, present []bool) (blobs *blobSteps, manifests []index.Step, err error) {
	blobs = &blobSteps{at: map[v1.Hash]int{}}
	var faults []error
	for i, m := range children {
		step := index.Step{
			Kind: index.StepChild, Digest: m.Digest, Size: m.Size, Media: string(m.MediaType),
			To: pl.to.repo, Raw: m.Raw, Entry: &children[i].Entry, Height: height(m), Skipped: present[i],
		}
		manifests = append(manifests, step)
		if present[i] {
			continue
		}
		faults = append(faults, pl.addBlobs(blobs, m, step.Entry))
	}
	return blobs, manifests, errors.Join(faults...)
}

// addBlobs adds the steps for what a manifest consists of.
func (pl *planning) addBlobs(blobs *blobSteps, m index.Manifest, of *index.Entry) error {
	needed, err := pl.blobs(m)
	for _, b := range needed {
		b.Entry = of
		blobs.add(b)
	}
	return err
}

// blobSteps are steps by digest, in the order in which they were first needed.
type blobSteps struct {
	steps []index.Step
	at    map[v1.Hash]int
}

// add adds a step; a mount takes the place of an upload of the same blob.
func (b *blobSteps) add(s index.Step) {
	i, ok := b.at[s.Digest]
	switch {
	case !ok:
		b.at[s.Digest] = len(b.steps)
		b.steps = append(b.steps, s)
	case s.Kind == index.StepMount:
		b.steps[i] = s
	}
}

// blobs returns the steps for what a child consists of: its config and layers,
// but for those that are not to be distributed
// (https://github.com/opencontainers/image-spec/blob/main/layer.md#non-distributable-layers).
func (pl *planning) blobs(m index.Manifest) ([]index.Step, error) {
	thing := pl.thing(m)
	if len(m.Raw) == 0 {
		return nil, index.Faultf(index.ErrNotFound, thing, "the repository does not have it, and its content is in no known place")
	}
	if err := verify(m.Raw, m.Digest); err != nil {
		return nil, &index.Fault{Kind: index.ErrInvalid, Thing: thing, Cause: err}
	}
	if m.MediaType.IsIndex() {
		return nil, pl.complete(m) // its children have steps of their own
	}
	manifest, err := index.ParseImage(m.Raw, m.MediaType)
	if err != nil {
		return nil, &index.Fault{Kind: index.ErrInvalid, Thing: thing, Cause: err}
	}
	var steps []index.Step
	for _, d := range append([]v1.Descriptor{manifest.Config}, manifest.Layers...) {
		if !d.MediaType.IsDistributable() {
			continue
		}
		step, err := pl.blob(m, manifest, d)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// complete checks that what a list refers to comes with it.
func (pl *planning) complete(m index.Manifest) error {
	list, err := index.Parse(m.Raw)
	if err != nil {
		return &index.Fault{Kind: index.ErrInvalid, Thing: pl.thing(m), Cause: err}
	}
	for _, e := range list.Entries() {
		if !slices.ContainsFunc(m.Children, func(c index.Manifest) bool { return c.Digest == e.Digest }) {
			return index.Faultf(index.ErrNotFound, pl.thing(m), "it is a list, and its entry %s is in no known place", e.Digest)
		}
	}
	return nil
}

// blob returns the step for one blob: a mount where the registry has it in
// another repository, else an upload from where it is.
func (pl *planning) blob(m index.Manifest, manifest v1.Manifest, d v1.Descriptor) (index.Step, error) {
	step := index.Step{Kind: index.StepUpload, Digest: d.Digest, Size: d.Size, To: pl.to.repo}
	repo, remote := m.Origin.Repo()
	if remote && sameRegistry(repo, pl.to.repo) && !sameRepository(repo, pl.to.repo) {
		step.Kind, step.From = index.StepMount, repo
		return step, nil
	}
	if blob, ok := atHand(m, manifest, d); ok {
		step.Blob = blob
		return step, nil
	}
	if !remote {
		return step, index.Faultf(index.ErrNotFound, pl.thing(m), "blob %s is in no known place", d.Digest)
	}
	step.From = repo
	return step, nil
}

// atHand returns the blob where it can be read without a registry.
func atHand(m index.Manifest, manifest v1.Manifest, d v1.Descriptor) (index.Blob, bool) {
	if d.Digest == manifest.Config.Digest && m.RawConfig != nil {
		return index.BytesBlob(d.Digest, m.RawConfig), true
	}
	for _, b := range m.Layers {
		if b.Digest == d.Digest && b.Open != nil {
			return b, true
		}
	}
	return index.Blob{}, false
}

// sameRegistry compares the hosts of repositories, in which case does not matter
// (RFC 3986, section 3.2.2).
func sameRegistry(a, b name.Repository) bool {
	return strings.EqualFold(a.RegistryStr(), b.RegistryStr())
}

// sameRepository compares repositories by their hosts and names.
func sameRepository(a, b name.Repository) bool { return keyOf(a) == keyOf(b) }

// keyOf returns the full name of a repository as it is in maps.
func keyOf(repo name.Repository) string {
	return strings.ToLower(repo.RegistryStr()) + "/" + repo.RepositoryStr()
}
