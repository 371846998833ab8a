package commands_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/buildpacks-community/pack-manifest/internal/commands"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestMain lets the test binary be the program where a script runs it. The
// registries of scripts are closed by the end of each, so nothing may be left.
func TestMain(m *testing.M) {
	cobra.EnableCommandSorting = false // else the first of parallel tests to start the program writes it
	testscript.Main(leakFree{m}, map[string]func(){"pack": run, "pack-manifest": run})
}

type leakFree struct{ m *testing.M }

func (l leakFree) Run() int {
	code := l.m.Run()
	if err := goleak.Find(testhelpers.Lingering()); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func run() { os.Exit(commands.Main(context.Background(), commands.OSProcess("test"))) }

// TestScripts runs every script below testdata/script against registries in
// this process. The commands that scripts have besides testscript's own:
//
//	registry NAME [tls] [basic USER PASSWORD] [bearer USER PASSWORD] [norefs]
//	             start one; $NAME is its host; norefs: it keeps no lists of what
//	             refers to what
//	image REF PLATFORM [oci] [noarch] [id=X] [version=X] [seed=N] [program=ARCH]
//	             push a buildpackage; its digest goes to stdout
//	index REF PLATFORM... [attested] [oci]
//	             push a list of buildpackages
//	sign REF     push an SBOM that refers to what REF names, a signature that
//	             refers to the SBOM, and cosign's signature of what REF names;
//	             $SBOM, $SIG and $COSIGN are their digests, $HEX that of what was
//	             signed without its algorithm
//	holds REF    the registry has it
//	artifact REF TYPE
//	             push a manifest whose config has the type
//	cnb FILE PLATFORM [noarch] [id=X] [version=X] [seed=N]
//	             write a .cnb file as upstream pack does
//	layout DIR PLATFORM [oci] [noarch] [id=X] [version=X] [seed=N] [signed]
//	             write an OCI layout of one image into a directory; signed: with
//	             an SBOM and cosign's signature beside it, with $SBOM and $HEX
//	             as of sign
//	daemon [lists]
//	             start a Docker daemon that the program finds; with lists its
//	             store holds some
//	docker REF PLATFORM [noarch] [id=X] [version=X] [seed=N]
//	             give it a buildpackage; the ID goes to stdout
//	loaded N FILE
//	             compare the number of archives that were loaded into it, and
//	             write the last one to FILE
//	bad KIND PATH
//	             write an archive, or an OCI layout where PATH ends in "/", that is
//	             spoilt in a way of harms, or a "bomb" or a "claim"
//	reset NAME   forget the requests so far
//	requests NAME N, writes NAME N
//	             compare the number of requests (or of PUT, POST, PATCH and
//	             DELETE) since the last reset
//	exits N COMMAND...
//	             run a command and compare its exit code
//	sha256 FILE  print the digest of a file
//	auth HOST... write a Docker config that knows user:secret for the hosts
//	corrupt NAME cut the index.json of the lists whose folder's name has NAME
//	mask FILE OUT
//	             write FILE to OUT with the hosts of registries replaced by
//	             their names and digests by DIGEST
//	hosts FILE OUT
//	             write FILE to OUT with the hosts of registries replaced alone
//	paste FILE N run the commands of the N lines of FILE that begin with "Tip: ",
//	             as a shell that they are pasted into
//	fault NAME METHOD PATH ACTION [TIMES]
//	             make requests fail whose path PATH, a regular expression, fits;
//	             ACTION is one of actions
//	hub NAME USER PASSWORD
//	             start Docker Hub, and send everything there that is asked of
//	             index.docker.io
//	upstream LIST FORMAT REF...
//	             leave a list of images of a registry as upstream pack does;
//	             ANNOTATION=VALUE among the references annotates the one before
//
// $ESC is an escape character, $CSI the same of C1, $RLO turns text around, $NL
// ends a line.
func TestScripts(t *testing.T) {
	t.Parallel()
	params := scripts()
	params.Dir = filepath.Join("testdata", "script")
	params.UpdateScripts = os.Getenv("UPDATE_SCRIPTS") != ""
	testscript.Run(t, params)
}

// scripts returns how scripts run, wherever they are.
func scripts() testscript.Params {
	return testscript.Params{
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup:               setUp,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"registry": cmdRegistry, "image": cmdImage, "index": cmdIndex, "cnb": cmdCNB, "layout": cmdLayout, "bad": cmdBad, "reset": cmdReset,
			"artifact": cmdArtifact, "sign": cmdSign, "holds": cmdHolds,
			"requests": count(func(r *testhelpers.Registry) int { return len(r.Requests()) }),
			"writes":   count((*testhelpers.Registry).Writes),
			"exits":    cmdExits, "sha256": cmdSHA256, "mask": cmdMask,
			"hosts": cmdHosts, "paste": cmdPaste,
			"daemon": cmdDaemon, "docker": cmdDocker, "loaded": cmdLoaded, "corrupt": cmdCorrupt, "auth": cmdAuth, "fault": cmdFault, "hub": cmdHub, "upstream": cmdUpstream,
		},
	}
}

