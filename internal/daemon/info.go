package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/moby/moby/client"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// info is what is used of what a daemon says of itself. The type that Docker's
// client has for it has all that a daemon can say: 30 kB of the program.
type info struct {
	OSType       string
	OSVersion    string
	Architecture string // of the machine, as uname calls it
	DriverStatus [][2]string
}

// info asks the daemon, which has answered before, about itself.
func (conn *connection) info(ctx context.Context) (i info, err error) {
	transport, base := conn.direct()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v"+conn.api.ClientVersion()+"/info", http.NoBody)
	if err != nil {
		return info{}, err
	}
	resp, err := (&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}).Do(req)
	switch {
	case ctx.Err() != nil:
		return info{}, fmt.Errorf("%s: %w", conn.thing(), context.Cause(ctx))
	case err != nil:
		return info{}, conn.unreachable(ctx, err)
	}
	conn.tell(resp)
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	switch resp.StatusCode {
	case http.StatusOK:
		if err := json.NewDecoder(io.LimitReader(resp.Body, index.MaxManifest)).Decode(&i); err != nil {
			return info{}, index.Faultf(index.ErrRefused, conn.thing(), "what it says of itself cannot be read: %w", err)
		}
		return i, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return info{}, index.Faultf(index.ErrDenied, conn.thing(), "it does not say what it is: %s", resp.Status)
	}
	return info{}, index.Faultf(index.ErrRefused, conn.thing(), "it does not say what it is: %s", resp.Status)
}

// direct is the way of Docker's client to the daemon, for one request.
func (conn *connection) direct() (transport *http.Transport, base string) {
	scheme, host, _ := strings.Cut(conn.host, "://")
	if isSocket(conn.host) || scheme == "ssh" {
		dial := conn.api.Dialer()
		return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx)
		}}, "http://docker"
	}
	scheme = "http"
	if conn.tls != nil {
		scheme = "https"
	}
	return &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment, TLSClientConfig: conn.tls.Clone()}, scheme + "://" + host
}
