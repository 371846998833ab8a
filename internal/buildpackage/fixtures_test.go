package buildpackage_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.uber.org/goleak"

	"github.com/buildpacks-community/pack-manifest/internal/buildpackage"
	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if field.dir != "" {
			if err := os.RemoveAll(field.dir); err != nil {
				code = max(code, 1)
			}
		}
		os.Exit(code)
	}))
}

// field has what upstream pack makes, made once for all tests.
var field struct {
	once sync.Once
	dir  string
	err  error
}

// packed is a package that upstream pack makes of files.
type packed struct {
	name  string   // of the .cnb
	args  []string // of "pack buildpack package", or of another command
	files map[string]string
}

const script = "#!/bin/sh\n"

// elf is the header of a program, of which nothing but the machine is true.
func elf(machine byte) string {
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	head[16], head[18] = 2, machine
	return string(head)
}

const (
	emAMD64 = 62
	emARM64 = 183
	em386   = 3
)

func buildpackTOML(api, id, version, rest string) string {
	return "api = \"" + api + "\"\n[buildpack]\nid = \"" + id + "\"\nversion = \"" + version + "\"\n" + rest
}

func simple(file, toml string, args ...string) packed {
	return packed{file, args, map[string]string{"buildpack.toml": toml, "bin/build": script, "bin/detect": script}}
}

const amd64Only = "[[targets]]\nos = \"linux\"\narch = \"amd64\"\n"

// packages is what is packaged, in order: later ones may be made of earlier
// ones.
func packages() []packed {
	one := buildpackTOML("0.10", "acme/one", "1.0.0", "")
	meta := buildpackTOML("0.10", "acme/meta", "9.0.0", "[[order]]\n[[order.group]]\nid = \"acme/one\"\nversion = \"1.0.0\"\n")
	both := meta + "[[order.group]]\nid = \"acme/two\"\nversion = \"2.0.0\"\n"
	composite := func(file, toml, deps, target string) packed {
		config := []string{"[buildpack]\nuri = \".\"\n"}
		for dep := range strings.FieldsSeq(deps) {
			config = append(config, "[[dependencies]]\nuri = \"../"+dep+"\"\n")
		}
		args := []string{"--config", "package.toml", "--target", target}
		return packed{file, args, map[string]string{"buildpack.toml": toml, "package.toml": strings.Join(config, "")}}
	}
	programs := func(machine byte) map[string]string {
		return map[string]string{"buildpack.toml": buildpackTOML("0.10", "acme/prog", "1.0.0", ""), "bin/build": elf(machine), "bin/detect": elf(machine)}
	}
	return []packed{
		simple("one-none.cnb", one),
		simple("one-amd64.cnb", one, "--target", "linux/amd64"),
		simple("one-arm64.cnb", one, "--target", "linux/arm64"),
		simple("one-arm.cnb", one, "--target", "linux/arm/v7"),
		simple("one-other-amd64.cnb", one+"[[buildpack.licenses]]\ntype = \"MIT\"\n", "--target", "linux/amd64"),
		simple("two-amd64.cnb", buildpackTOML("0.10", "acme/two", "2.0.0", ""), "--target", "linux/amd64"),
		simple("two-arm64.cnb", buildpackTOML("0.10", "acme/two", "2.0.0", ""), "--target", "linux/arm64"),
		simple("one-newer-arm64.cnb", buildpackTOML("0.10", "acme/one", "1.1.0", ""), "--target", "linux/arm64"),
		simple("one-api-arm64.cnb", buildpackTOML("0.11", "acme/one", "1.0.0", ""), "--target", "linux/arm64"),
		simple("one-stacks-arm64.cnb", buildpackTOML("0.10", "acme/one", "1.0.0", "[[stacks]]\nid = \"acme.stack\"\nmixins = [\"curl\"]\n"),
			"--target", "linux/arm64"),
		simple("old-amd64.cnb", buildpackTOML("0.2", "acme/old", "1.0.0", ""), "--target", "linux/amd64"),
		simple("odd-amd64.cnb", buildpackTOML("0.10", "Acme_odd", "1.0", ""), "--target", "linux/amd64"),
		simple("flat-amd64.cnb", buildpackTOML("0.10", "flat", "1.0.0", ""), "--target", "linux/amd64"),
		simple("limited-s390x.cnb", buildpackTOML("0.10", "acme/limited", "1.0.0", amd64Only), "--target", "linux/s390x"),
		simple("limited-new-s390x.cnb", buildpackTOML("0.12", "acme/limited", "1.0.0", amd64Only), "--target", "linux/s390x"),
		simple("limited-new-amd64.cnb", buildpackTOML("0.12", "acme/limited", "1.0.0", amd64Only), "--target", "linux/amd64"),
		simple("limited-new-arm64.cnb", buildpackTOML("0.12", "acme/limited", "1.0.0", amd64Only), "--target", "linux/arm64"),
		composite("meta-amd64.cnb", meta, "one-amd64.cnb", "linux/amd64"),
		composite("meta-arm64.cnb", meta, "one-arm64.cnb", "linux/arm64"),
		composite("meta-both-arm64.cnb", both, "one-arm64.cnb two-arm64.cnb", "linux/arm64"),
		composite("meta-limited-arm64.cnb",
			buildpackTOML("0.12", "acme/meta", "9.0.0", "[[order]]\n[[order.group]]\nid = \"acme/limited\"\nversion = \"1.0.0\"\n"),
			"limited-new-arm64.cnb", "linux/arm64"),
		{"prog.cnb", []string{"--target", "linux/amd64", "--target", "linux/arm64"}, programs(emAMD64)},
		{"prog-true-arm64.cnb", []string{"--target", "linux/arm64"}, programs(emARM64)},
		{"ext-amd64.cnb", []string{"--target", "linux/amd64"}, map[string]string{
			"extension.toml": "api = \"0.10\"\n[extension]\nid = \"acme/ext\"\nversion = \"1.0.0\"\n",
			"package.toml":   "[extension]\nuri = \".\"\n", "bin/generate": script, "bin/detect": script,
		}},
	}
}

