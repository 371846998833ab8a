//go:build acceptance

package acceptance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// field makes images as the field does: with upstream pack, crane and regctl,
// in files and in a registry.
type field struct {
	*home
	tb                  testing.TB
	host                string
	pack, crane, regctl string
}

func newField(tb testing.TB) *field {
	tb.Helper()
	f := &field{
		home: newHome(tb), tb: tb, host: testhelpers.StartDistribution(tb),
		pack: testhelpers.Tool(tb, "pack"), crane: testhelpers.Tool(tb, "crane"), regctl: testhelpers.Tool(tb, "regctl"),
	}
	f.ok(tb, f.pack, "config", "experimental", "true")
	f.ok(tb, f.regctl, "registry", "set", "--tls", "disabled", f.host)
	return f
}

// programs writes files that can be executed below a folder.
func (f *field) programs(folder string, files map[string]string) {
	f.tb.Helper()
	for name, content := range files {
		path := f.path(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			f.tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			f.tb.Fatal(err)
		}
	}
}

// buildpackTOML is a buildpack.toml; rest is what follows the buildpack.
func buildpackTOML(api, id, version, rest string) string {
	return fmt.Sprintf("api = %q\n[buildpack]\nid = %q\nversion = %q\n%s", api, id, version, rest)
}

// header is the beginning of an ELF file, of which nothing but the machine is
// true.
func header(machine byte) string {
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	head[16], head[18] = 2, machine
	return string(head)
}

const (
	script = "#!/bin/sh\n"
	amd64  = 62
	arm64  = 183
	forAMD = "[[targets]]\nos = \"linux\"\narch = \"amd64\"\n"
	forARM = "[[targets]]\nos = \"linux\"\narch = \"arm64\"\n"
)

// cnb packages a buildpack of scripts into a file for a target, "" for none.
func (f *field) cnb(name, toml, target string) string {
	f.tb.Helper()
	return f.packaged(name, target, map[string]string{"buildpack.toml": toml, "bin/build": script, "bin/detect": script})
}

// packaged packages a buildpack of files into a file.
func (f *field) packaged(name, target string, files map[string]string, args ...string) string {
	f.tb.Helper()
	f.programs(name, files)
	kind := "buildpack"
	if files["extension.toml"] != "" {
		kind = "extension"
	}
	command := append([]string{kind, "package", f.path(name + ".cnb"), "--format", "file"}, args...)
	if files["package.toml"] != "" {
		command = append(command, "--config", f.path(name, "package.toml"))
	} else {
		command = append(command, "--path", f.path(name))
	}
	if target != "" {
		command = append(command, "--target", target)
	}
	f.ok(f.tb, f.pack, command...)
	return "./" + name + ".cnb"
}

// composite packages a buildpack of others; dependencies are files of packaged.
func (f *field) composite(name, target string, dependencies []string, args ...string) string {
	f.tb.Helper()
	var config, order strings.Builder
	config.WriteString("[buildpack]\nuri = \".\"\n")
	order.WriteString("[[order]]\n")
	for _, d := range dependencies {
		fmt.Fprintf(&config, "[[dependencies]]\nuri = %q\n", "../"+strings.TrimPrefix(d, "./"))
		id, _, _ := strings.Cut(strings.TrimPrefix(d, "./"), "-")
		fmt.Fprintf(&order, "[[order.group]]\nid = %q\nversion = \"1.0.0\"\n", "acme/"+id)
	}
	return f.packaged(name, target, map[string]string{
		"buildpack.toml": buildpackTOML("0.10", "acme/meta", "9.0.0", order.String()), "package.toml": config.String(),
	}, args...)
}

// published packages hello-universe into the registry.
func (f *field) published(name string, targets ...string) string {
	f.tb.Helper()
	if _, err := os.Stat(f.path("hello-universe")); err != nil {
		helloUniverse(f.tb, f.home)
	}
	ref := f.host + "/acme/hello:" + name
	args := []string{"buildpack", "package", ref, "--publish", "--path", f.path("hello-universe")}
	for _, target := range targets {
		args = append(args, "--target", target)
	}
	f.ok(f.tb, f.pack, args...)
	return ref
}

// mutated is an image of the registry that crane changed.
func (f *field) mutated(ref, name string, flags ...string) string {
	f.tb.Helper()
	to := f.host + "/acme/mutated:" + name
	f.ok(f.tb, f.crane, append([]string{"mutate", ref, "-t", to}, flags...)...)
	return to
}

// base makes an image of one file with crane, for a platform.
func (f *field) base(name, platform string, flags ...string) string {
	f.tb.Helper()
	layer := f.write(f.tb, "layer.tar", strings.Repeat("\x00", 1024))
	ref := f.host + "/acme/base:" + name
	f.ok(f.tb, f.crane, "append", "--oci-empty-base", "-f", layer, "-t", ref)
	f.ok(f.tb, f.crane, append([]string{"mutate", ref, "-t", ref, "--set-platform", platform}, flags...)...)
	return ref
}

// app is an application image, as far as its labels say.
func (f *field) app(name, platform string) string {
	f.tb.Helper()
	return f.base(name, platform, "--label", `io.buildpacks.lifecycle.metadata={"app":[{"sha":"x"}],"buildpacks":[],"runImage":{"topLayer":"x","reference":"run@x"}}`,
		"--label", `io.buildpacks.build.metadata={"bom":null}`, "--label", "io.buildpacks.stack.id=acme.stack")
}

