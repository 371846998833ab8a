package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// basic is the text of CNB_REGISTRY_AUTH for the user u of one registry.
func basic(host, password string) string {
	return authOf(host, "Basic "+base64.StdEncoding.EncodeToString([]byte("u:"+password)))
}

func authOf(host, value string) string {
	raw, err := json.Marshal(map[string]string{host: value})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// dockerConfig writes a Docker configuration and returns its directory.
func dockerConfig(t *testing.T, config map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	raw, err := json.Marshal(config)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// local is an image as a file holds it: opened tells how often each layer was.
func local(t *testing.T, img v1.Image) (m index.Manifest, opened func() map[v1.Hash]int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	m.Raw, err = img.RawManifest()
	must(err)
	m.RawConfig, err = img.RawConfigFile()
	must(err)
	m.Config, err = img.ConfigFile()
	must(err)
	m.MediaType, err = img.MediaType()
	must(err)
	m.Digest, m.Size, m.Platform = index.DigestOf(m.Raw), int64(len(m.Raw)), index.ConfigPlatform(m.Config)
	m.Origin = index.Origin{Kind: index.SourceArchive, Ref: "bp.cnb", Pin: m.Digest}

	var mu sync.Mutex
	count := map[v1.Hash]int{}
	layers, err := img.Layers()
	must(err)
	for _, l := range layers {
		digest, err := l.Digest()
		must(err)
		size, err := l.Size()
		must(err)
		m.Layers = append(m.Layers, index.Blob{Digest: digest, Size: size, Open: func() (io.ReadCloser, error) {
			mu.Lock()
			count[digest]++
			mu.Unlock()
			return l.Compressed()
		}})
	}
	return m, func() map[v1.Hash]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(count)
	}
}

// changed is a blob's Open that returns other bytes than it should.
func changed(b index.Blob, change func([]byte) []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		rc, err := b.Open()
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(rc)
		if err = errors.Join(err, rc.Close()); err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(change(raw))), nil
	}
}

// layers returns the digests of an image's layers.
func layers(t *testing.T, m index.Manifest) []v1.Hash {
	t.Helper()
	manifest, err := index.ParseImage(m.Raw, m.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	var digests []v1.Hash
	for _, l := range manifest.Layers {
		digests = append(digests, l.Digest)
	}
	return digests
}

// proxyTo passes requests on as they are.
func proxyTo(target *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Transport: &http.Transport{DisableKeepAlives: true},
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
}

// remove deletes something from a registry by its path.
func remove(t *testing.T, reg *testhelpers.Registry, path string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+reg.Host+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err == nil {
		err = resp.Body.Close()
	}
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("delete %s: %v", path, err)
	}
}

// kept waits until a registry behind another has so many bytes of the upload
// that was cut last: it learns of the end of a connection when it does.
type kept struct {
	reg  *testhelpers.Registry
	host string
	want int64
}

func (k *kept) wait(ctx context.Context, _ time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	requests := k.reg.Requests()
	last := requests[slices.IndexFunc(requests, func(r testhelpers.Request) bool { return r.BytesIn >= k.want })]
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+k.host+last.Path+"?"+last.RawQuery, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if resp.Header.Get("Range") == "0-"+strconv.FormatInt(k.want-1, 10) {
			return nil
		}
	}
	return ctx.Err()
}
