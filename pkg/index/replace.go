package index

import (
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Replace puts each image in the place of the one of the same platform, whose
// attestations go with it; what else the list has for that platform goes too.
// An entry whose platform the list lacks is added as by [Add], and so is the
// second of two of one platform.
func Replace(entries ...Entry) Edit {
	return func(d *draft) error {
		r := replacement{draft: d, old: map[string][]int{}, gone: map[int]bool{}}
		for i, e := range d.entries {
			if platform := platformOf(e); platform != "" {
				r.old[platform] = append(r.old[platform], i)
			}
		}
		for _, e := range entries {
			if err := r.put(e.clone()); err != nil {
				return err
			}
		}
		d.remove(r.gone)
		d.dropAttestations(r.digests)
		return nil
	}
}

// replacement is a Replace that is being carried out. Positions stay until it
// ends.
type replacement struct {
	*draft
	old     map[string][]int // positions by platform, as long as nothing replaced them
	gone    map[int]bool     // positions to remove in the end
	digests []v1.Hash        // what was replaced
}

func (r *replacement) put(e Entry) error {
	if err := r.check(e); err != nil {
		return err
	}
	platform := platformOf(e)
	old := r.old[platform]
	// The next entry of this platform shall not replace this one in silence.
	delete(r.old, platform)
	if len(old) == 0 {
		if at := r.find(identityOf(e)); at >= 0 {
			delete(r.gone, at)
		}
		return r.add(e)
	}
	same := slices.IndexFunc(old, func(at int) bool { return r.entries[at].Digest == e.Digest })
	at := old[max(same, 0)]
	for _, i := range old {
		if i != at {
			r.gone[i] = true
			r.digests = append(r.digests, r.entries[i].Digest)
		}
	}
	if same >= 0 {
		r.merge(at, e)
		return nil
	}
	r.digests = append(r.digests, r.entries[at].Digest)
	r.diff.Removed = append(r.diff.Removed, r.entries[at])
	r.diff.Added = append(r.diff.Added, e)
	delete(r.at, identityOf(r.entries[at]))
	r.entries[at] = e
	if r.at != nil {
		r.at[identityOf(e)] = at
	}
	return nil
}

// remove takes out the entries at some positions.
func (d *draft) remove(gone map[int]bool) {
	if len(gone) == 0 {
		return
	}
	kept := d.entries[:0:0]
	for i, e := range d.entries {
		if gone[i] {
			d.diff.Removed = append(d.diff.Removed, e)
		} else {
			kept = append(kept, e)
		}
	}
	d.entries, d.at = kept, nil
}

// dropAttestations takes out the attestations of images that are no longer in
// the list, of those with the given digests.
func (d *draft) dropAttestations(of []v1.Hash) {
	if len(of) == 0 {
		return
	}
	orphaned := map[v1.Hash]bool{}
	for _, h := range of {
		orphaned[h] = true
	}
	for _, e := range d.entries {
		delete(orphaned, e.Digest)
	}
	gone := map[int]bool{}
	for i, e := range d.entries {
		if image, ok := e.Attests(); ok && orphaned[image] {
			gone[i] = true
		}
	}
	d.remove(gone)
}

// Empty takes out all entries.
func Empty() Edit {
	return func(d *draft) error {
		gone := map[int]bool{}
		for i := range d.entries {
			gone[i] = true
		}
		d.remove(gone)
		return nil
	}
}

// Remove takes out the one entry that s means and its attestations.
func Remove(s Selector) Edit {
	return func(d *draft) error {
		at, err := d.selectOne(s)
		if err != nil {
			return err
		}
		digest := d.entries[at].Digest
		d.remove(map[int]bool{at: true})
		d.dropAttestations([]v1.Hash{digest})
		return nil
	}
}
