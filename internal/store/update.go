package store

import (
	"context"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Update changes the list of a name, or makes it. edit gets the list as it is,
// nil where there is none, and returns the list as it is to be; it may be called
// more than once and must do nothing else. An error of edit ends the update and
// is returned as it is. Where edit changes neither bytes nor origins, nothing is
// written.
//
// content is what the new list needs beside itself: manifests, configs, layers.
// It is read before the list is locked, and only what is not there already;
// content that is not what its digest says is index.ErrInvalid. What no entry
// of the new list needs, now or before, is not kept.
//
// Update waits for other changes of the list; index.ErrConflict says that it
// waited too long. Of a list that is damaged, which is index.ErrCorrupt, it
// changes nothing.
func (d *Dir) Update(ctx context.Context, n index.Name, content []index.Blob, edit func(old *index.Index) (index.Index, error)) error {
	if n.IsZero() {
		return index.Faultf(index.ErrUsage, "list", "it has no name")
	}
	content, err := distinct(content)
	if err != nil {
		return err
	}
	dk, err := d.openToWrite(ctx)
	if err != nil {
		return about("write", n, err)
	}
	u := updater{dir: d, shelf: d.shelf(dk, n), content: content, edit: edit}
	err = errors.Join(u.update(ctx), dk.Close())
	if refused, ok := errors.AsType[editError](err); ok {
		return refused.error
	}
	if err != nil {
		return about("write", n, err)
	}
	return nil
}

// editError is an error of the caller's edit, which is none of ours.
type editError struct{ error }

// distinct returns content without what is there twice.
func distinct(content []index.Blob) ([]index.Blob, error) {
	seen := map[v1.Hash]bool{}
	var once []index.Blob
	for _, b := range content {
		if _, err := v1.NewHash(b.Digest.String()); err != nil {
			return nil, index.Faultf(index.ErrInvalid, blobThing(b.Digest), "%w", err)
		}
		if b.Size < 0 {
			return nil, index.Faultf(index.ErrInvalid, blobThing(b.Digest), "size %d", b.Size)
		}
		if !seen[b.Digest] {
			seen[b.Digest] = true
			once = append(once, b)
		}
	}
	return once, nil
}

// updater is one Update.
type updater struct {
	shelf
	dir     *Dir
	content []index.Blob
	edit    func(old *index.Index) (index.Index, error)
}

func (u updater) all() ([]index.Blob, error) { return u.content, nil }

// missing returns the content that the list's directory does not have.
func (u updater) missing() ([]index.Blob, error) {
	var missing []index.Blob
	for _, b := range u.content {
		there, err := u.has(b.Digest, b.Size)
		if err != nil {
			return nil, err
		}
		if !there {
			missing = append(missing, b)
		}
	}
	return missing, nil
}

func (u updater) update(ctx context.Context) error {
	sweepTemp(u.dk)
	err := u.run(ctx, u.missing)
	if errors.Is(err, errGone) {
		// What was there is not there any more. Now all is copied, so that
		// this happens once.
		return u.run(ctx, u.all)
	}
	return err
}

// run copies what which returns, locks the list and changes it. It fails with
// errGone where content that was not copied was removed before the lock was held.
func (u updater) run(ctx context.Context, which func() ([]index.Blob, error)) error {
	blobs, err := which()
	if err != nil {
		return err
	}
	var staged *stage
	if len(blobs) > 0 {
		if staged, err = newStage(u.dk); err != nil {
			return err
		}
		defer staged.drop()
		if err := staged.addAll(ctx, blobs, u.dir.jobs); err != nil {
			return err
		}
	}
	unlock, err := u.dir.lock(ctx, u.dk, keyOf(u.name), thing(u.name))
	if err != nil {
		return err
	}
	return errors.Join(u.locked(ctx, staged), unlock())
}

// locked changes the list, which nobody else does meanwhile.
func (u updater) locked(ctx context.Context, staged *stage) error {
	before, old, err := u.before()
	if err != nil {
		return err
	}
	after, err := u.edit(old)
	if err != nil {
		return editError{err}
	}
	c, err := u.plan(before, after, staged)
	if err != nil {
		return err
	}
	if c.nothing() {
		// The writer before may have been killed when others saw the list
		// already and a power cut could still undo it.
		return c.dk.SyncDir(c.dir)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return c.carryOut()
}

// before reads the list; old is nil where there is none.
func (u updater) before() (st state, old *index.Index, err error) {
	st, err = u.dir.load(u.shelf)
	if err == nil {
		return st, &st.list, nil
	}
	if !errors.Is(err, errNoList) {
		return state{}, nil, err
	}
	theirs, found, err := u.dir.findUpstream(u.dk, u.name)
	if err != nil || !found {
		return state{}, nil, err
	}
	return state{}, &theirs, nil
}

// plan works out what to write.
func (u updater) plan(before state, after index.Index, staged *stage) (change, error) {
	raw, err := after.RawManifest()
	if err != nil {
		return change{}, err
	}
	c := change{
		shelf: u.shelf, before: before, staged: staged,
		list: raw, digest: index.DigestOf(raw), mediaType: after.Format().IndexType(), entries: after.Entries(),
	}
	c.same = before.head.raw != nil && before.head.list.Digest == c.digest && sameOrigins(before.list, c.entries)
	if c.same && len(u.content) == 0 {
		return c, nil
	}
	for _, b := range u.content {
		if err := c.stillThere(b); err != nil {
			return change{}, err
		}
	}
	c.known, err = u.findKept(before.known, c.entries, staged)
	if err != nil {
		return change{}, err
	}
	c.moves, err = c.findMoves()
	return c, err
}

func sameOrigins(a index.Index, b []index.Entry) bool {
	for i, e := range a.All() {
		if i >= len(b) || e.Origin != b[i].Origin {
			return false
		}
	}
	return a.Len() == len(b)
}
