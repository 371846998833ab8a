package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Edit changes a list. Edits are made by the functions of this package and
// carried out by [Index.Apply].
type Edit func(*draft) error

// draft is a list while it is edited.
type draft struct {
	Index
	diff Diff
	// at has the position of each entry, the first one where entries are the
	// same; nil when it has to be made anew. See draft.find.
	at map[identity]int
}

// identity is what two entries have in common that are one.
type identity struct {
	digest   v1.Hash
	platform string // "" for none
}

func identityOf(e Entry) identity {
	if e.Platform == nil {
		return identity{digest: e.Digest}
	}
	return identity{e.Digest, platformKey(*e.Platform)}
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

// clone returns a diff that shares no memory with d that anyone writes to.
func (d Diff) clone() Diff {
	changed := slices.Clone(d.Changed)
	for i, c := range changed {
		changed[i] = Change{c.Before.clone(), c.After.clone()}
	}
	d.Added, d.Removed, d.Kept = cloneAll(d.Added), cloneAll(d.Removed), cloneAll(d.Kept)
	d.Changed = changed
	return d
}

func cloneAll(entries []Entry) []Entry {
	entries = slices.Clone(entries)
	for i, e := range entries {
		entries[i] = e.clone()
	}
	return entries
}

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
		return d.Index, d.diff.clone(), nil
	}
	raw, err := encode(d.Index)
	if err != nil {
		return ix, Diff{}, err
	}
	d.raw = raw
	return d.Index, d.diff.clone(), nil
}

// Add appends entries. One that is there already, by digest and platform, is
// not added twice: only its annotations are brought up to date, and its origin
// is set where it had none. An entry without a valid digest, a media type and a
// size is an error of the kind ErrInvalid.
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
	if err := d.check(e); err != nil {
		return err
	}
	if at := d.find(identityOf(e)); at >= 0 {
		d.merge(at, e)
		return nil
	}
	d.at[identityOf(e)] = len(d.entries)
	d.entries = append(d.entries, e)
	d.diff.Added = append(d.diff.Added, e)
	return nil
}

// check refuses an entry that would make the list one that Parse refuses, or
// that the list's format cannot hold.
func (d *draft) check(e Entry) error {
	if err := checkDescriptor(e.Descriptor); err != nil {
		return &Fault{Kind: ErrInvalid, Thing: fmt.Sprintf("entry %s", e.Digest), Cause: err}
	}
	return reject(d.inexpressible(e))
}

// merge brings the entry at a position up to date with one that is the same.
func (d *draft) merge(at int, e Entry) {
	after := d.entries[at].clone()
	for k, v := range e.Annotations {
		setAnnotation(&after.Annotations, k, v)
	}
	if after.Origin == (Origin{}) {
		after.Origin = e.Origin
	}
	if !maps.Equal(after.Annotations, d.entries[at].Annotations) {
		d.change(at, after)
		return
	}
	d.entries[at] = after
	d.diff.Kept = append(d.diff.Kept, after)
}

func (d *draft) change(at int, after Entry) {
	d.diff.Changed = append(d.diff.Changed, Change{d.entries[at], after})
	if d.at != nil && identityOf(d.entries[at]) != identityOf(after) {
		d.at = nil
	}
	d.entries[at] = after
}

// find returns the position of an entry, -1 where there is none. What moves
// entries must set d.at to nil.
func (d *draft) find(id identity) int {
	if d.at == nil {
		d.at = make(map[identity]int, len(d.entries))
		for i, e := range slices.Backward(d.entries) {
			d.at[identityOf(e)] = i
		}
	}
	if at, ok := d.at[id]; ok {
		return at
	}
	return -1
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
	// What the old architecture's name says of the variant goes before it.
	p = NormalizePlatform(p)
	set := func(field, value *string) {
		if value != nil {
			*field = *value
		}
	}
	set(&p.OS, pp.OS)
	if pp.Architecture != nil {
		arch, variant := archAlias(strings.ToLower(*pp.Architecture))
		p.Architecture = arch
		if variant != "" {
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

// Check returns an error of the kind ErrUsage if the patch sets a field to what
// no consumer accepts.
func (pp PlatformPatch) Check() error { return CheckPlatformNames(pp.Patch(v1.Platform{})) }

// IsZero reports whether the patch sets nothing.
func (pp PlatformPatch) IsZero() bool { return pp == PlatformPatch{} }

// SetPlatform sets platform fields of the one entry that s means. Names among
// them that are not known are an error; what the entry has already may be
// anything. An entry of an OCI index whose platform has nothing left has none.
func SetPlatform(s Selector, patch PlatformPatch) Edit {
	return func(d *draft) error {
		at, err := d.selectOne(s)
		if err != nil {
			return err
		}
		if err := patch.Check(); err != nil {
			return err
		}
		after := d.entries[at].clone()
		var before v1.Platform
		if after.Platform != nil {
			before = *after.Platform
		}
		p := patch.Patch(before)
		if patch.IsZero() || identicalPlatforms(before, p) {
			return nil
		}
		after.Platform = &p
		// In a Docker list every entry has a platform.
		if identicalPlatforms(p, v1.Platform{}) && len(after.platformExtra) == 0 && d.format == OCI {
			after.Platform = nil
		}
		d.change(at, after)
		return nil
	}
}

// identicalPlatforms compares field by field. v1.Platform.Equals sorts the
// features of both sides.
func identicalPlatforms(a, b v1.Platform) bool {
	return a.OS == b.OS && a.Architecture == b.Architecture && a.Variant == b.Variant && a.OSVersion == b.OSVersion &&
		slices.Equal(a.OSFeatures, b.OSFeatures) && slices.Equal(a.Features, b.Features)
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
		if err := reject(d.inexpressible(after)); err != nil {
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
			return reject(inexpressible(Entry{}, "the list", "annotations"))
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

// SetArtifactType says what the list is an artifact of, "" for nothing: a media
// type, else the error is of the kind ErrUsage. A list in the format V2S2 cannot
// hold it (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md).
func SetArtifactType(t string) Edit {
	return func(d *draft) error {
		switch {
		case t == d.artifactType:
			return nil
		case t != "" && !isMediaType(t):
			return Faultf(ErrUsage, fmt.Sprintf("artifact type %q", t), "want a media type, as in application/vnd.acme.bundle.v1+json")
		case d.format == V2S2 && t != "":
			return reject(inexpressible(Entry{}, "the list", "an artifactType"))
		}
		d.artifactType, d.diff.Index = t, true
		return nil
	}
}

// isMediaType reports whether a text is two names of RFC 6838, section 4.2.
func isMediaType(text string) bool {
	front, rest, _ := strings.Cut(text, "/")
	for _, name := range []string{front, rest} {
		const longest, letters = 127, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		if name == "" || len(name) > longest || !strings.Contains(letters, name[:1]) || strings.Trim(name, letters+"!#$&-^_.+") != "" {
			return false
		}
	}
	return true
}

func setAnnotation(annotations *map[string]string, key, value string) {
	if *annotations == nil {
		*annotations = map[string]string{}
	}
	(*annotations)[key] = value
}
