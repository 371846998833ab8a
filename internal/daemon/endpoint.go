package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/cli/cli/config/configfile"
	dockercontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/store"
	"github.com/moby/moby/client"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

const (
	// defaultContext is the name of the context that is no context.
	defaultContext = "default"
	// dockerEndpoint is what a context calls where its daemon is.
	dockerEndpoint = "docker"
)

// endpoint is where a daemon is.
type endpoint struct {
	host   string
	chosen string      // what says that it is there
	tls    *tls.Config // nil for none
}

// thing names the daemon, and what says that it is there.
func (e endpoint) thing() string { return fmt.Sprintf("Docker daemon at %s (%s)", e.host, e.chosen) }

// findEndpoint finds the daemon as Docker's client does
// (https://docs.docker.com/engine/manage-resources/contexts/): DOCKER_HOST, then
// the context that DOCKER_CONTEXT names or the config file, then the system's
// socket.
func findEndpoint(env func(string) string) (endpoint, error) {
	if host := env("DOCKER_HOST"); host != "" {
		return plainEndpoint(env, host, "DOCKER_HOST")
	}
	context, chosen, err := contextName(env)
	if err != nil {
		return endpoint{}, err
	}
	if context != "" && context != defaultContext {
		return contextEndpoint(env, context, chosen)
	}
	return plainEndpoint(env, client.DefaultDockerHost, "the default")
}

// plainEndpoint is a daemon that no context describes.
func plainEndpoint(env func(string) string, host, chosen string) (endpoint, error) {
	e := endpoint{host: host, chosen: chosen}
	if err := e.check(); err != nil {
		return e, err
	}
	verify, dir := env("DOCKER_TLS_VERIFY") != "", env("DOCKER_CERT_PATH")
	https := strings.HasPrefix(host, "https://")
	if isSocket(host) || !https && !verify && env("DOCKER_TLS") == "" && dir == "" {
		return e, nil
	}
	if dir == "" {
		dir = configDir(env)
	}
	data, err := dockercontext.TLSDataFromFiles(existing(dir, "ca.pem"), existing(dir, "cert.pem"), existing(dir, "key.pem"))
	if err == nil {
		e.tls, err = tlsOf(data, !verify && !https)
	}
	if err != nil {
		return e, index.Faultf(index.ErrUsage, e.thing(), "its TLS files in %s: %w", dir, err)
	}
	return e, nil
}

// existing returns the path of a file of a folder, "" where there is none.
func existing(dir, name string) string {
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return path
}

// check refuses addresses that cannot be tried, and those with credentials in
// them, which are not repeated.
func (e endpoint) check() error {
	scheme, rest, _ := strings.Cut(e.host, "://")
	known := []string{"unix", "npipe", "tcp", "http", "https", "ssh"}
	if rest == "" || !slices.Contains(known, scheme) {
		return index.Faultf(index.ErrUsage, "Docker daemon", "its %s is no address as in unix:///var/run/docker.sock or tcp://HOST:PORT", e.chosen)
	}
	if isSocket(e.host) {
		return nil
	}
	u, err := url.Parse(e.host)
	if err != nil {
		return index.Faultf(index.ErrUsage, "Docker daemon", "its %s is no URL", e.chosen)
	}
	if _, secret := u.User.Password(); secret || u.User != nil && scheme != "ssh" {
		return index.Faultf(index.ErrUsage, "Docker daemon", "its %s has something like credentials in front of the host", e.chosen)
	}
	return nil
}

// isSocket reports whether a host is on this machine, where there is no TLS.
func isSocket(host string) bool {
	return strings.HasPrefix(host, "unix://") || strings.HasPrefix(host, "npipe://")
}

// configDir is the folder of Docker's client.
func configDir(env func(string) string) string {
	if dir := env("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home := env("HOME")
	if home == "" {
		home = env("USERPROFILE")
	}
	return filepath.Join(home, ".docker")
}

// contextName returns the context in use, and what says so.
func contextName(env func(string) string) (name, chosen string, err error) {
	if name := env("DOCKER_CONTEXT"); name != "" {
		return name, fmt.Sprintf("context %q of DOCKER_CONTEXT", name), nil
	}
	path := filepath.Join(configDir(env), "config.json")
	f, err := os.Open(path) //nolint:gosec // the path of a configuration file
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", index.Faultf(index.ErrUsage, "Docker's configuration", "%w", err)
	}
	config := configfile.New(path)
	if err := errors.Join(config.LoadFromReader(f), f.Close()); err != nil {
		return "", "", index.Faultf(index.ErrUsage, path, "it is no Docker configuration: %w", err)
	}
	return config.CurrentContext, fmt.Sprintf("current context %q of %s", config.CurrentContext, path), nil
}

// contextEndpoint reads a context from the folder of Docker's client.
func contextEndpoint(env func(string) string, name, chosen string) (endpoint, error) {
	thing := fmt.Sprintf("Docker context %q", name)
	dir := filepath.Join(configDir(env), "contexts")
	contexts := store.New(dir, store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(dockerEndpoint, func() any { return &dockercontext.EndpointMetaBase{} }),
	))
	metadata, err := contexts.GetMetadata(name)
	if errdefs.IsNotFound(err) {
		return endpoint{}, index.Faultf(index.ErrNotFound, thing, "it is not in %s; it is the %s", dir, chosen)
	}
	if err != nil {
		return endpoint{}, &index.Fault{Kind: index.ErrUsage, Thing: thing, Cause: err}
	}
	meta, ok := metadata.Endpoints[dockerEndpoint].(dockercontext.EndpointMetaBase)
	if !ok {
		return endpoint{}, index.Faultf(index.ErrUsage, thing, "it has no endpoint %q", dockerEndpoint)
	}
	e := endpoint{host: meta.Host, chosen: chosen}
	if err := e.check(); err != nil || isSocket(e.host) {
		return e, err
	}
	data, err := dockercontext.LoadTLSData(contexts, name, dockerEndpoint)
	if err == nil && (data != nil || meta.SkipTLSVerify) {
		e.tls, err = tlsOf(data, meta.SkipTLSVerify)
	}
	if err != nil {
		return endpoint{}, index.Faultf(index.ErrUsage, thing, "its TLS files: %w", err)
	}
	return e, nil
}

// tlsOf is how to speak TLS with a daemon: with the authority and the
// certificate of the client, where they are given.
func tlsOf(data *dockercontext.TLSData, skipVerify bool) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: skipVerify} //nolint:gosec // only where the user says so
	if data == nil {
		return config, nil
	}
	if data.CA != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data.CA) {
			return nil, errors.New("there is no certificate in ca.pem")
		}
	}
	if data.Cert == nil && data.Key == nil {
		return config, nil
	}
	pair, err := tls.X509KeyPair(data.Cert, data.Key)
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
