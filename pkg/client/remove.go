package client

import (
	"context"
	"errors"
	"slices"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// RemoveEntriesRequest asks to take entries out of a list that is kept.
type RemoveEntriesRequest struct {
	Name    string
	Entries []string // as index.ParseSelector reads them
}

// RemoveEntries takes out all the entries, each with its attestations, or none:
// ErrNotFound where one is not in the list, ErrUsage where it means several.
func (c *Client) RemoveEntries(ctx context.Context, req RemoveEntriesRequest) (ListResult, error) {
	n, err := parseName(req.Name)
	faults := []error{err}
	var which []index.Selector
	for _, text := range slices.Compact(slices.Sorted(slices.Values(req.Entries))) {
		s, err := parseSelector(text)
		faults = append(faults, err)
		which = append(which, s)
	}
	if err := errors.Join(faults...); err != nil {
		return ListResult{}, err
	}
	return c.update(ctx, n, changing{}, func(old *index.Index) (index.Index, index.Diff, error) {
		if old == nil {
			return index.Index{}, index.Diff{}, missingFault(n)
		}
		return removeAll(*old, which)
	})
}

// removeAll tries each selector alone first, so that all faults are reported
// together.
func removeAll(ix index.Index, which []index.Selector) (index.Index, index.Diff, error) {
	var faults []error
	var edits []index.Edit
	for _, s := range which {
		_, _, err := ix.Apply(index.Remove(s))
		faults = append(faults, err)
		edits = append(edits, index.Remove(s))
	}
	if err := errors.Join(faults...); err != nil {
		return ix, index.Diff{}, err
	}
	return ix.Apply(edits...)
}

// DeleteRequest asks to delete lists from local storage.
type DeleteRequest struct {
	Names  []string
	Ignore bool // a list that is not there is no error
}

// Delete deletes lists from local storage, corrupt ones too, and returns the
// names of those that it deleted. All faults are reported together; a list that
// is not there stops nothing but the success.
func (c *Client) Delete(ctx context.Context, req DeleteRequest) ([]index.Name, error) {
	names := make([]index.Name, len(req.Names))
	faults := make([]error, len(req.Names))
	for i, text := range req.Names {
		names[i], faults[i] = parseName(text)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	var deleted []index.Name
	for i, n := range names {
		err := c.store.Delete(ctx, n)
		switch {
		case err == nil:
			deleted = append(deleted, n)
		case req.Ignore && errors.Is(err, index.ErrNotFound):
		default:
			faults[i] = err
		}
	}
	return deleted, errors.Join(faults...)
}