type registriesKey struct{}

type tbKey struct{}

// daemonKey is that of where the script's *testhelpers.Daemon stands.
type daemonKey struct{}

func setUp(env *testscript.Env) error {
	tb, ok := env.T().(testing.TB)
	if !ok {
		return errors.New("the script's T is no testing.TB")
	}
	env.Values[tbKey{}] = tb
	env.Values[daemonKey{}] = new(*testhelpers.Daemon)
	env.Values[registriesKey{}] = map[string]*testhelpers.Registry{}
	env.Setenv("PACK_HOME", filepath.Join(env.WorkDir, ".pack"))
	env.Setenv("DOCKER_CONFIG", filepath.Join(env.WorkDir, ".docker"))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("ESC", "\x1b")
	env.Setenv("CSI", "\u009b")
	env.Setenv("RLO", "\u202e")
	env.Setenv("NL", "\n")
	return nil
}

// value is what setUp gave to a script.
func value[T any](ts *testscript.TestScript, key any) T {
	v, ok := ts.Value(key).(T)
	if !ok {
		ts.Fatalf("the script has no %T", key)
	}
	return v
}

func tbOf(ts *testscript.TestScript) testing.TB { return value[testing.TB](ts, tbKey{}) }

func registries(ts *testscript.TestScript) map[string]*testhelpers.Registry {
	return value[map[string]*testhelpers.Registry](ts, registriesKey{})
}

func registryOf(ts *testscript.TestScript, name string) *testhelpers.Registry {
	reg := registries(ts)[name]
	if reg == nil {
		ts.Fatalf("no registry %q", name)
	}
	return reg
}

func cmdRegistry(ts *testscript.TestScript, _ bool, args []string) {
	var options []testhelpers.RegistryOption
	name := args[0]
	for rest := args[1:]; len(rest) > 0; {
		switch rest[0] {
		case "norefs":
			options, rest = append(options, testhelpers.WithoutReferrers()), rest[1:]
		case "tls":
			options, rest = append(options, testhelpers.WithTLS()), rest[1:]
		case "basic":
			options, rest = append(options, testhelpers.WithBasicAuth(rest[1], rest[2])), rest[3:]
		case "bearer":
			options, rest = append(options, testhelpers.WithBearer(rest[1], rest[2])), rest[3:]
		default:
			ts.Fatalf("registry: %q?", rest[0])
		}
	}
	reg := testhelpers.NewRegistry(tbOf(ts), options...)
	registries(ts)[name] = reg
	ts.Setenv(name, reg.Host)
	if slices.Contains(args, "tls") {
		ts.Setenv(name+"_CA", reg.CAFile())
	}
}

// spec reads what image, index and cnb say of a package.
func spec(ts *testscript.TestScript, platform string, words []string) testhelpers.PackageSpec {
	parts := strings.Split(platform, "/")
	if len(parts) < 2 {
		ts.Fatalf("platform %q?", platform)
	}
	arch, version, _ := strings.Cut(parts[1], ":")
	s := testhelpers.PackageSpec{Platform: v1.Platform{OS: parts[0], Architecture: arch, OSVersion: version}}
	if len(parts) == 3 {
		s.Platform.Variant = parts[2]
	}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "oci":
			s.OCI = true
		case "noarch":
			s.EmptyArch = true
		case "id":
			s.ID = value
		case "program":
			s.Program = value
		case "version":
			s.Version = value
		case "seed":
			seed, err := strconv.ParseUint(value, 10, 64)
			ts.Check(err)
			s.Seed = seed
		default:
			ts.Fatalf("what is %q?", word)
		}
	}
	return s
}

// hostOf finds the registry that a reference is for.
func hostOf(ts *testscript.TestScript, ref string) *testhelpers.Registry {
	host, _, _ := strings.Cut(ref, "/")
	for _, reg := range registries(ts) {
		if reg.Host == host {
			return reg
		}
	}
	ts.Fatalf("%s is in no registry of the script", ref)
	return nil
}

func cmdImage(ts *testscript.TestScript, _ bool, args []string) {
	img := testhelpers.Buildpackage(tbOf(ts), spec(ts, args[1], args[2:]))
	_, rest, _ := strings.Cut(args[0], "/")
	digest := hostOf(ts, args[0]).Push(tbOf(ts), rest, img)
	_, err := fmt.Fprint(ts.Stdout(), digest)
	ts.Check(err)
}

