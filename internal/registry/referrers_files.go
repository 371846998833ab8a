package registry

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// referrersAtHand returns the referrers that came with images from files, and the lists
// of files whose referrers do not come along.
func referrersAtHand(children []index.Manifest, list v1.Hash) (found []referrer, lost []index.Lost, err error) {
	seen := map[v1.Hash]bool{}
	for _, m := range children {
		seen[m.Digest] = true
	}
	for i, m := range children {
		if _, converted := m.Before(); !converted {
			if found, err = attached(found, m.Referrers, subject{digest: m.Digest, of: &children[i].Entry}, 0); err != nil {
				return nil, nil, err
			}
		}
		if m.From == nil || seen[m.From.Digest] {
			continue
		}
		seen[m.From.Digest] = true
		if m.From.Digest != list {
			lost = append(lost, index.Lost{List: m.Origin.Ref + "@" + m.From.Digest.String(), Referrers: len(m.From.Referrers)})
			continue
		}
		if found, err = attached(found, m.From.Referrers, subject{digest: list}, 0); err != nil {
			return nil, nil, err
		}
	}
	return found, lost, nil
}

// attached appends what refers to a subject in a file, and to that.
func attached(to []referrer, all []index.Attached, of subject, depth int) ([]referrer, error) {
	for _, a := range all {
		line, names, err := index.DescribeReferrer(a.Raw, a.MediaType)
		switch thing := a.Origin.Ref + "@" + a.Digest.String(); {
		case err != nil:
			return nil, &index.Fault{Kind: index.ErrInvalid, Thing: thing, Cause: err}
		case a.Tag == "" && names != of.digest:
			return nil, index.Faultf(index.ErrInvalid, thing, "it does not name %s, which it is said to refer to", of.digest)
		case depth > maxReferrerDepth || len(to) >= maxReferrers:
			return nil, index.Faultf(index.ErrInvalid, thing, "referrers of referrers more than %d deep, or more than %d in all", maxReferrerDepth, maxReferrers)
		}
		to = append(to, referrer{Manifest: a.Manifest, subject: of, tag: a.Tag, line: line})
		if to, err = attached(to, a.Referrers, subject{digest: a.Digest, of: of.of}, depth+1); err != nil {
			return nil, err
		}
	}
	return to, nil
}
