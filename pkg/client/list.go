package client

import (
	"context"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// ListedList is a list in local storage, or the reason why it cannot be read.
type ListedList struct {
	Name  index.Name
	Index index.Index
	Err   error // of the kind ErrCorrupt, most likely; Index is empty then
}

// List returns all lists in local storage, sorted by name. One that cannot be
// read does not hide the others.
func (c *Client) List(ctx context.Context) ([]ListedList, error) {
	names, err := c.store.List(ctx)
	if err != nil {
		return nil, err
	}
	lists := make([]ListedList, len(names))
	for i, n := range names {
		ix, err := c.store.Get(ctx, n)
		lists[i] = ListedList{Name: n, Index: ix, Err: err}
	}
	return lists, ctx.Err()
}
