package client

import (
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Transfers is what is about to be sent, or read to be saved: configs and
// layers.
type Transfers struct {
	Blobs int   // those that are mounted, too
	Bytes int64 // of those that are not
}

// Transfer is a blob on its way.
type Transfer struct {
	Digest v1.Hash
	Size   int64
	To     string       // the repository, or the path of the file or directory
	Entry  *index.Entry // the image that it is content of; nil where that is not known
	// Bytes is how far it is, from 0 to Size. It goes back where sending begins
	// anew.
	Bytes int64
	// Unplanned says that its bytes are not among those of Transfers: it was to be
	// mounted, and the registry would not.
	Unplanned bool
}

func sent(s index.Step, bytes int64) *Transfer {
	return &Transfer{
		Digest: s.Digest, Size: s.Size, To: s.To.Name(), Entry: s.Entry, Bytes: bytes, Unplanned: s.Kind == index.StepMount,
	}
}

// announced is what a plan has to send.
func announced(p index.Plan) Transfers {
	var t Transfers
	for _, s := range p.Steps {
		switch {
		case s.Skipped:
		case s.Kind == index.StepUpload:
			t.Blobs++
			t.Bytes += s.Size
		case s.Kind == index.StepMount:
			t.Blobs++
		}
	}
	return t
}

// moving tells the observer of transfers: one event at a time, wherever it comes
// from, and none after the end, since a request that was answered early may
// still read.
type moving struct {
	observe func(Event)

	mu   sync.Mutex
	over bool
}

func (c *Client) begin(t Transfers) *moving {
	c.observe(Event{Begin: &t})
	return &moving{observe: c.observe}
}

func (m *moving) tell(e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.over {
		m.observe(e)
	}
}

func (m *moving) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over = true
	m.observe(Event{End: true})
}

// beginSave announces the blobs that are saved at a path, but for manifests,
// which are small and at hand, and returns them so that they tell when they are
// read.
func (c *Client) beginSave(blobs []index.Blob, manifests []index.Manifest, path string) ([]index.Blob, *moving) {
	entries := map[v1.Hash]*index.Entry{}
	atHand := map[v1.Hash]bool{}
	contained(manifests, entries, atHand)
	var t Transfers
	for _, b := range blobs {
		if !atHand[b.Digest] {
			t.Blobs++
			t.Bytes += b.Size
		}
	}
	m := c.begin(t)
	watched := make([]index.Blob, len(blobs))
	for i, b := range blobs {
		watched[i] = b
		if !atHand[b.Digest] {
			watched[i].Open = m.opener(b, Transfer{Digest: b.Digest, Size: b.Size, To: path, Entry: entries[b.Digest]})
		}
	}
	return watched, m
}

// contained notes the digests of manifests, and of what blob belongs to which
// one first.
func contained(manifests []index.Manifest, entries map[v1.Hash]*index.Entry, atHand map[v1.Hash]bool) {
	for i, m := range manifests {
		atHand[m.Digest] = true
		contained(m.Children, entries, atHand)
		if m.MediaType.IsIndex() {
			continue
		}
		image, err := index.ParseImage(m.Raw, m.MediaType)
		if err != nil {
			continue // nothing is saved that could not be parsed when its blobs were collected
		}
		for _, d := range append([]v1.Descriptor{image.Config}, image.Layers...) {
			if entries[d.Digest] == nil {
				entries[d.Digest] = &manifests[i].Entry
			}
		}
	}
}

func (m *moving) opener(b index.Blob, t Transfer) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		m.tell(Event{Sent: &t}) // a registry may take its time
		rc, err := b.Open()
		if err != nil {
			return nil, err
		}
		return &read{ReadCloser: rc, moving: m, at: t}, nil
	}
}

// tellEvery is how many bytes are read before the observer hears of them.
const tellEvery = 64 << 10

// read tells how far it is.
type read struct {
	io.ReadCloser
	moving *moving
	at     Transfer
	told   int64
}

// Read implements io.Reader.
func (r *read) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.at.Bytes += int64(n)
	if r.at.Bytes-r.told >= tellEvery {
		r.told = r.at.Bytes
		at := r.at
		r.moving.tell(Event{Sent: &at})
	}
	return n, err
}

// Close implements io.Closer.
func (r *read) Close() error {
	if r.at.Bytes == r.at.Size {
		at := r.at
		r.moving.tell(Event{Saved: &at})
	}
	return r.ReadCloser.Close()
}
