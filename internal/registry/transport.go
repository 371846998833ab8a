package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
)

// newTransport builds the one transport of a client. Nothing else opens
// connections to registries.
func newTransport(opts Options, named *hostSet) *http.Transport {
	dial := &dialer{opts: opts, named: named}
	return &http.Transport{
		Proxy:               dial.proxy,
		DialContext:         dial.dial,
		TLSHandshakeTimeout: opts.Timeouts.TLS,
		// A connection without progress is closed, and one that nobody uses makes
		// none: let go of it before that happens.
		IdleConnTimeout:     opts.Timeouts.Idle * 2 / 3,
		MaxIdleConns:        4 * opts.Jobs,
		MaxIdleConnsPerHost: opts.Jobs,
		ForceAttemptHTTP2:   true,
		// Blobs must come as they are: their digests are of the bytes sent.
		DisableCompression: true,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            opts.RootCAs,
			InsecureSkipVerify: opts.Insecure, //nolint:gosec // what Options.Insecure asks for
		},
	}
}

// dialer opens connections, watches their progress, and refuses addresses that
// no registry has any business with.
type dialer struct {
	opts  Options
	named *hostSet
}

// proxy is Options.Proxy. A proxy's address was named by the user, as a
// registry's is.
func (d *dialer) proxy(req *http.Request) (*url.URL, error) {
	u, err := d.opts.Proxy(req)
	if u != nil {
		d.named.add(u.Host)
	}
	return u, err
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	// The check comes after the name is resolved, so that no name leads around it.
	nd := &net.Dialer{Timeout: d.opts.Timeouts.Dial, ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
		return d.check(resolved)
	}}
	conn, err := nd.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return watch(conn, d.opts.Timeouts.Idle), nil
}

var errLinkLocal = errors.New("link-local addresses are for a machine's own services, not for registries")

// check refuses link-local addresses, where clouds keep the credentials of
// machines, unless the user typed the very address.
func (d *dialer) check(resolved string) error {
	at, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return fmt.Errorf("address %q: %w", resolved, err)
	}
	ip := at.Addr().Unmap().WithZone("")
	metadata := ip == netip.AddrFrom16([16]byte{0xfd, 0x00, 0x0e, 0xc2, 14: 0x02, 15: 0x54})
	if !ip.IsLinkLocalUnicast() && !ip.IsLinkLocalMulticast() && !metadata {
		return nil
	}
	if d.named.has(ip) {
		return nil
	}
	return fmt.Errorf("%w: %s", errLinkLocal, ip)
}

// hostSet is a set of addresses that the user named. Names do not matter to it.
type hostSet struct {
	mu  sync.Mutex
	ips map[netip.Addr]bool
}

func newHostSet() *hostSet { return &hostSet{ips: map[netip.Addr]bool{}} }

func (h *hostSet) add(host string) {
	ip, err := netip.ParseAddr(hostname(host))
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ips[ip.Unmap().WithZone("")] = true
}

func (h *hostSet) has(ip netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ips[ip]
}

// hostname returns a host without its port and brackets.
func hostname(host string) string { return (&url.URL{Host: host}).Hostname() }

// isLoopback reports whether a host, with or without a port, is this machine by
// its very name: localhost, what ends in .localhost (RFC 6761, section 6.3),
// 127.0.0.0/8 and ::1.
func isLoopback(host string) bool {
	h := strings.ToLower(hostname(host))
	if h == "localhost" || strings.HasSuffix(h, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(h)
	return err == nil && ip.Unmap().IsLoopback()
}
