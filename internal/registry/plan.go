package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// destination is a repository with the tags that a list gets in it.
type destination struct {
	repo name.Repository
	tags []string
}

func destinations(to []name.Tag) []destination {
	var all []destination
	for _, tag := range to {
		repo := tag.Repository
		i := slices.IndexFunc(all, func(d destination) bool { return sameRepository(d.repo, repo) })
		if i < 0 {
			i = len(all)
			all = append(all, destination{repo: repo})
		}
		if !slices.Contains(all[i].tags, tag.TagStr()) {
			all[i].tags = append(all[i].tags, tag.TagStr())
		}
	}
	return all
}

// Plan finds out what publishing will do: which children the destination lacks,
// where their blobs come from, and whether the list is there already. It reads
// only. All children that cannot be published are told of together. No list is
// written before the content is in all repositories, and no further tag before
// the list is.
func (c *Client) Plan(ctx context.Context, p index.Publication) (index.Plan, error) {
	raw, err := p.Index.RawManifest()
	if err != nil {
		return index.Plan{}, err
	}
	if err := checkPublication(p, raw); err != nil {
		return index.Plan{}, err
	}
	var content, lists, tags []index.Step
	var faults []error
	from := origins(p.Children)
	children := uniqueChildren(p)
	refer, lost, err := c.search(ctx, p, children, index.DigestOf(raw))
	if err != nil {
		return index.Plan{}, err
	}
	for _, d := range destinations(p.To) {
		c.preparePush(d.repo, from)
		from = append(from, d.repo)
		steps, err := c.planFor(ctx, p, raw, d, planContent{children, refer})
		if err != nil && ctx.Err() != nil {
			return index.Plan{}, err
		}
		faults = append(faults, err)
		content = append(content, steps.content...)
		lists = append(lists, steps.list...)
		tags = append(tags, steps.tags...)
	}
	if err := errors.Join(faults...); err != nil {
		return index.Plan{}, err
	}
	mountSent(content)
	return index.Plan{Index: p.Index, Steps: slices.Concat(content, lists, tags), Lost: lost}, nil
}

// mountSent lets what is sent to one repository be mounted in the further ones
// of its registry, which get theirs later. Where the registry does not mount,
// the bytes are sent as before.
func mountSent(steps []index.Step) {
	sent := map[string]name.Repository{}
	for i, s := range steps {
		if s.Kind != index.StepUpload && s.Kind != index.StepMount {
			continue
		}
		key := strings.ToLower(s.To.RegistryStr()) + " " + s.Digest.String()
		first, ok := sent[key]
		switch {
		case !ok:
			sent[key] = s.To
		case s.Kind == index.StepUpload:
			steps[i].Kind, steps[i].From = index.StepMount, first
		}
	}
}

func checkPublication(p index.Publication, raw []byte) error {
	switch {
	case len(p.To) == 0:
		return index.Faultf(index.ErrUsage, "", "a list is published at one tag at least")
	case p.Blind && (p.IfTag != nil || p.Referrers):
		return index.Faultf(index.ErrUsage, p.To[0].Name(), "what is there is of consequence, and nobody is asked")
	case p.Index.Len() != len(p.Children):
		return index.Faultf(index.ErrUsage, p.To[0].Name(), "%d entries with the content of %d", p.Index.Len(), len(p.Children))
	case len(raw) > index.MaxManifest:
		return index.Faultf(index.ErrInvalid, p.To[0].Name(),
			"the list has %d bytes, more than the %d that registries take", len(raw), index.MaxManifest)
	}
	for i, e := range p.Index.Entries() {
		if e.Digest != p.Children[i].Digest {
			return index.Faultf(index.ErrUsage, p.To[0].Name(), "entry %d is %s and its content %s", i, e.Digest, p.Children[i].Digest)
		}
	}
	return nil
}

// planning is the making of a plan for one repository.
type planning struct {
	client  *Client
	session *session // nil where nobody is asked
	to      destination
	fresh   bool
	ifTag   *v1.Hash
	there   bool // the first tag names the list already
}

// planned is what there is to do for one repository.
type planned struct{ content, list, tags []index.Step }

// planContent is what goes to each repository besides the list.
type planContent struct {
	children  []index.Manifest
	referrers []referrer
}

