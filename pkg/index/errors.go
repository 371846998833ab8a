package index

import (
	"errors"
	"fmt"
)

// The questions that callers ask of an error, each answered by errors.Is.
var (
	// ErrNotFound says that the thing asked for does not exist: a list, an
	// entry, an image in a registry, a file.
	ErrNotFound = errors.New("not found")
	// ErrExists says that the thing to be made exists already.
	ErrExists = errors.New("already exists")
	// ErrConflict says that something changed under the caller, or contradicts
	// what is there.
	ErrConflict = errors.New("conflict")
	// ErrDenied says that authentication or authorisation failed.
	ErrDenied = errors.New("denied")
	// ErrUnreachable says that a registry or the network did not answer.
	ErrUnreachable = errors.New("unreachable")
	// ErrRefused says that a registry answered and refused, or answered
	// against the protocol.
	ErrRefused = errors.New("refused by the registry")
	// ErrInvalid says that content breaks a rule that nothing turns off.
	ErrInvalid = errors.New("invalid")
	// ErrCorrupt says that stored content is not what was stored.
	ErrCorrupt = errors.New("corrupt")
	// ErrUsage says that the request itself is wrong, whatever the world holds.
	ErrUsage = errors.New("usage")
)

// Fault is an error of one of the kinds above that names the thing that it is
// about. errors.Is finds the kind and the cause.
//
//nolint:errname // what callers switch on is the kind, so the type may have a short name
type Fault struct {
	Kind  error  // one of the Err values of this package
	Thing string // what it is about, as a user would name it
	Cause error  // what happened; may be nil
}

// Error reads "thing: cause", or "thing: kind" where there is no cause.
func (f *Fault) Error() string {
	cause := f.Cause
	if cause == nil {
		cause = f.Kind
	}
	if f.Thing == "" {
		return cause.Error()
	}
	return fmt.Sprintf("%s: %v", f.Thing, cause)
}

// Unwrap returns the kind and the cause.
func (f *Fault) Unwrap() []error {
	if f.Cause == nil {
		return []error{f.Kind}
	}
	return []error{f.Kind, f.Cause}
}

// Faultf returns a Fault whose cause is made from format and args as by
// fmt.Errorf.
func Faultf(kind error, thing, format string, args ...any) error {
	return &Fault{Kind: kind, Thing: thing, Cause: fmt.Errorf(format, args...)}
}
