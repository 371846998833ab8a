package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/moby/moby/client"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// maxSaved bounds the temporary file of an image where Options do not, in
// bytes. Images for Windows have some tens of GiB.
const maxSaved = 256 << 30

// Options are what a Client depends on. The zero value is a client for the
// daemon of the system.
type Options struct {
	// Env answers for the environment variables by which the daemon is found;
	// nil means that none is set. They are DOCKER_HOST, DOCKER_CONTEXT,
	// DOCKER_CONFIG, DOCKER_TLS_VERIFY, DOCKER_TLS, DOCKER_CERT_PATH,
	// DOCKER_API_VERSION and HOME (USERPROFILE).
	Env func(name string) string
	// Temp is the folder for temporary files, each of the size of an image;
	// empty means the system's.
	Temp string
	// MaxSaved is how many bytes a daemon may send for an image; 0 means 256 GiB.
	MaxSaved int64
	// UserAgent is what the client calls itself.
	UserAgent string
	// Log is told of each request after its answer, a line, maybe from several
	// goroutines; nil means that nobody is.
	Log func(request string)
	// Layout reads what is complete of an OCI layout in a tar file, as daemons
	// with containerd's store send it; nil means that such are refused.
	Layout func(ctx context.Context, path string) ([]index.Manifest, error)
}

// Client speaks with one Docker daemon. It is safe for concurrent use. Make it
// with [New], end it with [Client.Close].
type Client struct {
	opts    Options
	connect func() (*connection, error)
	zippers *sync.Pool // of *gzip.Writer

	mu        sync.Mutex
	connected *client.Client
	files     []string // temporary files
}

// New returns a client. It does nothing yet: neither a file is read nor a
// connection made before they are needed.
func New(opts Options) *Client {
	if opts.Env == nil {
		opts.Env = func(string) string { return "" }
	}
	if opts.MaxSaved == 0 {
		opts.MaxSaved = maxSaved
	}
	c := &Client{opts: opts, zippers: newZippers()}
	c.connect = sync.OnceValues(c.open)
	return c
}

// Close ends the connection and deletes the temporary files; layers cannot be
// read any more then. It may be called twice.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var faults []error
	if c.connected != nil {
		faults = append(faults, c.connected.Close())
	}
	for _, file := range c.files {
		faults = append(faults, remove(file))
	}
	c.files = nil
	return errors.Join(faults...)
}

// remove deletes a file that may be gone.
func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// temporary makes a file that lives until Close, for the user's eyes only.
func (c *Client) temporary() (*os.File, error) {
	f, err := os.CreateTemp(c.opts.Temp, "docker-save-*.tar")
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = append(c.files, f.Name())
	return f, nil
}