func (c *Client) planFor(ctx context.Context, p index.Publication, raw []byte, d destination, with planContent) (planned, error) {
	pl := &planning{client: c, to: d, fresh: p.Fresh, ifTag: p.IfTag}
	children := with.children
	present := make([]bool, len(children))
	if !p.Blind {
		if err := pl.look(ctx, index.DigestOf(raw), children, present); err != nil {
			return planned{}, err
		}
	}
	blobs, manifests, err := pl.content(children, present)
	if err != nil {
		return planned{}, err
	}
	refer, err := pl.referrers(ctx, with, blobs)
	if err != nil {
		return planned{}, err
	}
	content := slices.Concat(blobs.steps, manifests, refer)
	steps, err := pl.lists(ctx, p.Index, raw)
	if err != nil {
		return planned{}, err
	}
	const first = 2 // the list and its verification
	return planned{content, steps[:first], steps[first:]}, nil
}

// look finds out what of the publication the repository has.
func (pl *planning) look(ctx context.Context, list v1.Hash, children []index.Manifest, present []bool) (err error) {
	if pl.session, err = pl.client.connect(ctx, pl.to.repo); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pl.client.opts.Jobs)
	if !pl.fresh || pl.ifTag != nil {
		group.Go(func() error { return pl.lookAtFirst(ctx, list) })
	}
	for i, m := range children {
		group.Go(func() (err error) { present[i], err = pl.present(ctx, m); return err })
	}
	return group.Wait()
}

// origins returns the repositories that children are in.
func origins(children []index.Manifest) []name.Repository {
	var repos []name.Repository
	for _, m := range children {
		if repo, ok := m.Origin.Repo(); ok {
			repos = append(repos, repo)
		}
	}
	return repos
}

// uniqueChildren returns the children and, of those that are lists, what they
// refer to, each digest once: images first, then lists of images, and so on up.
func uniqueChildren(p index.Publication) []index.Manifest {
	entries := p.Index.Entries()
	children := make([]index.Manifest, len(p.Children))
	for i, m := range p.Children {
		if m.Origin == (index.Origin{}) {
			m.Origin = entries[i].Origin
		}
		origin := m.Origin
		m.Entry = entries[i]
		m.Origin = origin
		children[i] = m
	}
	unique := unfold(children, map[v1.Hash]bool{})
	slices.SortStableFunc(unique, func(a, b index.Manifest) int { return height(a) - height(b) })
	return unique
}

func unfold(manifests []index.Manifest, seen map[v1.Hash]bool) []index.Manifest {
	var unique []index.Manifest
	for _, m := range manifests {
		if seen[m.Digest] {
			continue
		}
		seen[m.Digest] = true
		unique = append(unique, m)
		unique = append(unique, unfold(m.Children, seen)...)
	}
	return unique
}

// height is how many lists are on top of each other in m, 0 for an image.
func height(m index.Manifest) int {
	if !m.MediaType.IsIndex() {
		return 0
	}
	h := 0
	for _, c := range m.Children {
		h = max(h, height(c))
	}
	return h + 1
}

// present reports whether the destination has a child. One that was resolved
// just now need not be asked for: in the destination itself it was there, and
// from a repository beside it a mount costs no more than the question. A child
// that was converted since has the origin but was not resolved.
func (pl *planning) present(ctx context.Context, m index.Manifest) (bool, error) {
	repo, ok := m.Origin.Repo()
	if pl.fresh && ok && sameRepository(repo, pl.to.repo) && pl.client.noted(repo, m.Digest) {
		return true, nil
	}
	if pl.fresh && ok && sameRegistry(repo, pl.to.repo) && !sameRepository(repo, pl.to.repo) {
		return false, nil
	}
	there, sure, err := pl.client.head(ctx, pl.session, m)
	if err != nil || sure || (!there && len(m.Raw) > 0) {
		return there, classify(ctx, pl.thing(m), err)
	}
	// Some registries do not answer HEAD as they should.
	_, err = pl.client.manifest(ctx, pl.session, m.Digest.String(), m.Digest)
	var answer *answerError
	if errors.As(err, &answer) && answer.kind() == index.ErrNotFound { //nolint:errorlint // kind returns one of the values
		return false, nil
	}
	return err == nil, classify(ctx, pl.thing(m), err)
}

