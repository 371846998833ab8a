package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// dockerHub is the name that Docker keeps the credentials for Docker Hub under.
const dockerHub = "https://index.docker.io/v1/"

// keychain finds credentials, the first that there are: CNB_REGISTRY_AUTH, then
// DOCKER_AUTH_CONFIG, then Docker's config file with its credential helpers, or
// where there is no such file, the one that Podman and its kin share
// (containers-auth.json(5)). Nothing is read before it is needed.
type keychain struct {
	env    func(string) string
	given  func() (map[string]authn.AuthConfig, error)
	inline func() (*configfile.ConfigFile, error)
	file   func() (*configfile.ConfigFile, error)

	mu      sync.Mutex
	helpers map[string]*memo[authn.AuthConfig] // by helper and server
}

func newKeychain(env func(string) string) *keychain {
	k := &keychain{env: env, helpers: map[string]*memo[authn.AuthConfig]{}}
	k.given = sync.OnceValues(func() (map[string]authn.AuthConfig, error) { return parseRegistryAuth(env("CNB_REGISTRY_AUTH")) })
	k.inline = sync.OnceValues(k.loadInline)
	k.file = sync.OnceValues(k.loadFile)
	return k
}

// resolve returns the credentials for a repository; none are authn.Anonymous.
func (k *keychain) resolve(ctx context.Context, repo name.Repository) (authn.Authenticator, error) {
	given, err := k.given()
	if err != nil {
		return nil, err
	}
	config, found := given[authKey(repo.RegistryStr())]
	for _, load := range []func() (*configfile.ConfigFile, error){k.inline, k.file} {
		if found {
			break
		}
		if config, found, err = k.lookUp(ctx, repo, load); err != nil {
			return nil, err
		}
	}
	if !found {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(config), nil
}

// authKey returns the one name for a registry whose names are many.
func authKey(host string) string {
	host = strings.TrimSuffix(host, "/")
	switch host {
	case "docker.io", name.DefaultRegistry, "https://docker.io", "https://" + name.DefaultRegistry, strings.TrimSuffix(dockerHub, "/"):
		return dockerHub
	}
	return host
}

// parseRegistryAuth reads the text of CNB_REGISTRY_AUTH: a JSON object of
// registry to the value of an Authorization header, with the schemes Basic,
// Bearer and X-Identity
// (https://github.com/buildpacks/spec/blob/main/platform.md#registry-authentication).
// What cannot be read is index.ErrUsage; the error never holds the text.
func parseRegistryAuth(text string) (map[string]authn.AuthConfig, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // a nil map is a map without keys
	}
	const thing = "CNB_REGISTRY_AUTH"
	var values map[string]string
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return nil, index.Faultf(index.ErrUsage, thing, "it is no JSON object of registries to Authorization headers")
	}
	configs := make(map[string]authn.AuthConfig, len(values))
	for host, value := range values {
		config, err := parseAuthorization(value)
		if err != nil {
			return nil, index.Faultf(index.ErrUsage, thing, "registry %q: %w", printable(host), err)
		}
		configs[authKey(host)] = config
	}
	return configs, nil
}

func parseAuthorization(value string) (authn.AuthConfig, error) {
	scheme, credentials, _ := strings.Cut(value, " ")
	credentials = strings.TrimSpace(credentials)
	if credentials == "" {
		return authn.AuthConfig{}, errors.New("its value has no credentials after the scheme")
	}
	switch strings.ToLower(scheme) {
	case "basic":
		raw, err := base64.StdEncoding.DecodeString(credentials)
		user, password, ok := strings.Cut(string(raw), ":")
		if err != nil || !ok || user == "" {
			return authn.AuthConfig{}, errors.New("its credentials are not base64 of user:password")
		}
		return authn.AuthConfig{Username: user, Password: password, Auth: credentials}, nil
	case "bearer":
		return authn.AuthConfig{RegistryToken: credentials}, nil
	case "x-identity":
		return authn.AuthConfig{IdentityToken: credentials}, nil
	}
	return authn.AuthConfig{}, errors.New("its scheme is none of Basic, Bearer, X-Identity")
}

// loadInline reads DOCKER_AUTH_CONFIG, the config file in a variable.
func (k *keychain) loadInline() (*configfile.ConfigFile, error) {
	text := k.env("DOCKER_AUTH_CONFIG")
	if text == "" {
		return nil, nil //nolint:nilnil // there is no such file, which is no error
	}
	config := configfile.New("")
	if err := config.LoadFromReader(strings.NewReader(text)); err != nil {
		return nil, index.Faultf(index.ErrUsage, "DOCKER_AUTH_CONFIG", "it is no Docker configuration")
	}
	return config, nil
}