// builder lets upstream pack create a builder of a buildpack, on a base image of
// a distribution, with a lifecycle whose programs do nothing.
func (f *field) builder(arch, distro, api, order string) string {
	f.tb.Helper()
	name := strings.Join([]string{arch, distro, api, strconv.Itoa(len(order))}, "-")
	of := "acme.stack"
	base := f.base("build-"+name, "linux/"+arch, "--env", "CNB_USER_ID=1000", "--env", "CNB_GROUP_ID=1000", "--env", "CNB_STACK_ID="+of,
		"--label", "io.buildpacks.stack.id="+of, "--label", "io.buildpacks.base.distro.name=ubuntu", "--label", "io.buildpacks.base.distro.version="+distro)
	f.programs("builder/bp", map[string]string{
		"buildpack.toml": buildpackTOML("0.10", "acme/one", "1.0.0", "[[targets]]\nos = \"linux\"\n"), "bin/build": script, "bin/detect": script,
	})
	f.programs("builder/two", map[string]string{
		"buildpack.toml": buildpackTOML("0.10", "acme/two", "1.0.0", "[[targets]]\nos = \"linux\"\n"), "bin/build": script, "bin/detect": script,
	})
	files := map[string]string{"lifecycle.toml": fmt.Sprintf(
		"[apis]\n[apis.buildpack]\ndeprecated = []\nsupported = [\"0.10\", %q]\n[apis.platform]\ndeprecated = []\nsupported = [\"0.15\"]\n[lifecycle]\nversion = \"0.21.0\"\n", api)}
	for _, program := range []string{"analyzer", "builder", "creator", "detector", "exporter", "extender", "launcher", "lifecycle", "rebaser", "restorer"} {
		files["lifecycle/"+program] = script
	}
	f.programs("builder/lc-"+api, files)
	archive := f.path("builder", "lifecycle-"+api+".tgz")
	f.ok(f.tb, "tar", "-C", f.path("builder", "lc-"+api), "-czf", archive, "lifecycle.toml", "lifecycle")
	config := f.write(f.tb, "builder/"+name+".toml", fmt.Sprintf("%s[build]\nimage = %q\n[[run.images]]\nimage = %q\n[stack]\nid = %q\nbuild-image = %q\nrun-image = %q\n[lifecycle]\nuri = %q\n",
		order, base, base, of, base, base, archive))
	ref := f.host + "/acme/builder:" + name
	f.ok(f.tb, f.pack, "builder", "create", ref, "--config", config, "--publish", "--target", "linux/"+arch)
	return ref
}

// The orders of builders.
const (
	usesOne  = "[[buildpacks]]\nuri = \"bp\"\n[[order]]\n[[order.group]]\nid = \"acme/one\"\nversion = \"1.0.0\"\n"
	usesBoth = "[[buildpacks]]\nuri = \"bp\"\n[[buildpacks]]\nuri = \"two\"\n[[order]]\n[[order.group]]\nid = \"acme/one\"\nversion = \"1.0.0\"\n"
	mayUse   = "[[buildpacks]]\nuri = \"bp\"\n[[order]]\n[[order.group]]\nid = \"acme/one\"\nversion = \"1.0.0\"\noptional = true\n"
)

// indexed is a list that regctl made.
func (f *field) indexed(name string, args ...string) string {
	f.tb.Helper()
	ref := f.host + "/acme/indexed:" + name
	f.ok(f.tb, f.regctl, append([]string{"index", "create", ref}, args...)...)
	return ref
}

// annotated is a list in Docker's format with annotations, which upstream pack
// publishes of an image of the same repository.
func (f *field) annotated(image string) string {
	f.tb.Helper()
	ref := f.host + "/acme/hello:annotated"
	f.ok(f.tb, f.pack, "manifest", "create", ref, image, "--format", "docker")
	f.ok(f.tb, f.pack, "manifest", "annotate", ref, image, "--annotations", "a=b")
	f.ok(f.tb, f.pack, "manifest", "push", ref, "--purge")
	return ref
}

// chart is an artifact that regctl made.
func (f *field) chart() string {
	f.tb.Helper()
	ref, file := f.host+"/acme/chart:1", f.write(f.tb, "chart.json", "{}")
	f.ok(f.tb, f.regctl, "artifact", "put", "--artifact-type", "application/vnd.cncf.helm.config.v1+json", "-f", file, ref)
	return ref
}

// headless is an image whose config knows nothing of its layers, which no tool
// makes.
func (f *field) headless() string {
	f.tb.Helper()
	img := testhelpers.Buildpackage(f.tb, testhelpers.PackageSpec{OCI: true})
	config, err := img.ConfigFile()
	if err != nil {
		f.tb.Fatal(err)
	}
	config = config.DeepCopy()
	config.RootFS.DiffIDs = []v1.Hash{}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		f.tb.Fatal(err)
	}
	push(f.tb, f.host+"/acme/headless:1", img)
	return f.host + "/acme/headless:1"
}

// tampered is a file of packaged in which one architecture became another.
func (f *field) tampered(file string) string {
	f.tb.Helper()
	raw, err := os.ReadFile(f.path(file))
	if err != nil {
		f.tb.Fatal(err)
	}
	text := strings.Replace(string(raw), `"architecture":"amd64"`, `"architecture":"arm64"`, 1)
	if text == string(raw) {
		f.tb.Fatalf("%s has no config for amd64", file)
	}
	f.write(f.tb, "tampered.cnb", text)
	return "./tampered.cnb"
}
