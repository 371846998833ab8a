package registry

import "context"

// memo makes a value once for all who ask. Whoever asks while it is being made
// waits, no longer than its own context. An error is kept as a value is, unless
// the context of the one who made it ended: then the next one tries again.
type memo[T any] struct {
	busy  chan struct{} // holds a token while the fields below are in use
	made  bool
	value T
	err   error
}

func newMemo[T any]() *memo[T] { return &memo[T]{busy: make(chan struct{}, 1)} }

func (m *memo[T]) get(ctx context.Context, fill func(context.Context) (T, error)) (T, error) {
	var none T
	select {
	case m.busy <- struct{}{}:
	case <-ctx.Done():
		return none, ended(ctx)
	}
	defer func() { <-m.busy }()
	if m.made {
		return m.value, m.err
	}
	value, err := fill(ctx)
	if err != nil && ctx.Err() != nil {
		return none, err
	}
	m.value, m.err, m.made = value, err, true
	return value, err
}
