package layout

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// attachment is what refers to something in a layout.
type attachment struct {
	entry index.Entry
	tag   string // cosign's
}

// split returns the entries of index.json that stand for themselves, and takes
// those aside that refer to another: what has one of cosign's tags or is listed
// at a tag of the referrers tag schema, as regctl writes them, and what names a
// subject that is in the layout, as oras writes it.
func (r *resolver) split(entries []index.Entry) ([]index.Entry, error) {
	r.beside = map[v1.Hash][]attachment{}
	var own []index.Entry
	for _, e := range entries {
		name := e.Annotations[refName]
		tag := name[strings.LastIndexByte(name, ':')+1:]
		of, cosign, ok := index.ReferrerTag(tag)
		switch {
		case ok && cosign:
			r.put(of, attachment{e, tag})
		case ok && e.MediaType.IsIndex():
			if err := r.putListed(of, e); err != nil {
				return nil, err
			}
		default:
			if of, ok := r.subject(e); ok {
				r.put(of, attachment{entry: e})
				continue
			}
			own = append(own, e)
		}
	}
	return own, nil
}

func (r *resolver) put(of v1.Hash, b attachment) {
	same := func(o attachment) bool { return o.entry.Digest == b.entry.Digest && o.tag == b.tag }
	if !slices.ContainsFunc(r.beside[of], same) {
		r.beside[of] = append(r.beside[of], b)
	}
}

// putListed takes aside what a list of referrers has.
func (r *resolver) putListed(of v1.Hash, e index.Entry) error {
	raw, err := r.manifest(e)
	if err != nil {
		return err
	}
	list, err := parseList(raw, e.MediaType)
	if err != nil {
		return fmt.Errorf("list of referrers %s: %w", e.Digest, err)
	}
	for _, line := range list.Entries() {
		r.put(of, attachment{entry: line})
	}
	return nil
}

// subject returns what an entry refers to, if that is in the layout. A list
// stands for itself, whatever its subject is. What cannot be read is told of
// where it is read as an image.
func (r *resolver) subject(e index.Entry) (v1.Hash, bool) {
	if e.IsAttestation() || !e.MediaType.IsImage() {
		return v1.Hash{}, false
	}
	raw, err := r.content.read(blobFile(e.Digest))
	if err != nil {
		return v1.Hash{}, false
	}
	_, of, err := index.DescribeReferrer(raw, e.MediaType)
	if err != nil || of.Hex == "" {
		return v1.Hash{}, false
	}
	_, err = r.content.size(blobFile(of))
	return of, err == nil
}

// referrers returns what refers to a digest, with what refers to that. It is
// returned once: names in a layout may lead in circles.
func (r *resolver) referrers(of v1.Hash) ([]index.Attached, error) {
	all := r.beside[of]
	delete(r.beside, of)
	var found []index.Attached
	for _, b := range all {
		m, err := r.plain(b.entry, 0)
		if err != nil {
			return nil, fmt.Errorf("what refers to %s: %w", of, err)
		}
		if m.Referrers, err = r.referrers(m.Digest); err != nil {
			return nil, err
		}
		found = append(found, index.Attached{Manifest: m, Tag: b.tag})
	}
	return found, nil
}

// plain reads a manifest that need not be an image, and what it refers to.
func (r *resolver) plain(e index.Entry, depth int) (index.Manifest, error) {
	if r.seen++; r.seen > maxDescriptors || depth > maxDepth {
		return index.Manifest{}, fmt.Errorf("it refers to more than %d images and lists, or to lists more than %d deep", maxDescriptors, maxDepth)
	}
	if !e.MediaType.IsIndex() {
		m, _, err := r.parts(e)
		return m, err
	}
	raw, err := r.manifest(e)
	if err != nil {
		return index.Manifest{}, err
	}
	list, err := parseList(raw, e.MediaType)
	if err != nil {
		return index.Manifest{}, fmt.Errorf("list %s: %w", e.Digest, err)
	}
	m := index.Manifest{Entry: r.describe(e), Raw: raw}
	for _, below := range list.Entries() {
		child, err := r.plain(below, depth+1)
		if err != nil {
			return index.Manifest{}, err
		}
		m.Children = append(m.Children, child)
	}
	return m, nil
}
