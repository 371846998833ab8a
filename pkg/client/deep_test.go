package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// liar is a package whose programs are for amd64, whatever it says itself.
func liar(tb testing.TB, arch string, edit ...func(*testhelpers.PackageSpec)) v1.Image {
	tb.Helper()
	spec := testhelpers.PackageSpec{
		OCI: true, Platform: v1.Platform{OS: "linux", Architecture: arch}, Program: "amd64",
	}
	for _, e := range edit {
		e(&spec)
	}
	return testhelpers.Buildpackage(tb, spec)
}

// layersOf returns the digests of layers.
func layersOf(tb testing.TB, images ...v1.Image) []string {
	tb.Helper()
	var digests []string
	for _, img := range images {
		m, err := img.Manifest()
		if err != nil {
			tb.Fatal(err)
		}
		for _, l := range m.Layers {
			digests = append(digests, l.Digest.String())
		}
	}
	slices.Sort(digests)
	return slices.Compact(digests)
}

// layersAsked returns the layers that were asked for, each as often as it was.
func (l *lab) layersAsked(of []string) []string {
	var asked []string
	for _, r := range l.reg.Requests() {
		for _, digest := range of {
			if strings.HasSuffix(r.Path, "/blobs/"+digest) {
				asked = append(asked, digest)
			}
		}
	}
	slices.Sort(asked)
	return asked
}

// said is findings as "rule severity platform".
func said(findings []index.Finding) []string {
	var texts []string
	for _, f := range findings {
		texts = append(texts, strings.TrimSpace(string(f.Rule)+" "+f.Severity.String()+" "+f.Entry.PlatformString()))
	}
	return texts
}

// The layers of packages in a registry are read only if that is asked for, and
// then each once: no request more than that.
func TestValidateDeep(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	same := func(s *testhelpers.PackageSpec) { s.LayerSizes = []int64{64, 200 << 10} }
	images := []v1.Image{liar(t, "amd64", same), liar(t, "arm64", same)}
	layers := layersOf(t, images...)
	if len(layers) != 2 {
		t.Fatalf("the images have %d layers", len(layers))
	}
	l.reg.PushIndex(t, "acme/bp:1", testhelpers.List(t, images...))
	counts := map[bool]int{}
	for _, deep := range []bool{false, true} {
		l.reg.Reset()
		result, err := l.Validate(t.Context(), client.ValidateRequest{
			References: []string{l.at("acme/bp:1")}, Validation: client.Validation{Deep: deep},
		})
		if err != nil {
			t.Fatal(err)
		}
		want, asked := []string{"extra-layers warning linux/amd64", "extra-layers warning linux/arm64"}, []string(nil)
		if deep {
			want = append(want, "binary-arch error linux/arm64", "same-layer-different-arch note linux/arm64")
			asked = []string{layerOfBuildpack(t, images[0])} // the labels name no other
		}
		wantEqual(t, fmt.Sprintf("findings, deep %t", deep), said(result.Findings), want)
		wantEqual(t, fmt.Sprintf("layers, deep %t", deep), l.layersAsked(layers), asked)
		if result.Valid() == deep {
			t.Errorf("deep %t: valid %t", deep, result.Valid())
		}
		counts[deep] = len(l.reg.Requests())
	}
	// The second client of the same process has no session to begin anew.
	if counts[true] > counts[false]+1 {
		t.Errorf("%d requests, %d with layers", counts[false], counts[true])
	}
}

func layerOfBuildpack(tb testing.TB, img v1.Image) string {
	tb.Helper()
	m, err := img.Manifest()
	if err != nil {
		tb.Fatal(err)
	}
	return m.Layers[0].Digest.String()
}

// A layer that cannot be read is no pass.
func TestValidateDeepFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   testhelpers.Action
		kind error
	}{
		"gone":     {testhelpers.Status(http.StatusNotFound, nil, ""), index.ErrNotFound},
		"denied":   {testhelpers.Status(http.StatusForbidden, nil, ""), index.ErrDenied},
		"refused":  {testhelpers.Status(http.StatusBadRequest, nil, ""), index.ErrRefused},
		"broken":   {testhelpers.Cut(1000), index.ErrUnreachable},
		"reset":    {testhelpers.Reset(1000), index.ErrUnreachable},
		"another":  {testhelpers.Corrupt(100 << 10), index.ErrInvalid},
		"too long": {testhelpers.Pad(), index.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			img := liar(t, "arm64", func(s *testhelpers.PackageSpec) { s.LayerSizes = []int64{200 << 10} })
			l.reg.Push(t, "acme/bp:1", img)
			l.reg.Inject(testhelpers.Fault{Match: "/blobs/" + layerOfBuildpack(t, img), Do: c.do})
			_, err := l.Validate(t.Context(), client.ValidateRequest{
				References: []string{l.at("acme/bp:1")}, Validation: client.Validation{Deep: true},
			})
			wantKind(t, err, c.kind, layerOfBuildpack(t, img))
			if _, rejected := errors.AsType[*index.Rejection](err); rejected {
				t.Errorf("it is a rejection: %v", err)
			}
		})
	}
}

