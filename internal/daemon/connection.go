package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/cli/cli/connhelper"
	"github.com/moby/moby/client"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// connection is a daemon that can be asked.
type connection struct {
	endpoint
	api  *client.Client
	tell func(*http.Response) // of each answer
}

// open finds the daemon. It makes no connection.
func (c *Client) open() (*connection, error) {
	e, err := findEndpoint(c.opts.Env)
	if err != nil {
		return nil, err
	}
	options, err := e.transport()
	if err != nil {
		return nil, &index.Fault{Kind: index.ErrUsage, Thing: e.thing(), Cause: err}
	}
	tell := func(r *http.Response) {
		if c.opts.Log != nil {
			c.opts.Log(fmt.Sprintf("%s %s%s: %d", r.Request.Method, e.host, r.Request.URL.RequestURI(), r.StatusCode))
		}
	}
	options = append(options, client.WithAPIVersion(c.opts.Env("DOCKER_API_VERSION")), client.WithUserAgent(c.opts.UserAgent),
		client.WithHTTPResponseHook(tell))
	api, err := client.New(options...)
	if err != nil {
		return nil, &index.Fault{Kind: index.ErrUsage, Thing: e.thing(), Cause: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected = api
	return &connection{endpoint: e, api: api, tell: tell}, nil
}

// transport is how bytes come to the daemon: by ssh, where the host's own docker
// passes them on, or by a socket.
func (e endpoint) transport() ([]client.Opt, error) {
	helper, err := connhelper.GetConnectionHelper(e.host)
	if err != nil {
		return nil, err
	}
	if helper != nil {
		return []client.Opt{client.WithHost(helper.Host), client.WithDialContext(helper.Dialer)}, nil
	}
	if e.tls == nil {
		return []client.Opt{client.WithHost(e.host)}, nil
	}
	secured := &http.Client{Transport: &http.Transport{TLSClientConfig: e.tls}, CheckRedirect: client.CheckRedirect}
	return []client.Opt{client.WithHTTPClient(secured), client.WithHost(e.host)}, nil
}

// reach returns the daemon after it has answered once, so that what cannot be
// reached is told from what is not there.
func (c *Client) reach(ctx context.Context) (*connection, error) {
	conn, err := c.connect()
	if err != nil {
		return nil, err
	}
	if _, err := conn.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, conn.fault(ctx, conn.thing(), err)
	}
	return conn, nil
}

// fault gives an error of the Engine API its kind. thing is what was asked for.
func (conn *connection) fault(ctx context.Context, thing string, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", thing, context.Cause(ctx))
	case errdefs.IsPermissionDenied(err), errdefs.IsUnauthorized(err):
		return &index.Fault{Kind: index.ErrDenied, Thing: thing, Cause: said(err)}
	case errdefs.IsNotFound(err):
		return &index.Fault{Kind: index.ErrNotFound, Thing: thing, Cause: said(err)}
	case client.IsErrConnectionFailed(err):
		return conn.unreachable(ctx, err)
	}
	return &index.Fault{Kind: index.ErrRefused, Thing: thing, Cause: said(err)}
}

// unreachable says why there is no connection. The client of Docker hides the
// errors of sockets, so a socket is tried once more.
func (conn *connection) unreachable(ctx context.Context, err error) error {
	kind := index.ErrUnreachable
	if path, ok := strings.CutPrefix(conn.host, "unix://"); ok {
		socket, dialErr := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if dialErr == nil {
			dialErr = errors.Join(err, socket.Close())
		}
		err = dialErr
	}
	if errors.Is(err, fs.ErrPermission) {
		kind = index.ErrDenied
	}
	return &index.Fault{Kind: kind, Thing: conn.thing(), Cause: err}
}

// said is what the daemon said, without what its client says before it.
func said(err error) error {
	text, ok := strings.CutPrefix(err.Error(), "Error response from daemon: ")
	if !ok {
		return err
	}
	return &answer{text, err}
}

// answer is an error of the daemon in its own words.
type answer struct {
	text string
	error
}

func (a *answer) Error() string { return "the daemon says: " + a.text }

func (a *answer) Unwrap() error { return a.error }
