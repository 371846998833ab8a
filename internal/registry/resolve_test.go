package registry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestResolveImage: one image, by tag and by digest, with all that is known of it.
func TestResolveImage(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{Platform: v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}})
	digest := reg.Push(t, "a/bp:1", img)
	manifest, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{reg.Host + "/a/bp:1", reg.Host + "/a/bp@" + digest.String()} {
		ms := resolve(t, newClient(t), ref)
		if len(ms) != 1 {
			t.Fatalf("%d manifests", len(ms))
		}
		m := ms[0]
		want := v1.Descriptor{
			MediaType: types.DockerManifestSchema2, Size: int64(len(manifest)), Digest: digest,
			Platform: &v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"},
		}
		if got := m.Descriptor; fmt.Sprint(got) != fmt.Sprint(want) || !got.Platform.Equals(*want.Platform) {
			t.Errorf("descriptor %+v, want %+v", got, want)
		}
		if want := (index.Origin{Kind: index.SourceRegistry, Ref: ref, Repository: reg.Host + "/a/bp", Pin: digest}); m.Origin != want {
			t.Errorf("origin %+v, want %+v", m.Origin, want)
		}
		if string(m.Raw) != string(manifest) || string(m.RawConfig) != string(config) {
			t.Errorf("manifest %s and config %s", m.Raw, m.RawConfig)
		}
		if m.Config.Config.Labels[testhelpers.PackageLabel] == "" {
			t.Errorf("config %+v", m.Config)
		}
	}
}

// TestResolveList: B8, B9: all images of a list, in order, as the list has
// them; attestations stay, and their configs are not asked for.
func TestResolveList(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	windows := testhelpers.Buildpackage(t, testhelpers.PackageSpec{Platform: v1.Platform{OS: "windows", Architecture: "amd64"}})
	ix := testhelpers.Attested(t, image(t, 1), windows)
	digest := reg.PushIndex(t, "a/bp:1", ix)
	ms := resolve(t, newClient(t), reg.Host+"/a/bp:1")
	want, err := ix.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range want.Manifests {
		if got := fmt.Sprintf("%+v %v", ms[i].Descriptor, ms[i].PlatformString()); got != fmt.Sprintf("%+v %v", withPlatform(d, ms[i]), index.FormatPlatform(*d.Platform)) {
			t.Errorf("entry %d is %s, want %+v", i, got, d)
		}
		if ms[i].Origin.Pin != digest || ms[i].Origin.Ref != reg.Host+"/a/bp:1" || index.DigestOf(ms[i].Raw) != d.Digest {
			t.Errorf("entry %d comes from %+v", i, ms[i].Origin)
		}
		if attested := i >= 2; ms[i].IsAttestation() != attested || (ms[i].Config == nil) != attested {
			t.Errorf("entry %d: attestation %t with config %v", i, ms[i].IsAttestation(), ms[i].Config)
		}
	}
	if len(ms) != 4 || reg.Count("GET", "/blobs/") != 2 {
		t.Errorf("%d manifests, %s", len(ms), tally(reg))
	}
}

// withPlatform makes two descriptors print alike, which hold a pointer each.
func withPlatform(d v1.Descriptor, m index.Manifest) v1.Descriptor {
	d.Platform = m.Platform
	return d
}

