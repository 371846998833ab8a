package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// referrers returns the steps for what refers to the children, and adds those
// for its blobs. What the repository has already is skipped.
func (pl *planning) referrers(ctx context.Context, with planContent, blobs *blobSteps) ([]index.Step, error) {
	refer := slices.DeleteFunc(slices.Clone(with.referrers), func(r referrer) bool {
		return !r.subject.local() && sameRepository(r.subject.repo, pl.to.repo)
	})
	if len(refer) == 0 {
		return nil, nil
	}
	puts := pl.puts(with.children, refer)
	there, err := sideBySide(ctx, pl.client.opts.Jobs, puts, pl.thereAlready)
	if err != nil {
		return nil, err
	}
	var steps []index.Step
	for i, p := range puts {
		if !there[i].same {
			if err := pl.addBlobs(blobs, p.Manifest, p.subject.of); err != nil {
				return nil, err
			}
		}
		steps = append(steps, index.Step{
			Kind: index.StepReferrer, Digest: p.Digest, Size: p.Size, Media: string(p.MediaType), ArtifactType: p.line.ArtifactType,
			To: pl.to.repo, Tag: p.tag, Raw: p.Raw, Entry: p.subject.of, Height: height(p.Manifest), IfTag: there[i].named, Skipped: there[i].same,
		})
	}
	lists, err := pl.referrerLists(ctx, refer)
	return append(steps, lists...), err
}

// puts returns the manifests to put, what is lower first, each once. What is in
// the list anyway is put as a child.
func (pl *planning) puts(children []index.Manifest, refer []referrer) []referrer {
	seen := map[string]bool{}
	for _, m := range children {
		seen[m.Digest.String()] = true
	}
	var puts []referrer
	for _, r := range refer {
		for i, m := range unfold([]index.Manifest{r.Manifest}, map[v1.Hash]bool{}) {
			put := referrer{Manifest: m, subject: r.subject}
			if i == 0 {
				put = r
			}
			at := put.tag
			if at == "" {
				at = m.Digest.String()
			}
			if !seen[at] {
				puts = append(puts, put)
			}
			seen[at] = true
		}
	}
	slices.SortStableFunc(puts, func(a, b referrer) int { return height(a.Manifest) - height(b.Manifest) })
	return puts
}

// occupied is what a repository has in the place of a referrer.
type occupied struct {
	same  bool     // the referrer
	named *v1.Hash // what its tag names, the zero value for nothing; nil where it has no tag
}

// thereAlready tells whether the repository has a referrer, with its tag where
// it has one. What has the tag in its place is replaced only if nothing of it is
// lost.
func (pl *planning) thereAlready(ctx context.Context, r referrer) (occupied, error) {
	if r.tag == "" {
		asked := *pl
		asked.fresh = false
		same, err := asked.present(ctx, r.Manifest)
		return occupied{same: same}, err
	}
	d, there, err := pl.client.atTag(ctx, pl.session, r.tag)
	thing := pl.to.repo.Tag(r.tag).Name()
	switch {
	case err != nil:
		return occupied{}, classify(ctx, thing, err)
	case there && d.digest != r.Digest && !holds(r.Manifest, d):
		return occupied{}, index.Faultf(index.ErrConflict, thing,
			"it names %s there, with content that %s does not have and that would be lost", d.digest, r.Digest)
	}
	return occupied{same: there && d.digest == r.Digest, named: &d.digest}, nil
}

// holds reports whether a manifest has all the layers of another, as one of
// cosign's has after something was added to it. Signatures are in annotations of
// layers, so those must be the same.
func holds(m index.Manifest, other document) bool {
	all, err := index.ParseImage(m.Raw, m.MediaType)
	if err != nil {
		return false
	}
	before, err := index.ParseImage(other.raw, other.mediaType)
	if err != nil {
		return false
	}
	for _, l := range before.Layers {
		same := func(o v1.Descriptor) bool { return o.Digest == l.Digest && maps.Equal(o.Annotations, l.Annotations) }
		if !slices.ContainsFunc(all.Layers, same) {
			return false
		}
	}
	return true
}

