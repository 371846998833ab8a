package commands_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// actions are the ways to fail that scripts know, with the rows of faults that
// they are for.
func actions() map[string]testhelpers.Action {
	zeros := "sha256:" + strings.Repeat("0", 64)
	esc := `{"errors":[{"code":"DENIED","message":"\u001b[2J\u009b31m\u202e quota"}]}`
	return map[string]testhelpers.Action{
		"lie":     testhelpers.Lie(),                                                                                     // R12
		"digest":  testhelpers.Header("Docker-Content-Digest", zeros),                                                    // R13
		"alter":   testhelpers.Alter(),                                                                                   // R14
		"page":    testhelpers.Status(http.StatusOK, map[string]string{"Content-Type": "text/html"}, "<html>log in"),     // R15
		"500":     testhelpers.Status(http.StatusInternalServerError, nil, ""),                                           // R2
		"quota":   testhelpers.Status(http.StatusForbidden, map[string]string{"Content-Type": "application/json"}, esc),  // R17, R36
		"escapes": testhelpers.Status(http.StatusBadRequest, map[string]string{"Content-Type": "application/json"}, esc), // R36
		"html":    testhelpers.ContentType("text/html"),                                                                  // R10
	}
}

func cmdFault(ts *testscript.TestScript, _ bool, args []string) {
	do, ok := actions()[args[3]]
	if !ok {
		ts.Fatalf("fault: no action %q", args[3])
	}
	fault := testhelpers.Fault{Method: args[1], Match: args[2], Do: do}
	if len(args) > 4 {
		times, err := strconv.Atoi(args[4])
		ts.Check(err)
		fault.Times = times
	}
	registryOf(ts, args[0]).Inject(fault)
}

// cmdHub starts a registry that believes to be index.docker.io, and a proxy that
// takes everything there.
func cmdHub(ts *testscript.TestScript, _ bool, args []string) {
	reg := testhelpers.NewRegistry(tbOf(ts), testhelpers.WithBasicAuth(args[1], args[2]),
		testhelpers.WithTLS(func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "index.docker.io") }))
	registries(ts)[args[0]] = reg
	proxy := httptest.NewServer(&tunnel{to: reg.Host})
	ts.Defer(proxy.Close)
	for name, value := range map[string]string{
		args[0]: reg.Host, args[0] + "_CA": reg.CAFile(), "SSL_CERT_FILE": reg.CAFile(), "HTTPS_PROXY": proxy.URL, "NO_PROXY": "", "no_proxy": "",
	} {
		ts.Setenv(name, value)
	}
}

// tunnel is a proxy that takes those who ask for index.docker.io to one address,
// and refuses all others.
type tunnel struct{ to string }

func (p *tunnel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Host != "index.docker.io:443" {
		http.Error(w, "nothing else is to be asked for", http.StatusForbidden)
		return
	}
	there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", p.to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if _, err := io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	var both sync.WaitGroup
	pass := func(to net.Conn, from io.Reader) {
		_, err := io.Copy(to, from)
		if err = errors.Join(err, to.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
			return // the other end has left
		}
	}
	both.Go(func() { pass(there, buffered) })
	both.Go(func() { pass(here, there) })
	both.Wait()
}

// cmdUpstream leaves a list as upstream pack does: no blobs, an index.json that
// is the list itself, in a folder whose name is what was typed with some
// characters replaced.
func cmdUpstream(ts *testscript.TestScript, _ bool, args []string) {
	mediaType := types.OCIImageIndex
	if args[1] == "docker" {
		mediaType = types.DockerManifestList
	}
	list := v1.IndexManifest{SchemaVersion: 2, MediaType: mediaType}
	for _, word := range args[2:] {
		if key, text, ok := strings.Cut(word, "="); ok {
			last := &list.Manifests[len(list.Manifests)-1]
			last.Annotations = map[string]string{key: text}
			continue
		}
		list.Manifests = append(list.Manifests, descriptorOf(ts, word))
	}
	raw, err := json.MarshalIndent(list, "", "   ")
	ts.Check(err)
	dir := ts.MkAbs(filepath.Join(ts.Getenv("PACK_HOME"), "manifests", strings.NewReplacer(":", "-", "/", "_").Replace(args[0])))
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, "index.json"), raw, 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, "oci-layout"), []byte("{\n    \"imageLayoutVersion\": \"1.0.0\"\n}"), 0o755))
}