// TestResolveNested: lists in lists are flattened in order; what a list says of
// an entry counts more than its config, which counts where the list is silent.
func TestResolveNested(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	inner := testhelpers.List(t, image(t, 1), image(t, 2))
	outer := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: image(t, 0), Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "plan9", Architecture: "mips"}, Annotations: map[string]string{"k": "v"},
		}},
		mutate.IndexAddendum{Add: inner, Descriptor: v1.Descriptor{Annotations: map[string]string{"lost": "v"}}},
		mutate.IndexAddendum{Add: image(t, 3)},
	)
	reg.PushIndex(t, "a/bp:1", outer)
	ms := resolve(t, newClient(t), reg.Host+"/a/bp:1")
	var got []string
	for _, m := range ms {
		got = append(got, m.PlatformString()+" "+m.Config.OSVersion+fmt.Sprint(m.Annotations))
	}
	want := []string{"plan9/mips 0map[k:v]", "linux/arm64:1 1map[]", "linux/arm:2 2map[]", "linux/s390x:3 3map[]"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestResolveArtifact: what is no image stays, without a config, for the rules
// to judge; its artifactType is the manifest's (B17).
func TestResolveArtifact(t *testing.T) {
	t.Parallel()
	h := raw{}
	config := h.put("{}", "application/vnd.oci.empty.v1+json")
	h["1"] = fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.acme","config":%s,"layers":[]}`, ociImage, config)
	reg := testhelpers.NewRegistry(t, testhelpers.WithHandler(h))
	ms := resolve(t, newClient(t), reg.Host+"/a/bp:1")
	if len(ms) != 1 || ms[0].Config != nil || ms[0].RawConfig != nil || ms[0].ArtifactType != "application/vnd.acme" || ms[0].Platform != nil {
		t.Errorf("got %+v", ms)
	}
}

// TestResolveEmptyPlatform: an image that names no platform gets none (B23, T7).
func TestResolveEmptyPlatform(t *testing.T) {
	t.Parallel()
	h := raw{}
	d := h.image(`{"rootfs":{"type":"layers","diff_ids":[]}}`)
	var descriptor v1.Descriptor
	if err := json.Unmarshal([]byte(d), &descriptor); err != nil {
		t.Fatal(err)
	}
	reg := testhelpers.NewRegistry(t, testhelpers.WithHandler(h))
	ms := resolve(t, newClient(t), reg.Host+"/a/bp@"+descriptor.Digest.String())
	if ms[0].Platform != nil || ms[0].Config == nil {
		t.Errorf("got %+v", ms[0])
	}
}

// TestResolveWrongReference: no request is made for what is no reference.
func TestResolveWrongReference(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{"", "Foo Bar", "a/../b", "reg.io:99999/a", "https://reg.io/a", "u:" + canary + "@reg.io/a"} {
		c := newClient(t)
		_, err := c.Resolve(t.Context(), ref)
		wants(t, err, index.ErrUsage)
		_, _, _, err = c.Fetch(t.Context(), ref)
		wants(t, err, index.ErrUsage)
	}
}

// TestFetch: B4: the very bytes, of a list and of an image.
func TestFetch(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	ix := testhelpers.List(t, image(t, 0))
	digest := reg.PushIndex(t, "a/bp:1", ix)
	want, err := ix.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{reg.Host + "/a/bp:1", reg.Host + "/a/bp@" + digest.String()} {
		got, mediaType, at, err := newClient(t).Fetch(t.Context(), ref)
		if err != nil || string(got) != string(want) || mediaType != types.OCIImageIndex || at != digest {
			t.Errorf("got %s %s %s, %v", got, mediaType, at, err)
		}
	}
	if n := reg.Count("GET", "/manifests/"); n != 2 {
		t.Errorf("%d requests", n)
	}
	for ref, kind := range map[string]error{"/a/bp:2": index.ErrNotFound, "/b/bp:1": index.ErrNotFound, "/a/bp@" + other: index.ErrNotFound} {
		_, _, _, err := newClient(t).Fetch(t.Context(), reg.Host+ref)
		wants(t, err, kind, reg.Host+ref, "404")
	}
}

// TestHeadIsNotUsedToResolve: what a registry says of content is not asked.
func TestHeadIsNotUsedToResolve(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.PushIndex(t, "a/bp:1", testhelpers.List(t, image(t, 0)))
	resolve(t, newClient(t), reg.Host+"/a/bp:1")
	if n := reg.Count(http.MethodHead, ""); n != 0 {
		t.Errorf("%d HEAD requests", n)
	}
	for _, r := range reg.Requests() {
		if r.Kind != "tls-probe" && !strings.HasPrefix(r.UserAgent, "test") {
			t.Errorf("%s %s by %q", r.Method, r.Path, r.UserAgent)
		}
	}
}

// TestManyRepositories: a token is asked with as many scopes as fit into a URL,
// and renewed for the rest.
func TestManyRepositories(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", canary))
	var refs []string
	var from []name.Repository
	for i := range 60 {
		ref := fmt.Sprintf("a/%s-%d:1", strings.Repeat("long", 25), i)
		reg.Push(t, ref, image(t, i))
		refs = append(refs, reg.Host+"/"+ref)
		from = append(from, tagOf(t, reg.Host+"/"+ref).Repository)
	}
	c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)))
	to := tagOf(t, reg.Host+"/a/list:1")
	c.WillPublish(to.Repository, from)
	pub := publication(t, resolve(t, c, refs...), to.Name())
	mustPublish(t, c, pub)
	has(t, reg, "a/list", "1", pub.Index)
	for _, r := range reg.Requests() {
		if len(r.RawQuery) > 16<<10 {
			t.Errorf("a query of %d bytes", len(r.RawQuery))
		}
	}
}