// makeField packages everything.
func makeField(pack, examples string) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "buildpackage"); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(dir, "home"), 0o700); err != nil {
		return dir, err
	}
	if err := os.WriteFile(filepath.Join(dir, "home", "config.toml"), []byte("experimental = true\n"), 0o600); err != nil {
		return dir, err
	}
	err = runPack(pack, dir, dir, "buildpack", "package", filepath.Join(dir, "hello.cnb"), "--format", "file", "--path", examples)
	if err != nil {
		return dir, err
	}
	for _, p := range packages() {
		if err := p.make(pack, dir); err != nil {
			return dir, err
		}
	}
	return dir, nil
}

func (p packed) make(pack, dir string) error {
	work := filepath.Join(dir, strings.TrimSuffix(p.name, ".cnb"))
	for file, content := range p.files {
		path := filepath.Join(work, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			return err
		}
	}
	kind := "buildpack"
	if _, ok := p.files["extension.toml"]; ok {
		kind = "extension"
	}
	args := append([]string{kind, "package", filepath.Join(dir, p.name), "--format", "file"}, p.args...)
	if _, ok := p.files["package.toml"]; !ok {
		args = append(args, "--path", ".")
	} else if kind == "extension" {
		args = append(args, "--config", "package.toml")
	}
	return runPack(pack, dir, work, args...)
}

// runPack runs upstream pack in a directory, far from any daemon.
func runPack(pack, home, dir string, args ...string) error {
	cmd := exec.Command(pack, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PACK_HOME="+filepath.Join(home, "home"), "DOCKER_HOST=unix:///nonexistent", "DOCKER_CONFIG="+home)
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.New("pack " + strings.Join(args, " ") + ": " + err.Error() + "\n" + string(out))
	}
	return nil
}

// cnb returns the packages in files that upstream pack made.
func cnb(tb testing.TB, names ...string) []index.Manifest {
	tb.Helper()
	pack := testhelpers.Tool(tb, "pack")
	field.once.Do(func() {
		field.dir, field.err = makeField(pack, testhelpers.RepositoryFile(tb, "examples", "hello-universe"))
	})
	if field.err != nil {
		tb.Fatal(field.err)
	}
	var manifests []index.Manifest
	for _, file := range names {
		found, err := layout.Archives{}.Resolve(tb.Context(), filepath.Join(field.dir, file+".cnb"))
		if err != nil {
			tb.Fatal(err)
		}
		for _, m := range found {
			m.ArtifactType = "" // upstream's repeats the type of the config; pkg/client drops it, too
			manifests = append(manifests, m)
		}
	}
	return manifests
}

// resolved is what resolving learns of images.
func resolved(tb testing.TB, images ...v1.Image) []index.Manifest {
	tb.Helper()
	var manifests []index.Manifest
	for _, img := range images {
		manifests = append(manifests, resolve(tb, img))
	}
	return manifests
}