func cmdIndex(ts *testscript.TestScript, _ bool, args []string) {
	tb := tbOf(ts)
	var images []v1.Image
	attested := slices.Contains(args, "attested")
	for _, platform := range args[1:] {
		if platform == "attested" || platform == "oci" {
			continue
		}
		words := []string{}
		if slices.Contains(args, "oci") {
			words = append(words, "oci")
		}
		images = append(images, testhelpers.Buildpackage(tb, spec(ts, platform, words)))
	}
	list := testhelpers.List(tb, images...)
	if attested {
		list = testhelpers.Attested(tb, images...)
	}
	_, rest, _ := strings.Cut(args[0], "/")
	digest := hostOf(ts, args[0]).PushIndex(tb, rest, list)
	_, err := fmt.Fprint(ts.Stdout(), digest)
	ts.Check(err)
}

func cmdCNB(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	testhelpers.WriteCNB(tbOf(ts), path, testhelpers.Buildpackage(tbOf(ts), spec(ts, args[1], args[2:])))
}

func cmdLayout(ts *testscript.TestScript, _ bool, args []string) {
	tb, words := tbOf(ts), slices.DeleteFunc(slices.Clone(args[2:]), func(w string) bool { return w == "signed" })
	img := testhelpers.Buildpackage(tb, spec(ts, args[1], words))
	layout := testhelpers.CNB{Images: []v1.Image{img}}
	if len(words) < len(args[2:]) {
		d := testhelpers.Described(tb, img)
		sbom := testhelpers.Artifact(tb, d, "application/spdx+json", "what is in it")
		tag := "sha256-" + d.Digest.Hex + ".sig"
		layout.Images = append(layout.Images, sbom, testhelpers.CosignSignature(tb, d.Digest, "first"))
		layout.Annotations = []map[string]string{nil, nil, {"org.opencontainers.image.ref.name": tag}}
		ts.Setenv("SBOM", testhelpers.Described(tb, sbom).Digest.String())
		ts.Setenv("HEX", d.Digest.Hex)
	}
	layout.Layout(tb, ts.MkAbs(args[0]))
}

func cmdReset(ts *testscript.TestScript, _ bool, args []string) { registryOf(ts, args[0]).Reset() }

// count compares a number that a registry has counted.
func count(of func(*testhelpers.Registry) int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		want, err := strconv.Atoi(args[1])
		ts.Check(err)
		reg := registryOf(ts, args[0])
		if got := of(reg); got != want {
			ts.Fatalf("%d requests, want %d: %v", got, want, reg.Requests())
		}
	}
}

func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	default:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func cmdSHA256(ts *testscript.TestScript, _ bool, args []string) {
	_, err := fmt.Fprintf(ts.Stdout(), "sha256:%x", sha256.Sum256([]byte(ts.ReadFile(args[0]))))
	ts.Check(err)
}

// cmdMask writes FILE to OUT with the hosts of registries and all digests
// replaced by fixed names, so that it can be compared with text in a script.
func cmdMask(ts *testscript.TestScript, _ bool, args []string) {
	text := []byte(ts.ReadFile(args[0]))
	for name, reg := range registries(ts) {
		text = bytes.ReplaceAll(text, []byte(reg.Host), []byte(name))
	}
	for {
		at := bytes.Index(text, []byte("sha256:"))
		if at < 0 {
			break
		}
		end := at + len("sha256:")
		for end < len(text) && strings.ContainsRune("0123456789abcdef", rune(text[end])) {
			end++
		}
		text = slices.Concat(text[:at], []byte("DIGEST"), text[end:])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), append(bytes.TrimSuffix(text, []byte("\n")), '\n'), 0o600))
}

func cmdCorrupt(ts *testscript.TestScript, _ bool, args []string) {
	heads, err := filepath.Glob(ts.MkAbs(".pack/manifests/v1/*" + args[0] + "*/index.json"))
	ts.Check(err)
	if len(heads) != 1 {
		ts.Fatalf("%d lists are like %s", len(heads), args[0])
	}
	ts.Check(os.Truncate(heads[0], 10))
}

func cmdAuth(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.MkdirAll(ts.MkAbs(".docker"), 0o700))
	var hosts []string
	for _, host := range args {
		hosts = append(hosts, fmt.Sprintf("%q: {%q: %q}", host, "auth", "dXNlcjpzZWNyZXQ="))
	}
	config := fmt.Sprintf("{%q: {%s}}", "auths", strings.Join(hosts, ", "))
	ts.Check(os.WriteFile(ts.MkAbs(".docker/config.json"), []byte(config), 0o600))
}
