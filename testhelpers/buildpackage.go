package testhelpers

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks/imgutil/layer"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The labels of a buildpackage (CNB distribution specification, "Buildpackage").
const (
	PackageLabel = "io.buildpacks.buildpackage.metadata"
	LayersLabel  = "io.buildpacks.buildpack.layers"
)

// PackageSpec says what buildpackage to make. The zero value makes acme/hello
// 1.2.3 for linux/amd64 with Docker media types and one small layer.
type PackageSpec struct {
	ID, Version    string
	Name, Homepage string
	// Platform goes into the config as it is; linux/amd64 where it is zero.
	Platform v1.Platform
	// EmptyArch leaves the architecture out, as old packages do.
	EmptyArch bool
	// OCI takes OCI's media types, as a published package has them, and not
	// Docker's, as a package in a file has them.
	OCI bool
	// LayerSizes is the number of incompressible bytes in each layer; one layer
	// of 64 bytes where it is empty. The first layer has the buildpack.
	LayerSizes []int64
	// Seed tells layers of otherwise equal packages apart; SharedSeed, where it
	// is not 0, is the seed of all layers but the first.
	Seed, SharedSeed uint64
	// Program makes bin/build and bin/detect programs for an architecture, amd64
	// or arm64, as far as their first bytes say; they are scripts where it is
	// empty.
	Program string
	// Foreign makes the layers such as are not distributed with their image.
	Foreign bool
	// Targets are those of buildpack.toml: every platform's package names all.
	Targets []Target
	// Labels are set last; an empty value deletes a label.
	Labels map[string]string
}

// Target is one of a buildpack's targets, in the order of the label's members.
type Target struct {
	OS      string   `json:"os,omitempty"`
	Arch    string   `json:"arch,omitempty"`
	Variant string   `json:"variant,omitempty"`
	Distros []Distro `json:"distros,omitempty"`
}

// Distro is a distribution of an operating system.
type Distro struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

type stack struct {
	ID string `json:"id"`
}

type packageMetadata struct {
	ID       string  `json:"id"`
	Name     string  `json:"name,omitempty"`
	Version  string  `json:"version"`
	Homepage string  `json:"homepage,omitempty"`
	Stacks   []stack `json:"stacks"`
}

type layerMetadata struct {
	API         string   `json:"api"`
	Stacks      []stack  `json:"stacks,omitempty"`
	Targets     []Target `json:"targets,omitempty"`
	LayerDiffID string   `json:"layerDiffID"`
	Homepage    string   `json:"homepage,omitempty"`
	Name        string   `json:"name,omitempty"`
}

// Buildpackage makes the image that pack makes of such a buildpack. Its bytes
// depend on the spec alone.
func Buildpackage(tb testing.TB, s PackageSpec) v1.Image {
	tb.Helper()
	s = s.filled()
	img := empty.Image
	layerType := types.DockerLayer
	if s.OCI {
		img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
		layerType = types.OCILayer
	}
	var layers []mutate.Addendum
	add := func(content []byte) v1.Layer {
		l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content)), nil
		}, tarball.WithMediaType(layerType))
		if err != nil {
			tb.Fatalf("make a layer: %v", err)
		}
		addendum := mutate.Addendum{Layer: l}
		if s.Foreign {
			addendum.MediaType, addendum.URLs = types.DockerForeignLayer, []string{"https://example.com/layer"}
		}
		layers = append(layers, addendum)
		return l
	}
	if s.Platform.OS == "windows" {
		add(zip(tb, windowsBase(tb)))
	}
	var buildpack v1.Layer
	for i := range s.LayerSizes {
		l := add(zip(tb, s.layer(tb, i)))
		if buildpack == nil {
			buildpack = l
		}
	}
	img, err := mutate.Append(img, layers...)
	if err != nil {
		tb.Fatalf("append layers: %v", err)
	}
	return s.configure(tb, img, buildpack)
}

func (s PackageSpec) filled() PackageSpec {
	s.ID, s.Version = cmp.Or(s.ID, "acme/hello"), cmp.Or(s.Version, "1.2.3")
	if s.Platform.OS == "" && s.Platform.Architecture == "" {
		s.Platform.OS, s.Platform.Architecture = "linux", "amd64"
	}
	if s.EmptyArch {
		s.Platform.Architecture = ""
	}
	if len(s.LayerSizes) == 0 {
		s.LayerSizes = []int64{64}
	}
	return s
}

// configure gives the image its platform, time and labels.
func (s PackageSpec) configure(tb testing.TB, img v1.Image, buildpack v1.Layer) v1.Image {
	tb.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		tb.Fatalf("read the config: %v", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = s.Platform.OS, s.Platform.Architecture
	config.Variant, config.OSVersion, config.OSFeatures = s.Platform.Variant, s.Platform.OSVersion, s.Platform.OSFeatures
	if s.OCI {
		config.Created = v1.Time{Time: packTime()} // a package in a file says year 1
	}
	config.Config.Labels = s.labels(tb, buildpack)
	img, err = mutate.ConfigFile(img, config)
	if err != nil {
		tb.Fatalf("write the config: %v", err)
	}
	return img
}

func (s PackageSpec) labels(tb testing.TB, buildpack v1.Layer) map[string]string {
	tb.Helper()
	diffID, err := buildpack.DiffID()
	if err != nil {
		tb.Fatalf("hash a layer: %v", err)
	}
	stacks := []stack{{"*"}}
	labels := map[string]string{
		PackageLabel: toJSON(tb, packageMetadata{s.ID, s.Name, s.Version, s.Homepage, stacks}),
		LayersLabel: toJSON(tb, map[string]map[string]layerMetadata{s.ID: {
			s.Version: {"0.10", stacks, s.Targets, diffID.String(), s.Homepage, s.Name},
		}}),
	}
	maps.Copy(labels, s.Labels)
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	return labels
}

func toJSON(tb testing.TB, v any) string {
	tb.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		tb.Fatalf("write JSON: %v", err)
	}
	return string(raw)
}