// A layer that is not distributed with its image is not asked for, and that is
// said.
func TestValidateDeepForeignLayer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	img := liar(t, "amd64", func(s *testhelpers.PackageSpec) { s.Foreign = true })
	l.reg.Push(t, "acme/bp:1", img)
	l.reg.Reset()
	result, err := l.Validate(t.Context(), client.ValidateRequest{
		References: []string{l.at("acme/bp:1")}, Validation: client.Validation{Deep: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "findings", said(result.Findings), []string{"binary-arch note linux/amd64"})
	if text := "of the layer " + layerOfBuildpack(t, img) + ", it is not distributed with its image"; !strings.Contains(result.Findings[0].Message, text) {
		t.Errorf("%q does not say %q", result.Findings[0].Message, text)
	}
	wantEqual(t, "layers", l.layersAsked(layersOf(t, img)), nil)
}

// A list that is kept is looked into where its images are, before it is
// published; a list that is published at once, too.
func TestPublishDeep(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.reg.Push(t, "acme/bp:a", liar(t, "amd64"))
	l.reg.Push(t, "acme/bp:b", liar(t, "arm64"))
	l.create("acme/bp:1", index.OCI, "acme/bp:a", "acme/bp:b")
	l.reg.Reset()
	deep := client.Validation{Deep: true}
	_, pushErr := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Validation: deep})
	_, createErr := l.Create(t.Context(), client.CreateRequest{
		Name: l.at("acme/bp:2"), Sources: l.all([]string{"acme/bp:a", "acme/bp:b"}), Format: index.OCI, Publish: true, Validation: deep,
	})
	for _, err := range []error{pushErr, createErr} {
		wantRule(t, err, index.BinaryArch, "linux/arm64")
	}
	if writes := l.reg.Writes(); writes != 0 {
		t.Errorf("%d writes", writes)
	}
	if _, err := l.push("acme/bp:1"); err != nil {
		t.Errorf("without looking into layers: %v", err)
	}
}

// What contradicts itself is refused before anything is read.
func TestDeepAndOff(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, err := l.Validate(t.Context(), client.ValidateRequest{
		References: []string{l.at("acme/bp:1")}, Validation: client.Validation{Deep: true, Policy: index.Policy{Mode: index.Off}},
	})
	wantKind(t, err, index.ErrUsage, "deep and off")
	if n := len(l.reg.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A published list of one image is looked at as a list, not as its image alone.
func TestValidateListOfOneImage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ix := mutate.IndexMediaType(testhelpers.List(t, pack(t, "linux/amd64")), types.DockerManifestList)
	ix, ok := mutate.Annotations(ix, map[string]string{"a": "b"}).(v1.ImageIndex)
	if !ok {
		t.Fatal("it is no list any more")
	}
	l.reg.PushIndex(t, "acme/bp:1", ix)
	result, err := l.Validate(t.Context(), client.ValidateRequest{References: []string{l.at("acme/bp:1")}})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "findings", said(result.Findings), []string{"annotations-in-v2s2 error"})
	// Named by a platform, it is its image.
	result, err = l.Validate(t.Context(), client.ValidateRequest{References: []string{"linux/amd64=" + l.at("acme/bp:1")}})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "findings", said(result.Findings), nil)
}

// Keeping a list reads no layers of registries, whatever is asked for.
func TestKeepingReadsNoLayers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	img := liar(t, "arm64")
	l.reg.Push(t, "acme/bp:1", img)
	if _, err := l.Create(t.Context(), client.CreateRequest{
		Name: l.at("acme/list:1"), Sources: []string{l.at("acme/bp:1")}, Format: index.OCI, Validation: client.Validation{Deep: true},
	}); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "layers", l.layersAsked(layersOf(t, img)), nil)
}
