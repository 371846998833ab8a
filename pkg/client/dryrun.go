package client

import (
	"context"
	"errors"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// rehearsal returns a client that reads as c does and writes nothing. With
// offline it goes without a plan where a destination cannot be reached.
func (c *Client) rehearsal(offline bool) *Client {
	dry := *c
	dry.store = readStore{c.store}
	dry.observe = func(e Event) {
		if e.Begin == nil && !e.End { // nothing is sent
			c.observe(e)
		}
	}
	dry.registry = readRegistry{Registry: c.registry, observe: c.observe, offline: offline}
	return &dry
}

// readStore is a store whose changes come to nothing.
type readStore struct{ Store }

// Update carries out the edit and forgets its result.
func (s readStore) Update(ctx context.Context, n index.Name, _ []index.Blob, edit func(old *index.Index) (index.Index, error)) error {
	old, err := s.Get(ctx, n)
	switch {
	case err == nil:
		_, err = edit(&old)
	case errors.Is(err, index.ErrNotFound):
		_, err = edit(nil)
	}
	return err
}

// Delete deletes nothing.
func (readStore) Delete(context.Context, index.Name) error { return nil }

// readRegistry is a registry whose plans are told, not carried out.
type readRegistry struct {
	Registry
	observe func(Event)
	offline bool
}

// Plan returns a plan without a step where there is nobody to ask.
func (r readRegistry) Plan(ctx context.Context, p index.Publication) (index.Plan, error) {
	plan, err := r.Registry.Plan(ctx, p)
	if r.offline && errors.Is(err, index.ErrUnreachable) {
		r.observe(Event{Unplanned: err})
		return index.Plan{Index: p.Index}, nil
	}
	return plan, err
}

// Run tells what would be done.
func (r readRegistry) Run(_ context.Context, p index.Plan, _ index.Watch) error {
	for _, s := range p.Steps {
		r.observe(Event{Planned: &s})
	}
	return nil
}
