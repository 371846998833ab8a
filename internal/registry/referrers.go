package registry

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// What one list may be referred to by.
const (
	maxReferrers     = 1000 // in all
	maxReferrerDepth = 8    // referrers of referrers
)

// subject is what referrers are looked for of, and where.
type subject struct {
	repo   name.Repository
	digest v1.Hash
	of     *index.Entry // the child that led here; nil for the list itself
}

func (s subject) thing() string { return s.repo.Name() + "@" + s.digest.String() }

// local reports whether it comes from a file.
func (s subject) local() bool { return s.repo.RepositoryStr() == "" }

// referrer is a manifest that refers to a subject, with all that is needed to
// copy it.
type referrer struct {
	index.Manifest // its origin is where it was found
	subject        subject
	tag            string      // cosign's; "" for one that names its subject
	line           index.Entry // what a list of referrers says of it
}

// search is the looking for referrers. It only reads.
type search struct {
	client *Client
	found  atomic.Int64
	bytes  atomic.Int64 // of manifests
}

// names are what refers to a subject: the lines of those that name it, and
// cosign's tags.
type names struct {
	lines []index.Entry
	tags  []string
}

func (n names) len() int { return len(n.lines) + len(n.tags) }

// search finds what refers to the children of a publication, where they are not
// in all its repositories already, and what refers to those, and so on. A child
// that was converted and is referred to as it was is an error: nothing that
// refers to it would fit. Lists that children were taken from are told of where
// something refers to them.
func (c *Client) search(ctx context.Context, p index.Publication, children []index.Manifest, list v1.Hash) ([]referrer, []index.Lost, error) {
	if !p.Referrers {
		return nil, nil, nil
	}
	f := &search{client: c}
	if err := f.converted(ctx, children); err != nil {
		return nil, nil, err
	}
	subjects, left := f.subjects(p, children, list)
	lost, err := f.lost(ctx, left)
	if err != nil {
		return nil, nil, err
	}
	found, err := f.all(ctx, subjects)
	if err != nil {
		return nil, nil, err
	}
	near, taken, err := referrersAtHand(children, list)
	return append(found, near...), append(lost, taken...), err
}

// converted refuses children that something refers to by the digest that they
// had before they were converted.
func (f *search) converted(ctx context.Context, children []index.Manifest) error {
	var converted []index.Manifest
	var before []subject
	for _, m := range children {
		repo, remote := m.Origin.Repo()
		if old, ok := m.Before(); ok && (remote || len(m.Referrers) > 0) {
			converted = append(converted, m)
			before = append(before, subject{repo: repo, digest: old})
		}
	}
	found, err := f.namesOfAll(ctx, before)
	if err != nil {
		return err
	}
	var rejection index.Rejection
	for i, n := range found {
		if n := n.len() + len(converted[i].Referrers); n > 0 {
			rejection.Findings = append(rejection.Findings, index.Finding{
				Rule: index.NotConvertible, Severity: index.Error, Entry: converted[i].Entry, Values: formatsBefore(converted[i].Entry, children),
				Message: fmt.Sprintf("%d signature(s) or other referrers are about it as it was before it was converted, %s, and would be lost",
					n, before[i].digest),
			})
		}
	}
	if len(rejection.Findings) > 0 {
		return &rejection
	}
	return nil
}

// formatsBefore returns the formats that the children had before they were
// converted, first that of an entry which was.
func formatsBefore(e index.Entry, children []index.Manifest) []string {
	formats := []string{formatBefore(e)}
	for _, m := range children {
		if _, ok := m.Before(); ok || m.IsAttestation() {
			continue
		}
		if f, ok := index.FormatOf(m.MediaType); ok && f.String() != formats[0] {
			return append(formats, f.String())
		}
	}
	return formats
}

// formatBefore is the format of an image before it was converted.
func formatBefore(e index.Entry) string {
	if f, _ := index.FormatOf(e.MediaType); f == index.OCI {
		return index.V2S2.String()
	}
	return index.OCI.String()
}

