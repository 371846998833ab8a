//go:build acceptance

package acceptance_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

const (
	user     = "robot"
	password = "open-sesame"
)

// login writes a Docker configuration with the user's password for a host.
func login(tb testing.TB, h *home, host, password string) {
	tb.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	h.write(tb, "docker/config.json", fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, auth))
}

// TestInteropBasicAuth: the real registries with passwords of their own.
func TestInteropBasicAuth(t *testing.T) {
	t.Parallel()
	crane := testhelpers.Tool(t, "crane")
	for name, start := range registries() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, h := start(t, testhelpers.WithHtpasswd(user, password)), newHome(t)
			var refs []string
			for i, c := range children()[:2] {
				ref := host + "/acme/bp:" + c.arch
				push(t, ref, source{oci: true}.image(t, i, c), remote.WithAuth(&authn.Basic{Username: user, Password: password}))
				refs = append(refs, ref)
			}
			publish := func(name string) []string {
				return slices.Concat([]string{"create", host + name, "--publish", "--format", "oci"}, refs)
			}
			h.fails(t, 4, publish("/acme/bp:1")...)
			login(t, h, host, "wrong")
			h.fails(t, 4, publish("/acme/bp:1")...)
			login(t, h, host, password)
			digest := digestIn(t, h.manifest(t, publish("/acme/bp:1")...))
			if got := h.ok(t, crane, "digest", host+"/acme/bp:1"); got != digest.String() {
				t.Errorf("crane says %s, we said %s", got, digest)
			}
			h.ok(t, crane, "validate", "--remote", host+"/acme/bp:1")
			// Another repository: blobs are mounted, manifests put.
			digestIn(t, h.manifest(t, publish("/acme/other:1")...))
			h.ok(t, crane, "validate", "--remote", host+"/acme/other:1")
			if code := h.fails(t, 5, "inspect", host+"/acme/bp:absent"); strings.Contains(code.stderr, password) {
				t.Errorf("the password is in\n%s", code.stderr)
			}
		})
	}
}

// TestInteropBearer: tokens in front of a real registry, with the password in
// the configuration and with a program that gives it.
func TestInteropBearer(t *testing.T) {
	t.Parallel()
	crane := testhelpers.Tool(t, "crane")
	for name, prepare := range map[string]func(*testing.T, *home, string) *home{
		"auths": func(t *testing.T, h *home, host string) *home {
			t.Helper()
			login(t, h, host, password)
			return h
		},
		"credHelpers": func(t *testing.T, h *home, host string) *home {
			t.Helper()
			return helperFor(t, h, fmt.Sprintf(`{"credHelpers": {%q: "x"}}`, host))
		},
		"credsStore": func(t *testing.T, h *home, _ string) *home {
			t.Helper()
			return helperFor(t, h, `{"credsStore": "x"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := testhelpers.StartDistribution(t)
			reg := testhelpers.NewRegistry(t, testhelpers.WithBearer(user, password), testhelpers.WithUpstream("http://"+upstream))
			anonymous := newHome(t)
			h := prepare(t, newHome(t), reg.Host)
			create := []string{"create", reg.Host + "/acme/list:1", "--publish", "--format", "oci"}
			for i, c := range children() {
				ref := "/acme/bp:" + c.arch + c.os
				push(t, upstream+ref, source{oci: true}.image(t, i, c))
				create = append(create, reg.Host+ref)
			}
			anonymous.fails(t, 4, create...)
			if _, ok := getManifest(t, upstream, "acme/list", "1"); ok {
				t.Error("a list was published without a password")
			}
			digest := digestIn(t, h.manifest(t, create...))
			raw, _ := getManifest(t, upstream, "acme/list", "1")
			if got := sha256Of(t, raw); got != digest {
				t.Errorf("the registry has %s, we printed %s", got, digest)
			}
			h.ok(t, crane, "validate", "--remote", reg.Host+"/acme/list:1")
			if asked := h.path("asked"); strings.HasPrefix(name, "cred") && !slices.Contains(
				strings.Fields(readFile(t, asked)), reg.Host) {
				t.Errorf("the helper was asked for %q, want %s", readFile(t, asked), reg.Host)
			}
		})
	}
}

// helperFor puts a credential helper called "x" on the PATH, which notes what it
// is asked for.
func helperFor(t *testing.T, h *home, config string) *home {
	t.Helper()
	h.write(t, "docker/config.json", config)
	script := fmt.Sprintf(`#!/bin/sh
test "$1" = get || exit 1
read -r server
echo "$server" >>%q
printf '{"ServerURL": "%%s", "Username": %q, "Secret": %q}' "$server"
`, h.path("asked"), user, password)
	file := h.write(t, "bin/docker-credential-x", script)
	if err := os.Chmod(file, 0o700); err != nil {
		t.Fatal(err)
	}
	return h.with("PATH=" + h.path("bin") + string(os.PathListSeparator) + os.Getenv("PATH"))
}