func resolve(tb testing.TB, img v1.Image) index.Manifest {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	raw, err := img.RawManifest()
	must(err)
	mediaType, err := img.MediaType()
	must(err)
	m := index.Manifest{Raw: raw}
	m.MediaType, m.Digest, m.Size = mediaType, index.DigestOf(raw), int64(len(raw))
	manifest, err := index.ParseImage(raw, mediaType)
	must(err)
	m.RawConfig, err = img.RawConfigFile()
	must(err)
	if manifest.Config.MediaType.IsConfig() {
		m.Config = &v1.ConfigFile{}
		must(json.Unmarshal(m.RawConfig, m.Config))
		m.Platform = index.ConfigPlatform(m.Config)
	}
	layers, err := img.Layers()
	must(err)
	for i, l := range layers {
		m.Layers = append(m.Layers, index.Blob{
			Digest: manifest.Layers[i].Digest, Size: manifest.Layers[i].Size,
			Open: func() (io.ReadCloser, error) { return l.Compressed() },
		})
	}
	return m
}

// pulled resolves what a registry has under a reference.
func pulled(tb testing.TB, ref string) []index.Manifest {
	tb.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		tb.Fatal(err)
	}
	d, err := remote.Get(parsed, remote.WithContext(tb.Context()))
	if err != nil {
		tb.Fatal(err)
	}
	if !d.MediaType.IsIndex() {
		img, err := d.Image()
		if err != nil {
			tb.Fatal(err)
		}
		return resolved(tb, img)
	}
	ix, err := d.ImageIndex()
	if err != nil {
		tb.Fatal(err)
	}
	return children(tb, ix)
}

func children(tb testing.TB, ix v1.ImageIndex) []index.Manifest {
	tb.Helper()
	list, err := ix.IndexManifest()
	if err != nil {
		tb.Fatal(err)
	}
	var manifests []index.Manifest
	for _, d := range list.Manifests {
		img, err := ix.Image(d.Digest)
		if err != nil {
			tb.Fatal(err)
		}
		m := resolve(tb, img)
		m.Descriptor = d
		manifests = append(manifests, m)
	}
	return manifests
}

// labelled makes an image with labels and nothing else of note.
func labelled(tb testing.TB, platform string, labels map[string]string) v1.Image {
	tb.Helper()
	p, err := index.ParsePlatform(platform)
	if err != nil {
		tb.Fatal(err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion,
		Config: v1.Config{Labels: labels}, RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return img
}

// listOf is a list of manifests in the format of the first.
func listOf(tb testing.TB, manifests []index.Manifest) index.Index {
	tb.Helper()
	var entries []index.Entry
	for _, m := range manifests {
		entries = append(entries, m.Entry)
	}
	f := index.OCI
	if len(entries) > 0 {
		f, _ = index.FormatOf(entries[0].MediaType)
	}
	ix, _, err := index.New(f).Apply(index.Add(entries...))
	if err != nil {
		tb.Fatal(err)
	}
	return ix
}

// check lets every rule there is look at a list.
func check(tb testing.TB, ix index.Index, manifests []index.Manifest) []index.Finding {
	tb.Helper()
	binaries, err := buildpackage.BinaryArch(tb.Context(), manifests, buildpackage.AtHand, buildpackage.Bounds{})
	if err != nil {
		tb.Fatal(err)
	}
	rules := []index.Rule{
		index.Digests(manifests), index.ImagesOnly(manifests), index.ReadableConfigs(manifests), index.NotEmpty,
		index.PlatformPresent(nil), index.UniquePlatforms, index.NotShadowed, index.KnownPlatforms, index.LikelyPlatforms,
		index.KnownVariants, index.VariantPresent, index.TruePlatforms(manifests), index.OneFamily, index.Expressible,
		binaries,
	}
	rules = append(rules, buildpackage.Rules(manifests)...)
	return ix.ByEntry(ix.Check(rules...))
}

// show is findings as judged for publishing, one in a line.
func show(tb testing.TB, findings []index.Finding) string {
	tb.Helper()
	judged, _ := index.Judge(findings, index.Publish) //nolint:errcheck // the severities say it
	var out bytes.Buffer
	for _, f := range judged {
		out.WriteString(strings.Join([]string{f.Severity.String(), string(f.Rule), f.Entry.PlatformString(), f.Message}, " | ") + "\n")
	}
	return out.String()
}