// subjects returns what referrers are to be copied of, and the lists of whose
// referrers none can be.
func (f *search) subjects(p index.Publication, children []index.Manifest, list v1.Hash) (subjects, left []subject) {
	seen := map[string]bool{}
	for i, m := range children {
		repo, ok := m.Origin.Repo()
		if !ok {
			continue
		}
		before, converted := m.Before()
		if !converted && elsewhere(p, repo) {
			subjects = append(subjects, subject{repo, m.Digest, &children[i].Entry})
		}
		source := subject{repo: repo, digest: m.Origin.Pin}
		single := source.digest == m.Digest || source.digest == before || source.digest.Hex == ""
		if single || seen[source.thing()] || slices.ContainsFunc(children, func(c index.Manifest) bool { return c.Digest == source.digest }) {
			continue
		}
		seen[source.thing()] = true
		switch {
		case source.digest != list:
			left = append(left, source)
		case elsewhere(p, repo):
			subjects = append(subjects, source)
		}
	}
	return subjects, left
}

// elsewhere reports whether the list goes to another repository, too.
func elsewhere(p index.Publication, repo name.Repository) bool {
	return slices.ContainsFunc(p.To, func(t name.Tag) bool { return !sameRepository(t.Repository, repo) })
}

// lost tells of lists that something refers to.
func (f *search) lost(ctx context.Context, lists []subject) ([]index.Lost, error) {
	found, err := f.namesOfAll(ctx, lists)
	if err != nil {
		return nil, err
	}
	var lost []index.Lost
	for i, n := range found {
		if n.len() > 0 {
			lost = append(lost, index.Lost{List: lists[i].thing(), Referrers: n.len()})
		}
	}
	return lost, nil
}

func (f *search) namesOfAll(ctx context.Context, subjects []subject) ([]names, error) {
	return sideBySide(ctx, f.client.opts.Jobs, subjects, f.names)
}

// sideBySide calls do for each, as many at once as are allowed, and returns the
// results in order.
func sideBySide[T, R any](ctx context.Context, jobs int, all []T, do func(context.Context, T) (R, error)) ([]R, error) {
	results := make([]R, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for i, one := range all {
		group.Go(func() (err error) { results[i], err = do(ctx, one); return err })
	}
	return results, group.Wait()
}

// all returns the referrers of subjects, then theirs, and so on.
func (f *search) all(ctx context.Context, subjects []subject) ([]referrer, error) {
	var all []referrer
	seen := map[string]bool{}
	for depth := 0; len(subjects) > 0; depth++ {
		if depth > maxReferrerDepth {
			return nil, index.Faultf(index.ErrInvalid, subjects[0].thing(), "referrers of referrers, more than %d deep", maxReferrerDepth)
		}
		for _, s := range subjects {
			seen[s.thing()] = true
		}
		found, err := sideBySide(ctx, f.client.opts.Jobs, subjects, f.referrers)
		if err != nil {
			return nil, err
		}
		subjects = nil
		for _, r := range slices.Concat(found...) {
			all = append(all, r)
			next := subject{r.subject.repo, r.Digest, r.subject.of}
			if !seen[next.thing()] {
				subjects = append(subjects, next)
			}
			seen[next.thing()] = true // cosign's tags may lead back
		}
	}
	return all, nil
}

// names asks what refers to a subject: one request for those that name it and
// one for each of cosign's tags, side by side.
func (f *search) names(ctx context.Context, of subject) (names, error) {
	if of.local() {
		return names{}, nil
	}
	s, err := f.client.connect(ctx, of.repo)
	if err != nil {
		return names{}, err
	}
	tags := index.CosignTags(of.digest)
	there := make([]bool, len(tags))
	var n names
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { n.lines, err = f.lines(groupCtx, s, of.digest); return err })
	for i, tag := range tags {
		group.Go(func() (err error) { there[i], err = f.client.hasTag(groupCtx, s, tag); return err })
	}
	if err := group.Wait(); err != nil {
		return names{}, classify(ctx, "referrers of "+of.thing(), err)
	}
	for i, tag := range tags {
		if there[i] {
			n.tags = append(n.tags, tag)
		}
	}
	return n, nil
}

// lines returns what is listed as referring to a digest, by the registry or at
// a tag, sorted by digest: registries have no order for it.
func (f *search) lines(ctx context.Context, s *session, digest v1.Hash) ([]index.Entry, error) {
	lines, by, err := f.client.listed(ctx, s, digest)
	if err != nil {
		return nil, err
	}
	if by != byRegistry {
		ix, err := f.client.taggedReferrers(ctx, s, digest)
		if err != nil {
			return nil, err
		}
		lines = ix.Entries()
	}
	slices.SortStableFunc(lines, func(a, b index.Entry) int { return bytes.Compare([]byte(a.Digest.String()), []byte(b.Digest.String())) })
	return slices.CompactFunc(lines, func(a, b index.Entry) bool { return a.Digest == b.Digest }), nil
}