// loadFile reads the first config file that there is.
func (k *keychain) loadFile() (*configfile.ConfigFile, error) {
	for _, path := range k.files() {
		file, err := os.Open(path) //nolint:gosec // the paths of configuration files
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
		config := configfile.New(path)
		err = errors.Join(config.LoadFromReader(file), file.Close())
		if err != nil {
			return nil, index.Faultf(index.ErrUsage, path, "it is no Docker configuration: %w", err)
		}
		return config, nil
	}
	return nil, nil //nolint:nilnil // there is no such file, which is no error
}

func (k *keychain) files() []string {
	var paths []string
	add := func(root string, rest ...string) {
		if root != "" {
			paths = append(paths, filepath.Join(append([]string{root}, rest...)...))
		}
	}
	home := k.env("HOME")
	if home == "" {
		home = k.env("USERPROFILE")
	}
	if dir := k.env("DOCKER_CONFIG"); dir != "" {
		add(dir, "config.json")
	} else {
		add(home, ".docker", "config.json")
	}
	add(k.env("REGISTRY_AUTH_FILE"))
	add(k.env("XDG_RUNTIME_DIR"), "containers", "auth.json")
	if dir := k.env("XDG_CONFIG_HOME"); dir != "" {
		add(dir, "containers", "auth.json")
	} else {
		add(home, ".config", "containers", "auth.json")
	}
	return paths
}

// lookUp finds the credentials for a repository in a config file: in the helper
// that it names for the registry or for all, else under the narrowest name that
// fits, from the repository up to the registry.
func (k *keychain) lookUp(
	ctx context.Context, repo name.Repository, load func() (*configfile.ConfigFile, error),
) (authn.AuthConfig, bool, error) {
	file, err := load()
	if err != nil || file == nil {
		return authn.AuthConfig{}, false, err
	}
	server := authKey(repo.RegistryStr())
	helper, ok := file.CredentialHelpers[server]
	if !ok {
		helper, ok = file.CredentialHelpers[repo.RegistryStr()]
	}
	if !ok {
		helper = file.CredentialsStore
	}
	if helper != "" {
		config, err := k.ask(ctx, helper, server)
		return config, config != authn.AuthConfig{}, err
	}
	config, ok := inFile(file, repo)
	return config, ok, nil
}

func inFile(file *configfile.ConfigFile, repo name.Repository) (authn.AuthConfig, bool) {
	for at := repo.Name(); at != repo.RegistryStr(); at = at[:strings.LastIndexByte(at, '/')] {
		if config, ok := usable(file.AuthConfigs[at]); ok {
			return config, true
		}
	}
	server := authKey(repo.RegistryStr())
	if config, ok := usable(file.AuthConfigs[server]); ok {
		return config, true
	}
	for _, key := range slices.Sorted(maps.Keys(file.AuthConfigs)) {
		if config, ok := usable(file.AuthConfigs[key]); ok && serverOf(key) == server {
			return config, true
		}
	}
	return authn.AuthConfig{}, false
}

// serverOf returns the registry that an old key, a URL of its API, stands for.
func serverOf(key string) string {
	_, host, ok := strings.Cut(key, "://")
	if !ok {
		host = key
	}
	host = strings.TrimSuffix(host, "/")
	return authKey(strings.TrimSuffix(strings.TrimSuffix(host, "/v1"), "/v2"))
}

func usable(found types.AuthConfig) (authn.AuthConfig, bool) {
	config := authn.AuthConfig{
		Username: found.Username, Password: found.Password, Auth: found.Auth,
		IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken,
	}
	return config, config != authn.AuthConfig{}
}

// ask asks a helper, once for each server.
func (k *keychain) ask(ctx context.Context, helper, server string) (authn.AuthConfig, error) {
	k.mu.Lock()
	key := helper + " " + server
	m, ok := k.helpers[key]
	if !ok {
		m = newMemo[authn.AuthConfig]()
		k.helpers[key] = m
	}
	k.mu.Unlock()
	return m.get(ctx, func(ctx context.Context) (authn.AuthConfig, error) {
		config, err := askHelper(ctx, helper, server)
		if err != nil && ctx.Err() == nil {
			err = &index.Fault{Kind: index.ErrDenied, Thing: "credentials for " + server, Cause: err}
		}
		return config, err
	})
}
