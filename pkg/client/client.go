// Package client has the use cases of pack manifest, one file a verb: make a
// list, change it, look at it, publish it. Each verb takes one request and
// returns one result; it reads everything before it writes anything, and what
// it reports on the way are [Event] values. The package prints nothing, knows
// no flags and reads no environment.
//
// It declares the ports that it needs ([Store], [Source], [Registry], [Blobs],
// [Writer], [Daemon]); wire.go
// fills them with the packages that do I/O.
package client

import (
	"context"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Source resolves what a user typed to what it means, in order: images, and
// lists with what they refer to as Children. It reads manifests and
// configs, never layers. Errors are of the kinds ErrNotFound, ErrDenied,
// ErrUnreachable, ErrRefused and ErrInvalid.
type Source interface {
	Resolve(ctx context.Context, ref string) ([]index.Manifest, error)
}

// Store keeps lists. Readers see the state before or after an update, never one
// between.
type Store interface {
	// Get returns a list with the origins of its entries. Errors are of the
	// kinds ErrNotFound and ErrCorrupt.
	Get(ctx context.Context, n index.Name) (index.Index, error)
	// Update replaces a list by what edit makes of it, as one step: edit gets
	// nil where there is no list, is pure, and may run more than once. content
	// is what new entries need and is kept with the list.
	Update(ctx context.Context, n index.Name, content []index.Blob, edit func(old *index.Index) (index.Index, error)) error
	// Delete deletes a list, a corrupt one too. ErrNotFound where there is none.
	Delete(ctx context.Context, n index.Name) error
	// List names all lists, corrupt ones too, sorted.
	List(ctx context.Context) ([]index.Name, error)
	// Blob returns content that is kept with a list. ErrNotFound where it is not.
	Blob(ctx context.Context, n index.Name, digest v1.Hash) (index.Blob, error)
}

// Registry reads from registries and carries out plans on them.
type Registry interface {
	Source
	// Fetch returns the bytes that a reference names.
	Fetch(ctx context.Context, ref string) (index.Document, error)
	// WillPublish announces, before anything is asked, where the command is
	// going to write and which repositories it is going to read.
	WillPublish(to name.Repository, from []name.Repository)
	// Plan finds out what publishing has to do. It only reads.
	Plan(ctx context.Context, p index.Publication) (index.Plan, error)
	// Run carries out a plan and tells watch on the way. An error that stops it
	// is an *index.Unfinished.
	Run(ctx context.Context, p index.Plan, watch index.Watch) error
}

// Event is something that happened on the way. One field is set, and Rejected
// beside Finding.
type Event struct {
	Finding  *index.Finding // a rule found something that stops nothing
	Rejected bool           // other findings stop what was to be done
	Step     *index.Step    // a step of publishing is done

	Begin *Transfers // blobs are about to be sent, or read to be saved
	Sent  *Transfer  // one of them is on its way
	Saved *Transfer  // one of them was read to its end, and is saved
	End   bool       // no further Sent and Saved come, whatever the outcome is

	Converted *index.Manifest // an image was converted; see its Converted

	Taken *Taken // a list that is the only source stays what it is

	Lost   *index.Lost // a list was taken apart that something refers to
	Unkept *index.Lost // something in a file refers to an image, and is not kept with it

	Planned *index.Step // a dry run would do this, or would skip it
	Unasked error       // a dry run could not ask the registry what it has, and plans as if that were nothing
}

// Client carries out the verbs. Make it with [New]; its zero value has no ports.
type Client struct {
	store    Store
	registry Registry
	archives Source
	layouts  Source
	daemon   Daemon
	blobs    Blobs
	writer   Writer
	rulebook Rulebook
	describe Describer
	jobs     int
	observe  func(Event)
}

// Option sets what New makes a client of.
type Option func(*Client)

// WithStore sets where lists are kept.
func WithStore(s Store) Option { return func(c *Client) { c.store = s } }

// WithRegistry sets how registries are read and written.
func WithRegistry(r Registry) Option { return func(c *Client) { c.registry = r } }

// WithArchives sets how files are read that are named by their path.
func WithArchives(s Source) Option { return func(c *Client) { c.archives = s } }

// WithLayouts sets how oci:DIR[:NAME] and oci-archive:FILE[:NAME] are read.
func WithLayouts(s Source) Option { return func(c *Client) { c.layouts = s } }

// WithDaemon sets which Docker daemon is read and loaded into.
func WithDaemon(d Daemon) Option { return func(c *Client) { c.daemon = d } }

// WithBlobs sets how single blobs of registries are read.
func WithBlobs(b Blobs) Option { return func(c *Client) { c.blobs = b } }

// WithWriter sets how lists are written into files.
func WithWriter(w Writer) Option { return func(c *Client) { c.writer = w } }

// WithJobs sets how many sources are resolved at once; 24 by default.
func WithJobs(n int) Option { return func(c *Client) { c.jobs = max(n, 1) } }

// WithObserver sets who is told of events. Calls come one at a time.
func WithObserver(observe func(Event)) Option { return func(c *Client) { c.observe = observe } }

// DefaultJobs is how many requests are in flight at most where nobody says.
const DefaultJobs = 24

// New returns a client. It does no I/O.
func New(options ...Option) *Client {
	c := &Client{jobs: DefaultJobs, observe: func(Event) {}}
	for _, o := range options {
		o(c)
	}
	return c
}