// packTime is what pack gives to everything that it makes.
func packTime() time.Time { return time.Date(1980, time.January, 1, 0, 0, 1, 0, time.UTC) }

// layer makes the tar of one buildpack with noise in it.
func (s PackageSpec) layer(tb testing.TB, i int) []byte {
	tb.Helper()
	id, seed := s.ID, s.Seed
	if i > 0 && s.SharedSeed != 0 {
		id, seed = "acme/shared", s.SharedSeed
	}
	dir, suffix := "/cnb/buildpacks/"+strings.ReplaceAll(id, "/", "_")+"/"+s.Version, ""
	var out bytes.Buffer
	var w tarWriter = tar.NewWriter(&out)
	if s.Platform.OS == "windows" {
		suffix = ".bat"
		w = layer.NewWindowsWriter(&out) // puts all below Files and adds security descriptors
	}
	toml := "api = \"0.10\"\n\n[buildpack]\nid = \"" + id + "\"\nversion = \"" + s.Version + "\"\n"
	writeMembers(tb, w, []Member{
		folder("/cnb"), folder("/cnb/buildpacks"), folder(dir), folder(dir + "/bin"),
		file(dir+"/bin/build"+suffix, s.program()),
		file(dir+"/bin/detect"+suffix, s.program()),
		file(dir+"/buildpack.toml", []byte(toml)),
		file(dir+"/payload", noise(s.LayerSizes[i], seed*1000+uint64(i))),
	})
	return out.Bytes()
}

// program is a script, or the header of an ELF file
// (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html).
func (s PackageSpec) program() []byte {
	machine := map[string]byte{"amd64": 62, "arm64": 183}[s.Program]
	if machine == 0 {
		return []byte("#!/bin/sh\n")
	}
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	head[16], head[18] = 2, machine
	return head
}

func folder(name string) Member {
	return Member{Header: tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755, ModTime: packTime()}}
}

func file(name string, body []byte) Member {
	return Member{Body: body, Header: tar.Header{
		Name: name, Typeflag: tar.TypeReg, Mode: 0o755, ModTime: packTime(), Size: int64(len(body)),
	}}
}

func noise(size int64, seed uint64) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	content := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(content) //nolint:errcheck // it never fails, says its documentation
	return content
}

func windowsBase(tb testing.TB) []byte {
	tb.Helper()
	r, err := layer.WindowsBaseLayer()
	if err != nil {
		tb.Fatalf("make the Windows base layer: %v", err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		tb.Fatalf("read the Windows base layer: %v", err)
	}
	return raw
}

func zip(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(raw); err != nil {
		tb.Fatalf("compress: %v", err)
	}
	if err := w.Close(); err != nil {
		tb.Fatalf("compress: %v", err)
	}
	return out.Bytes()
}

// List makes an OCI index of images, with the platforms of their configs.
func List(tb testing.TB, images ...v1.Image) v1.ImageIndex {
	tb.Helper()
	ix := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		config, err := img.ConfigFile()
		if err != nil {
			tb.Fatalf("read a config: %v", err)
		}
		ix = mutate.AppendManifests(ix, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: config.Platform()},
		})
	}
	return ix
}

// Attested makes a list of images, each followed by an attestation of it, as
// BuildKit makes them
// (https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md).
func Attested(tb testing.TB, images ...v1.Image) v1.ImageIndex {
	tb.Helper()
	ix := List(tb, images...)
	for _, img := range images {
		digest, err := img.Digest()
		if err != nil {
			tb.Fatalf("hash an image: %v", err)
		}
		ix = mutate.AppendManifests(ix, mutate.IndexAddendum{
			Add: Attestation(tb, digest),
			Descriptor: v1.Descriptor{
				Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
				Annotations: map[string]string{
					"vnd.docker.reference.type":   "attestation-manifest",
					"vnd.docker.reference.digest": digest.String(),
				},
			},
		})
	}
	return ix
}

// Attestation makes a manifest whose one layer is a statement about an image.
func Attestation(tb testing.TB, subject v1.Hash) v1.Image {
	tb.Helper()
	statement := `{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"digest":{"sha256":"` + subject.Hex + `"}}]}`
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(img, mutate.Addendum{
		Layer:       static.NewLayer([]byte(statement), "application/vnd.in-toto+json"),
		Annotations: map[string]string{"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"},
	})
	if err != nil {
		tb.Fatalf("make an attestation: %v", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		tb.Fatalf("read the config: %v", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "unknown", "unknown"
	img, err = mutate.ConfigFile(img, config)
	if err != nil {
		tb.Fatalf("write the config: %v", err)
	}
	return img
}