// descriptorOf describes an image of a registry as upstream does, with the
// platform of its config.
func descriptorOf(ts *testscript.TestScript, ref string) v1.Descriptor {
	reg := hostOf(ts, ref)
	_, rest, _ := strings.Cut(ref, "/")
	at := strings.LastIndexByte(rest, ':')
	raw, mediaType, ok := reg.Manifest(rest[:at], rest[at+1:])
	if !ok {
		ts.Fatalf("%s is not there", ref)
	}
	manifest, err := v1.ParseManifest(strings.NewReader(string(raw)))
	ts.Check(err)
	hash, size, err := v1.SHA256(strings.NewReader(string(raw)))
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/v2/%s/blobs/%s", reg.Host, rest[:at], manifest.Config.Digest), http.NoBody)
	ts.Check(err)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	ts.Check(err)
	config, err := v1.ParseConfigFile(resp.Body)
	ts.Check(errors.Join(err, resp.Body.Close()))
	return v1.Descriptor{
		MediaType: types.MediaType(mediaType), Size: size, Digest: hash,
		Platform: &v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant, OSVersion: config.OSVersion},
	}
}

// found returns what a reference in a registry of the script names.
func found(ts *testscript.TestScript, ref string) (reg *testhelpers.Registry, repository string, d v1.Descriptor, ok bool) {
	reg = hostOf(ts, ref)
	_, rest, _ := strings.Cut(ref, "/")
	repository, target, digest := strings.Cut(rest, "@")
	if !digest {
		at := strings.LastIndexByte(rest, ':')
		repository, target = rest[:at], rest[at+1:]
	}
	raw, mediaType, ok := reg.Manifest(repository, target)
	hash, size, err := v1.SHA256(strings.NewReader(string(raw)))
	ts.Check(err)
	return reg, repository, v1.Descriptor{MediaType: types.MediaType(mediaType), Size: size, Digest: hash}, ok
}

func cmdSign(ts *testscript.TestScript, _ bool, args []string) {
	tb := tbOf(ts)
	reg, repository, subject, ok := found(ts, args[0])
	if !ok {
		ts.Fatalf("%s is not there", args[0])
	}
	sbom := testhelpers.Artifact(tb, subject, "application/spdx+json", "what is in it")
	signature := testhelpers.Artifact(tb, testhelpers.Described(tb, sbom), "application/vnd.dev.sigstore.bundle.v0.3+json", "signed")
	for name, img := range map[string]v1.Image{"SBOM": sbom, "SIG": signature} {
		digest := testhelpers.Described(tb, img).Digest.String()
		reg.Push(tb, repository+"@"+digest, img)
		ts.Setenv(name, digest)
	}
	cosign := reg.Push(tb, repository+":sha256-"+subject.Digest.Hex+".sig", testhelpers.CosignSignature(tb, subject.Digest, "first"))
	ts.Setenv("COSIGN", cosign.String())
	ts.Setenv("HEX", subject.Digest.Hex)
}

func cmdHolds(ts *testscript.TestScript, neg bool, args []string) {
	want := !neg
	if _, _, _, ok := found(ts, args[0]); ok != want {
		ts.Fatalf("%s is there: %t", args[0], ok)
	}
}

func cmdArtifact(ts *testscript.TestScript, _ bool, args []string) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.MediaType(args[1]))
	_, rest, _ := strings.Cut(args[0], "/")
	hostOf(ts, args[0]).Push(tbOf(ts), rest, img)
}

func cmdDaemon(ts *testscript.TestScript, _ bool, args []string) {
	d := value[**testhelpers.Daemon](ts, daemonKey{})
	*d = testhelpers.NewDaemon(tbOf(ts), func(d *testhelpers.Daemon) { d.Lists = slices.Contains(args, "lists") })
	ts.Setenv("DOCKER_HOST", (*d).Host)
}

func cmdDocker(ts *testscript.TestScript, _ bool, args []string) {
	d := value[**testhelpers.Daemon](ts, daemonKey{})
	saved := testhelpers.Saved{Ref: args[0], Image: testhelpers.Buildpackage(tbOf(ts), spec(ts, args[1], args[2:]))}
	saved.In(tbOf(ts), *d)
	_, err := fmt.Fprint(ts.Stdout(), saved.ID(tbOf(ts)))
	ts.Check(err)
}

func cmdLoaded(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := (*value[**testhelpers.Daemon](ts, daemonKey{})).Loaded()
	if len(got) != want {
		ts.Fatalf("%d archives were loaded, want %d", len(got), want)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), got[want-1], 0o600))
}