// TestConvertedChild: a child that was rewritten since it was resolved is put
// beside the one that it was made of; its blobs are there already.
func TestConvertedChild(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"a/list", "a/source"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			reg.Push(t, source+":0", image(t, 0))
			c := newClient(t)
			ms := resolve(t, c, reg.Host+"/"+source+":0")
			var err error
			if ms[0].Raw, err = index.ConvertImage(ms[0].Raw, ms[0].MediaType, index.V2S2); err != nil {
				t.Fatal(err)
			}
			ms[0].MediaType, ms[0].Digest, ms[0].Size = types.DockerManifestSchema2, index.DigestOf(ms[0].Raw), int64(len(ms[0].Raw))
			pub := publication(t, ms, reg.Host+"/a/list:1")
			mustPublish(t, c, pub)
			has(t, reg, "a/list", "1", pub.Index)
			if n := reg.Count(http.MethodPut, "/blobs/"); n != 0 {
				t.Errorf("%d blobs were sent", n)
			}
		})
	}
}

// TestPlanIsReadOnly and says what it will do.
func TestPlanIsReadOnly(t *testing.T) {
	t.Parallel()
	reg, far := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	reg.Push(t, "a/list:0", image(t, 0))
	reg.Push(t, "a/source:1", image(t, 1))
	far.Push(t, "a/source:2", image(t, 2))
	file, _ := local(t, image(t, 3))
	c := newClient(t)
	ms := resolve(t, c, reg.Host+"/a/list:0", reg.Host+"/a/source:1", far.Host+"/a/source:2")
	pub := publication(t, append(ms, file), reg.Host+"/a/list:1", reg.Host+"/a/list:2")
	plan, err := c.Plan(t.Context(), pub)
	if err != nil {
		t.Fatal(err)
	}
	if reg.Writes()+far.Writes() != 0 {
		t.Error("something was written")
	}
	var got []string
	for _, s := range plan.Steps {
		entry := ""
		if s.Entry != nil {
			entry = " " + s.Entry.PlatformString()
		}
		got = append(got, fmt.Sprintf("%s%s %s%s %t", s.Kind, entry, s.From.RepositoryStr(), s.Tag, s.Skipped))
	}
	// The layer that all share is mounted once, and asked of no other.
	want := []string{
		"mount linux/arm64:1 a/source false", "mount linux/arm64:1 a/source false", "mount linux/arm64:1 a/source false",
		"upload linux/arm:2  false", "upload linux/arm:2 a/source false",
		"upload linux/s390x:3  false", "upload linux/s390x:3  false",
		"child linux/amd64:0  true", "child linux/arm64:1  false", "child linux/arm:2  false", "child linux/s390x:3  false",
		"list 1 false", "verify 1 false", "tag 2 false",
	}
	for i := range got {
		got[i] = strings.Join(strings.Fields(got[i]), " ")
	}
	for i := range want {
		want[i] = strings.Join(strings.Fields(want[i]), " ")
	}
	if !slices.Equal(got, want) {
		t.Errorf("steps\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, s := range plan.Steps {
		if s.Kind == index.StepChild && !s.Skipped && index.DigestOf(s.Raw) != s.Digest {
			t.Errorf("step %+v without its bytes", s)
		}
	}
}