// referrers reads what refers to a subject.
func (f *search) referrers(ctx context.Context, of subject) ([]referrer, error) {
	n, err := f.names(ctx, of)
	if err != nil {
		return nil, err
	}
	if f.found.Add(int64(n.len())) > maxReferrers {
		return nil, index.Faultf(index.ErrInvalid, of.thing(), "more than %d manifests refer to what is in the list", maxReferrers)
	}
	s, err := f.client.connect(ctx, of.repo)
	if err != nil {
		return nil, err
	}
	found, err := sideBySide(ctx, f.client.opts.Jobs, n.lines, func(ctx context.Context, e index.Entry) (referrer, error) {
		r, err := f.named(ctx, s, of, e)
		return r, classify(ctx, of.repo.Name()+"@"+e.Digest.String()+", which refers to "+of.digest.String(), err)
	})
	if err != nil {
		return nil, err
	}
	tagged, err := sideBySide(ctx, f.client.opts.Jobs, n.tags, func(ctx context.Context, tag string) (referrer, error) {
		r, err := f.tagged(ctx, s, of, tag)
		return r, classify(ctx, of.repo.Tag(tag).Name(), err)
	})
	found = append(found, tagged...)
	return slices.DeleteFunc(found, func(r referrer) bool { return r.Digest.Hex == "" }), err
}

// named reads a referrer that names its subject.
func (f *search) named(ctx context.Context, s *session, of subject, e index.Entry) (referrer, error) {
	d, err := f.client.manifest(ctx, s, e.Digest.String(), e.Digest)
	if err != nil {
		return referrer{}, err
	}
	if err := checkSize(d.raw, e.Descriptor); err != nil {
		return referrer{}, err
	}
	line, names, err := index.DescribeReferrer(d.raw, d.mediaType)
	if err != nil {
		return referrer{}, fmt.Errorf("%w: %w", errContent, err)
	}
	if names != of.digest {
		return referrer{}, fmt.Errorf("%w: it does not name what it is said to refer to", errContent)
	}
	line.Digest = d.digest
	m, err := f.content(ctx, s, of, d, 0)
	return referrer{Manifest: m, subject: of, line: line}, err
}

// tagged reads a referrer that has one of cosign's tags; its zero value where
// there is none after all.
func (f *search) tagged(ctx context.Context, s *session, of subject, tag string) (referrer, error) {
	d, there, err := f.client.atTag(ctx, s, tag)
	if err != nil || !there {
		return referrer{}, err
	}
	line, _, err := index.DescribeReferrer(d.raw, d.mediaType)
	if err != nil {
		return referrer{}, fmt.Errorf("%w: %w", errContent, err)
	}
	m, err := f.content(ctx, s, of, d, 0)
	return referrer{Manifest: m, subject: of, tag: tag, line: line}, err
}

// content returns a manifest and, of a list, what it refers to. Nothing is
// asked of configs: what refers to images is none, whatever it looks like.
func (f *search) content(ctx context.Context, s *session, of subject, d document, depth int) (index.Manifest, error) {
	m := index.Manifest{Entry: d.entry(), Raw: d.raw}
	m.Origin = index.Origin{Kind: index.SourceRegistry, Repository: of.repo.Name(), Pin: d.digest}
	if f.bytes.Add(int64(len(d.raw))) > maxBytes {
		return m, fmt.Errorf("%w: referrers of more than %d bytes in all", errContent, maxBytes)
	}
	if !d.mediaType.IsIndex() {
		return m, nil
	}
	if depth == maxDepth {
		return m, fmt.Errorf("%w: lists in lists, more than %d deep", errContent, maxDepth)
	}
	ix, err := index.Parse(d.raw)
	if err != nil {
		return m, fmt.Errorf("%w: %w", errContent, err)
	}
	if f.found.Add(int64(ix.Len())) > maxReferrers {
		return m, fmt.Errorf("%w: referrers with more than %d manifests in all", errContent, maxReferrers)
	}
	for _, e := range ix.Entries() {
		below, err := f.client.manifest(ctx, s, e.Digest.String(), e.Digest)
		if err != nil {
			return m, fmt.Errorf("entry %s: %w", e.Digest, err)
		}
		child, err := f.content(ctx, s, of, below, depth+1)
		if err != nil {
			return m, err
		}
		m.Children = append(m.Children, child)
	}
	return m, nil
}