// referrerLists returns a step for each digest that something refers to, unless
// the registry keeps the lists of what refers to what.
func (pl *planning) referrerLists(ctx context.Context, refer []referrer) ([]index.Step, error) {
	lines := map[v1.Hash][]index.Entry{}
	var subjects []referrer // the first of each
	for _, r := range refer {
		if r.tag != "" {
			continue
		}
		if lines[r.subject.digest] == nil {
			subjects = append(subjects, r)
		}
		lines[r.subject.digest] = append(lines[r.subject.digest], r.line)
	}
	steps, err := sideBySide(ctx, pl.client.opts.Jobs, subjects, func(ctx context.Context, r referrer) (*index.Step, error) {
		step, err := pl.referrerList(ctx, r.subject, lines[r.subject.digest])
		return step, classify(ctx, pl.to.repo.Tag(index.ReferrersTag(r.subject.digest)).Name(), err)
	})
	var needed []index.Step
	for _, s := range steps {
		if s != nil {
			needed = append(needed, *s)
		}
	}
	return needed, err
}

func (pl *planning) referrerList(ctx context.Context, of subject, lines []index.Entry) (*index.Step, error) {
	by, err := pl.client.keeper(ctx, pl.session, of.digest)
	if err != nil || by == byRegistry {
		return nil, err
	}
	ix, err := pl.client.taggedReferrers(ctx, pl.session, of.digest)
	if err != nil {
		return nil, err
	}
	_, diff, err := addLines(ix, lines)
	if err != nil {
		return nil, err
	}
	added, _, err := addLines(index.New(index.OCI), lines)
	if err != nil {
		return nil, err
	}
	raw, err := added.RawManifest()
	return &index.Step{
		Kind: index.StepReferrers, Digest: of.digest, Size: int64(len(raw)), Media: string(types.OCIImageIndex),
		To: pl.to.repo, Tag: index.ReferrersTag(of.digest), Raw: raw, Entry: of.of, Skipped: diff.IsZero(),
	}, err
}

// addLines adds to a list of referrers what it does not have.
func addLines(ix index.Index, lines []index.Entry) (index.Index, index.Diff, error) {
	has := map[v1.Hash]bool{}
	for _, e := range ix.Entries() {
		has[e.Digest] = true
	}
	missing := slices.DeleteFunc(slices.Clone(lines), func(e index.Entry) bool { return has[e.Digest] })
	return ix.Apply(index.Add(missing...))
}

// putReferrer puts a referrer at its digest or tag.
func (c *Client) putReferrer(ctx context.Context, session *session, s index.Step) error {
	if s.Tag != "" {
		return c.putTag(ctx, session, s)
	}
	return c.putChild(ctx, session, s)
}

// putReferrers adds to the list of what refers to a digest, at its tag. Where
// the registry keeps the list itself, or the tag's list has all already, there
// is nothing to do (distribution-spec, "Pushing Manifests with Subject").
func (c *Client) putReferrers(ctx context.Context, session *session, s index.Step) (skipped bool, err error) {
	by, err := c.keeper(ctx, session, s.Digest)
	if err != nil || by == byRegistry {
		return err == nil, err
	}
	// It is read anew: somebody else may have added to it since the plan.
	ix, err := c.taggedReferrers(ctx, session, s.Digest)
	if err != nil {
		return false, err
	}
	add, err := index.Parse(s.Raw)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errContent, err)
	}
	next, diff, err := addLines(ix, add.Entries())
	if err != nil || diff.IsZero() {
		return err == nil, err
	}
	if s.Raw, err = next.RawManifest(); err != nil {
		return false, err
	}
	s.Digest = index.DigestOf(s.Raw)
	return false, c.putTag(ctx, session, s)
}
