package client_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// daemon gives the lab a Docker daemon.
func (l *lab) daemon() *testhelpers.Daemon {
	l.t.Helper()
	d := testhelpers.NewDaemon(l.t)
	l.env["DOCKER_HOST"] = d.Host
	return d
}

// The ways to name an image of a daemon, and what the daemon is asked for.
func TestReferencesOfTheDaemon(t *testing.T) {
	t.Parallel()
	img := pack(t, "linux/arm64")
	saved := testhelpers.Saved{Ref: "x", Image: img}
	id := saved.ID(t)
	digest := "@sha256:" + strings.Repeat("a", 64)
	for source, asked := range map[string]string{
		"acme/bp": "acme/bp:latest", "acme/bp:1": "acme/bp:1", id: id, "acme/bp" + digest: "acme/bp" + digest, "acme/bp:1" + digest: "acme/bp:1" + digest,
		"localhost:5000/bp": "localhost:5000/bp:latest", "bp": "bp:latest", "latest": "latest:latest",
	} {
		l := newLab(t)
		d := l.daemon()
		d.Hold(asked, testhelpers.DaemonImage{ID: id, Saved: saved.Bytes(t)})
		result, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/list:1"), Sources: []string{"docker-daemon:" + source}})
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		e := result.Index.Entries()[0]
		want := index.Origin{Kind: index.SourceDaemon, Ref: "docker-daemon:" + source, Pin: e.Digest}
		if e.Origin != want || e.PlatformString() != "linux/arm64" {
			t.Errorf("entry for %s of %+v, want %+v", e.PlatformString(), e.Origin, want)
		}
		if n := len(l.reg.Requests()); n > 0 {
			t.Errorf("%d requests", n)
		}
	}
}

// manifestJSON reads what was loaded into a daemon.
func manifestJSON(t *testing.T, archive []byte) (repoTags, layers []string) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if err != nil {
			t.Fatalf("no manifest.json: %v", err)
		}
		if header.Name != "manifest.json" {
			continue
		}
		var items []struct{ RepoTags, Layers []string }
		raw, err := io.ReadAll(r)
		if err = errors.Join(err, json.Unmarshal(raw, &items)); err != nil || len(items) != 1 {
			t.Fatalf("%v in %s", err, raw)
		}
		return items[0].RepoTags, items[0].Layers
	}
}

// Docker has its own name for Docker Hub.
func TestLoadedUnderDockersName(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.daemon()
	l.image("acme/arm:1", "linux/arm64")
	l.image("acme/amd:1", "linux/amd64")
	_, err := l.Create(t.Context(), client.CreateRequest{Name: "bp:1", Sources: []string{l.at("acme/arm:1"), l.at("acme/amd:1")}})
	if err != nil {
		t.Fatal(err)
	}
	result, err := l.Save(t.Context(), client.SaveRequest{Reference: "bp:1", Docker: true})
	if err != nil {
		t.Fatal(err)
	}
	if result.Loaded == nil || result.Loaded.PlatformString() != "linux/amd64" || len(result.LeftOut) != 1 || result.LeftOut[0].PlatformString() != "linux/arm64" {
		t.Errorf("loaded %v, left out %v", result.Loaded, result.LeftOut)
	}
	if !strings.HasSuffix(result.Reference, result.Loaded.Digest.String()) {
		t.Errorf("reference %s, want %s", result.Reference, result.Loaded.Digest)
	}
	tags, _ := manifestJSON(t, d.Loaded()[0])
	if !slices.Equal(tags, []string{"docker.io/library/bp:1"}) {
		t.Errorf("loaded as %q", tags)
	}
	d = l.daemon()
	d.Lists = true
	if _, err := l.open().Save(t.Context(), client.SaveRequest{Reference: "bp:1", Docker: true}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(d.Loaded()[0], []byte(`"io.containerd.image.name": "docker.io/library/bp:1"`)) {
		t.Error("containerd's name is missing")
	}
}

// What a daemon could not make an image of is refused before it gets a byte.
func TestWhatADaemonCannotLoad(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.daemon()
	base := static.NewLayer([]byte("base"), types.DockerForeignLayer)
	foreign, err := mutate.Append(pack(t, "linux/amd64"), mutate.Addendum{Layer: base, MediaType: types.DockerForeignLayer, URLs: []string{"https://example.com/base"}})
	if err != nil {
		t.Fatal(err)
	}
	l.reg.Push(t, "acme/foreign:1", foreign)
	l.reg.Push(t, "acme/artifact:1", mutate.ConfigMediaType(mutate.MediaType(pack(t, "linux/amd64"), types.OCIManifestSchema1), "application/vnd.acme.config"))
	for ref, says := range map[string]string{"acme/foreign:1": "where their URLs say", "acme/artifact:1": "application/vnd.acme.config"} {
		_, err := l.Save(t.Context(), client.SaveRequest{Reference: l.at(ref), Docker: true})
		wantKind(t, err, index.ErrInvalid, says)
	}
	if n := len(d.Loaded()); n > 0 {
		t.Errorf("%d archives were loaded", n)
	}
}

// A list in a list is looked into, as docker pull does.
func TestLoadOfANestedList(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.daemon()
	inner := testhelpers.List(t, pack(t, "linux/amd64", "oci"), pack(t, "linux/arm64", "oci"))
	outer := mutate.AppendManifests(testhelpers.List(t), mutate.IndexAddendum{Add: inner, Descriptor: v1.Descriptor{
		Platform: &v1.Platform{OS: "linux", Architecture: "amd64"},
	}})
	l.reg.PushIndex(t, "acme/nested:1", outer)
	result, err := l.Save(t.Context(), client.SaveRequest{Reference: l.at("acme/nested:1"), Docker: true})
	if err != nil {
		t.Fatal(err)
	}
	if result.Loaded.PlatformString() != "linux/amd64" || len(result.LeftOut) != 1 || len(d.Loaded()) != 1 {
		t.Errorf("loaded %s, left out %v", result.Loaded.PlatformString(), result.LeftOut)
	}
}
