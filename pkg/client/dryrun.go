package client

import (
	"context"
	"errors"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// rehearsal returns a client that reads as c does and writes nothing.
func (c *Client) rehearsal() *Client {
	dry := *c
	dry.store = readStore{c.store}
	dry.observe = func(e Event) {
		if e.Begin == nil && !e.End { // nothing is sent
			c.observe(e)
		}
	}
	dry.registry = readRegistry{Registry: c.registry, observe: c.observe}
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
}

// Plan plans as if nothing were there where there is nobody to ask, unless what
// is there decides whether the list may be published.
func (r readRegistry) Plan(ctx context.Context, p index.Publication) (index.Plan, error) {
	plan, err := r.Registry.Plan(ctx, p)
	if !errors.Is(err, index.ErrUnreachable) || p.IfTag != nil || p.Referrers {
		return plan, err
	}
	p.Blind = true
	blind, blindErr := r.Registry.Plan(ctx, p)
	if blindErr != nil {
		return plan, err
	}
	r.observe(Event{Unasked: err})
	return blind, nil
}

// Run tells what would be done.
func (r readRegistry) Run(_ context.Context, p index.Plan, _ index.Watch) error {
	for _, s := range p.Steps {
		r.observe(Event{Planned: &s})
	}
	return nil
}