// head asks for a manifest by digest without its bytes. sure is false where the
// answer is not one to rely on.
func (c *Client) head(ctx context.Context, s *session, m index.Manifest) (there, sure bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.url("manifests", m.Digest.String()).String(), http.NoBody)
	if err != nil {
		return false, false, err
	}
	req.Header.Set("Accept", accepted())
	resp, err := s.client.Do(req)
	if err != nil {
		return false, false, err
	}
	if err := resp.Body.Close(); err != nil {
		return false, false, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		named := resp.Header.Get("Docker-Content-Digest") == m.Digest.String()
		return true, named && resp.ContentLength == m.Size, nil
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return false, false, nil
	}
	return false, false, &answerError{status: resp.StatusCode, after: unsaid}
}

// lookAtFirst finds out whether the first tag names the list, and whether it
// names what the publication expects.
func (pl *planning) lookAtFirst(ctx context.Context, list v1.Hash) error {
	tag := pl.to.tags[0]
	names, err := pl.client.tagged(ctx, pl.session, tag)
	if err != nil {
		return classify(ctx, pl.to.repo.Tag(tag).Name(), err)
	}
	pl.there = names == list
	return expected(pl.to.repo.Tag(tag), pl.ifTag, names, list)
}

// tagged returns the digest of what a tag names, its zero value for nothing.
func (c *Client) tagged(ctx context.Context, s *session, tag string) (v1.Hash, error) {
	resp, err := c.get(ctx, s, "manifests", tag, accepted())
	var answer *answerError
	if errors.As(err, &answer) && answer.kind() == index.ErrNotFound { //nolint:errorlint // as in present
		return v1.Hash{}, nil
	}
	if err != nil {
		return v1.Hash{}, err
	}
	var got bytes.Buffer
	_, err = got.ReadFrom(resp.Body)
	return index.DigestOf(got.Bytes()), errors.Join(err, resp.Body.Close())
}

// expected refuses a tag that names something else than it should. One that
// names the list loses nothing when the list is published.
func expected(tag name.Tag, want *v1.Hash, names, list v1.Hash) error {
	switch {
	case want == nil || names == *want || names == list:
		return nil
	case *want == v1.Hash{}:
		return index.Faultf(index.ErrConflict, tag.Name(), "the tag is expected to be absent, and names %s", names)
	case names == v1.Hash{}:
		return index.Faultf(index.ErrConflict, tag.Name(), "the tag is expected to name %s, and is absent", want)
	}
	return index.Faultf(index.ErrConflict, tag.Name(), "the tag is expected to name %s, and names %s", want, names)
}

// lists returns the steps for the list itself. Only where its first tag names it
// already are the others likely to, and worth a look.
func (pl *planning) lists(ctx context.Context, ix index.Index, raw []byte) ([]index.Step, error) {
	media, err := ix.MediaType()
	if err != nil {
		return nil, err
	}
	steps := make([]index.Step, 0, len(pl.to.tags)+1)
	add := func(kind index.StepKind, tag string, skipped bool) {
		steps = append(steps, index.Step{
			Kind: kind, Digest: index.DigestOf(raw), Size: int64(len(raw)), Media: string(media),
			To: pl.to.repo, Tag: tag, Raw: raw, Skipped: skipped,
		})
	}
	add(index.StepList, pl.to.tags[0], pl.there)
	steps[0].IfTag = pl.ifTag
	add(index.StepVerify, pl.to.tags[0], pl.there)
	further := pl.to.tags[1:]
	done := make([]bool, len(further))
	if pl.there {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(pl.client.opts.Jobs)
		for i, tag := range further {
			group.Go(func() error {
				names, err := pl.client.tagged(ctx, pl.session, tag)
				done[i] = names == index.DigestOf(raw)
				return classify(ctx, pl.to.repo.Tag(tag).Name(), err)
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
	}
	for i, tag := range further {
		add(index.StepTag, tag, done[i])
	}
	return steps, nil
}

// thing names a child as users know it.
func (pl *planning) thing(m index.Manifest) string { return childName(pl.to.repo, m.Entry) }

func childName(repo name.Repository, e index.Entry) string {
	text := repo.Name() + "@" + e.Digest.String()
	if platform := e.PlatformString(); platform != "" {
		text += fmt.Sprintf(" (%s)", platform)
	}
	return text
}
