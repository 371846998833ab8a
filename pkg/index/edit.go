package index

import (
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Edit changes a list. Edits are made by the functions of this package and
// carried out by [Index.Apply].
type Edit func(*draft) error

// draft is a list while it is edited.
type draft struct {
	Index
	diff Diff
}

// Diff is what Apply changed.
type Diff struct {
	Added   []Entry
	Removed []Entry
	Changed []Change
	Kept    []Entry // added again, and there already
	Index   bool    // members of the list itself changed: annotations, format
}

// Change is one entry before and after.
type Change struct{ Before, After Entry }

// IsZero reports whether nothing changed.
func (d Diff) IsZero() bool {
	return len(d.Added)+len(d.Removed)+len(d.Changed) == 0 && !d.Index
}

// Apply returns the list with all edits carried out in order and what they
// changed, or, if one fails, the receiver and the error. The receiver stays as
// it is; a list that no edit changed keeps its bytes.
func (ix Index) Apply(edits ...Edit) (Index, Diff, error) {
	d := &draft{Index: ix}
	d.entries = ix.Entries()
	d.annotations = maps.Clone(ix.annotations)
	for _, edit := range edits {
		if err := edit(d); err != nil {
			return ix, Diff{}, err
		}
	}
	if d.diff.IsZero() && ix.raw != nil {
		d.raw = ix.raw
		return d.Index, d.diff, nil
	}
	raw, err := encode(d.Index)
	if err != nil {
		return ix, Diff{}, err
	}
	if len(raw) > MaxManifest {
		return ix, Diff{}, invalidf("the list would have %d bytes, more than the %d that registries and consumers take", len(raw), MaxManifest)
	}
	d.raw = raw
	return d.Index, d.diff, nil
}

// Add appends entries. One that is there already, by digest and platform, is
// not added twice: only its annotations are brought up to date.
func Add(entries ...Entry) Edit {
	return func(d *draft) error {
		for _, e := range entries {
			if err := d.add(e.clone()); err != nil {
				return err
			}
		}
		return nil
	}
}

func (d *draft) add(e Entry) error {
	if err := d.checkExpressible(e); err != nil {
		return err
	}
	at := slices.IndexFunc(d.entries, func(o Entry) bool { return o.Digest == e.Digest && samePlatformField(o, e) })
	if at < 0 {
		d.entries = append(d.entries, e)
		d.diff.Added = append(d.diff.Added, e)
		return nil
	}
	after := d.entries[at].clone()
	for k, v := range e.Annotations {
		setAnnotation(&after.Annotations, k, v)
	}
	if maps.Equal(after.Annotations, d.entries[at].Annotations) {
		d.diff.Kept = append(d.diff.Kept, d.entries[at])
		return nil
	}
	d.change(at, after)
	return nil
}

func (d *draft) change(at int, after Entry) {
	d.diff.Changed = append(d.diff.Changed, Change{d.entries[at], after})
	d.entries[at] = after
}

func samePlatformField(a, b Entry) bool {
	if a.Platform == nil || b.Platform == nil {
		return a.Platform == b.Platform
	}
	return SamePlatform(*a.Platform, *b.Platform)
}

// Replace puts each entry in the place of the one of the same platform, whose
// attestations go with it; an entry whose platform the list lacks is added.
func Replace(entries ...Entry) Edit {
	return func(d *draft) error {
		old := d.Entries()
		for _, e := range entries {
			if err := d.replace(e.clone(), old); err != nil {
				return err
			}
		}
		return nil
	}
}

// replace looks for the platform among the entries that the list had before,
// so that two new entries of one platform do not replace each other in silence.
func (d *draft) replace(e Entry, old []Entry) error {
	was := slices.IndexFunc(old, func(o Entry) bool {
		return !o.IsAttestation() && !e.IsAttestation() && o.Platform != nil && samePlatformField(o, e)
	})
	if was < 0 || old[was].Digest == e.Digest {
		return d.add(e)
	}
	at := slices.IndexFunc(d.entries, func(o Entry) bool { return o.Digest == old[was].Digest && samePlatformField(o, e) })
	if at < 0 {
		return d.add(e)
	}
	if err := d.checkExpressible(e); err != nil {
		return err
	}
	d.diff.Removed = append(d.diff.Removed, d.entries[at])
	d.diff.Added = append(d.diff.Added, e)
	d.entries[at] = e
	d.dropAttestations(old[was].Digest)
	return nil
}

// Remove takes out the one entry that s means and its attestations.
func Remove(s Selector) Edit {
	return func(d *draft) error {
		at, err := d.selectOne(s)
		if err != nil {
			return err
		}
		gone := d.entries[at]
		d.entries = slices.Delete(d.entries, at, at+1)
		d.diff.Removed = append(d.diff.Removed, gone)
		if !slices.ContainsFunc(d.entries, func(e Entry) bool { return e.Digest == gone.Digest }) {
			d.dropAttestations(gone.Digest)
		}
		return nil
	}
}

func (d *draft) dropAttestations(of v1.Hash) {
	d.entries = slices.DeleteFunc(d.entries, func(e Entry) bool {
		attests, ok := e.Attests()
		if ok && attests == of {
			d.diff.Removed = append(d.diff.Removed, e)
		}
		return ok && attests == of
	})
}

// PlatformPatch says which fields of a platform to set, to "" too; nil leaves
// a field as it is.
type PlatformPatch struct {
	OS, Architecture, Variant, OSVersion *string
	OSFeatures                           *[]string
}

// Patch returns p with the fields set and the whole normalised. An architecture
// whose name carries the variant ("arm64v8") sets both.
func (pp PlatformPatch) Patch(p v1.Platform) v1.Platform {
	set := func(field *string, value *string) {
		if value != nil {
			*field = *value
		}
	}
	set(&p.OS, pp.OS)
	if pp.Architecture != nil {
		p.Architecture = *pp.Architecture
		if _, variant := archAlias(p.Architecture); variant != "" {
			p.Variant = variant
		}
	}
	set(&p.Variant, pp.Variant)
	set(&p.OSVersion, pp.OSVersion)
	if pp.OSFeatures != nil {
		p.OSFeatures = *pp.OSFeatures
	}
	return NormalizePlatform(p)
}

// IsZero reports whether the patch sets nothing.
func (pp PlatformPatch) IsZero() bool { return pp == PlatformPatch{} }

// SetPlatform sets platform fields of the one entry that s means. Unknown names
// are an error.
func SetPlatform(s Selector, patch PlatformPatch) Edit {
	return func(d *draft) error {
		at, err := d.selectOne(s)
		if err != nil {
			return err
		}
		after := d.entries[at].clone()
		var before v1.Platform
		if after.Platform != nil {
			before = *after.Platform
		}
		p := patch.Patch(before)
		if err := CheckPlatformNames(p); err != nil {
			return err
		}
		after.Platform = &p
		if d.entries[at].Platform == nil || !p.Equals(NormalizePlatform(*d.entries[at].Platform)) {
			d.change(at, after)
		}
		return nil
	}
}

// Annotate sets annotations of the one entry that s means. A list in the format
// V2S2 cannot hold them.
func Annotate(s Selector, annotations map[string]string) Edit {
	return func(d *draft) error {
		at, err := d.selectOne(s)
		if err != nil {
			return err
		}
		after := d.entries[at].clone()
		for k, v := range annotations {
			setAnnotation(&after.Annotations, k, v)
		}
		if err := d.checkExpressible(after); err != nil {
			return err
		}
		if !maps.Equal(after.Annotations, d.entries[at].Annotations) {
			d.change(at, after)
		}
		return nil
	}
}

// AnnotateIndex sets annotations of the list itself. A list in the format V2S2
// cannot hold them.
func AnnotateIndex(annotations map[string]string) Edit {
	return func(d *draft) error {
		if d.format == V2S2 && len(annotations) > 0 {
			return inexpressible(Entry{}, "the list", "annotations")
		}
		for k, v := range annotations {
			if old, ok := d.annotations[k]; !ok || old != v {
				setAnnotation(&d.annotations, k, v)
				d.diff.Index = true
			}
		}
		return nil
	}
}

func setAnnotation(annotations *map[string]string, key, value string) {
	if *annotations == nil {
		*annotations = map[string]string{}
	}
	(*annotations)[key] = value
}

// Convert changes the list's own media type. What the new format cannot
// express is an error, never dropped.
func Convert(f Format) Edit {
	return func(d *draft) error {
		if d.format == f {
			return nil
		}
		d.format = f
		d.diff.Index = true
		return d.checkAllExpressible()
	}
}

func (d *draft) checkAllExpressible() error {
	if d.format != V2S2 {
		return nil
	}
	for what, has := range map[string]bool{
		"annotations": len(d.annotations) > 0, "an artifactType": d.artifactType != "", "a subject": d.subject != nil,
	} {
		if has {
			return inexpressible(Entry{}, "the list", what)
		}
	}
	for _, e := range d.entries {
		if err := d.checkExpressible(e); err != nil {
			return err
		}
	}
	return nil
}

// checkExpressible refuses what a Docker manifest list has no members for
// (https://distribution.github.io/distribution/spec/manifest-v2-2/#manifest-list).
func (d *draft) checkExpressible(e Entry) error {
	switch {
	case d.format != V2S2:
		return nil
	case len(e.Annotations) > 0:
		return inexpressible(e, fmt.Sprintf("entry %s", e.Digest), "annotations")
	case e.ArtifactType != "":
		return inexpressible(e, fmt.Sprintf("entry %s", e.Digest), "an artifactType")
	}
	return nil
}

func inexpressible(e Entry, thing, what string) error {
	return &Rejection{Findings: []Finding{{
		Rule: AnnotationsInV2S2, Severity: Error, Entry: e,
		Message: fmt.Sprintf("%s has %s, which a list in the format v2s2 cannot hold", thing, what),
	}}}
}
