package client_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

var errAsked = errors.New("asked")

// read returns what is asked of the registry and of the readers of archives and
// layouts when a list is made of one source, and the error. All readers refuse.
func read(t *testing.T, source string) (registry, archives, layouts []string, err error) {
	t.Helper()
	refuse := func(string) ([]index.Manifest, error) { return nil, errAsked }
	r, a, o := &sources{answers: refuse}, &sources{answers: refuse}, &sources{answers: refuse}
	l := newLab(t)
	c := client.Open(client.Settings{Home: l.home, Env: func(string) string { return "" }},
		client.WithRegistry(r), client.WithArchives(a), client.WithLayouts(o))
	_, err = c.Create(t.Context(), client.CreateRequest{Name: "acme/list", Sources: []string{source}})
	return r.asked, a.asked, o.asked, err
}

func TestSourcesFindTheirReader(t *testing.T) {
	t.Parallel()
	digest := "@sha256:" + strings.Repeat("0", 64)
	for _, c := range []struct{ source, registry, archive, layout string }{
		{source: "nginx", registry: "nginx"},
		{source: "acme/bp:1.2.3", registry: "acme/bp:1.2.3"},
		{source: "localhost:5000/acme/bp", registry: "localhost:5000/acme/bp"},
		{source: "[::1]:5000/acme/bp:1", registry: "[::1]:5000/acme/bp:1"},
		{source: "acme/bp" + digest, registry: "acme/bp" + digest},
		{source: "acme/bp:1" + digest, registry: "acme/bp:1" + digest},
		{source: "docker://acme/bp:1", registry: "acme/bp:1"},
		// Upstream pack does not recognise this one.
		{source: "docker://127.0.0.1:5391/acme/bp:1", registry: "127.0.0.1:5391/acme/bp:1"},
		// What says that it is a reference is one, whatever its tag.
		{source: "docker://127.0.0.1:5391/acme/bp:v1.cnb", registry: "127.0.0.1:5391/acme/bp:v1.cnb"},
		{source: "oci/bp", registry: "oci/bp"},
		{source: "oci:latest", registry: "oci:latest"}, // an image called oci

		{source: "bp.cnb", archive: "bp.cnb"},
		{source: "dist/bp-linux-amd64.cnb", archive: "dist/bp-linux-amd64.cnb"},
		{source: "./dist/bp.tar", archive: "./dist/bp.tar"},
		{source: "../bp", archive: "../bp"},
		{source: "/tmp/bp.tar", archive: "/tmp/bp.tar"},
		{source: `.\dist\bp.tar`, archive: `.\dist\bp.tar`},
		{source: `..\bp`, archive: `..\bp`},
		{source: `C:\dist\bp.cnb`, archive: `C:\dist\bp.cnb`},
		{source: "oci-archive:dist/bp.tar", layout: "oci-archive:dist/bp.tar"},
		{source: "oci-archive:dist/bp.cnb", layout: "oci-archive:dist/bp.cnb"},
		{source: "oci-archive:bp.tar:ghcr.io/acme/bp:1", layout: "oci-archive:bp.tar:ghcr.io/acme/bp:1"},
		{source: "oci:amd64/oci", layout: "oci:amd64/oci"},
		{source: "oci:./dir:name", layout: "oci:./dir:name"},
		{source: "oci:dir:name", layout: "oci:dir:name"},
		{source: "oci:/a@b/dir", layout: "oci:/a@b/dir"},
		{source: `oci:C:\dir:name`, layout: `oci:C:\dir:name`},
		{source: `oci:dist\oci`, layout: `oci:dist\oci`},
		{source: "oci:5000/acme/bp", registry: "oci:5000/acme/bp"}, // a registry called oci
		{source: "dist/bp@1.2.3.cnb", archive: "dist/bp@1.2.3.cnb"},
		{source: "./a=b/bp", archive: "./a=b/bp"},
		{source: "dist/a=b.cnb", archive: "dist/a=b.cnb"},

		{source: "linux/arm64=acme/bp:arm", registry: "acme/bp:arm"},
		{source: "linux/arm64=docker://localhost:5000/acme/bp", registry: "localhost:5000/acme/bp"},
		{source: "windows/amd64:10.0.20348.1=acme/bp", registry: "acme/bp"},
		{source: "linux/x86_64=dist/a=b.cnb", archive: "dist/a=b.cnb"},
		{source: "linux/arm/v7=oci-archive:a=b", layout: "oci-archive:a=b"},
		{source: "linux/arm64v8=oci:arm64v8/oci", layout: "oci:arm64v8/oci"},
		{source: "linux/arm64=./a=b@c", archive: "./a=b@c"},
	} {
		t.Run(c.source, func(t *testing.T) {
			t.Parallel()
			registry, archives, layouts, err := read(t, c.source)
			if !errors.Is(err, errAsked) {
				t.Errorf("the readers' error is lost: %v", err)
			}
			if got := strings.Join(registry, " "); got != c.registry {
				t.Errorf("the registry was asked for %q, want %q", got, c.registry)
			}
			if got := strings.Join(archives, " "); got != c.archive {
				t.Errorf("the archives were asked for %q, want %q", got, c.archive)
			}
			if got := strings.Join(layouts, " "); got != c.layout {
				t.Errorf("the layouts were asked for %q, want %q", got, c.layout)
			}
		})
	}
}

func TestSourcesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ source, says string }{
		{"", `source ""`},
		{"Acme/BP", "Acme/BP"},
		{"acme/bp:", "acme/bp:"},
		{"-rf", "-rf"},
		{"a b", "a b"},
		{"localhost:99999/x", "99999"},
		{"acme/bp@sha256:0", "acme/bp@sha256:0"},
		{"sha256:" + strings.Repeat("0", 64), "needs a repository"},
		{"linux=acme/bp", "want OS/ARCH"},
		{"linux/armd64=acme/bp", "did you mean amd64 or arm64?"},
		{"linux/amd64=", `source "linux/amd64="`},
		{"docker://", `source "docker://"`},
		{"docker-daemon:", `source "docker-daemon:"`},
		{"docker-daemon:Acme/BP", "Acme/BP"},
		{"urn:cnb:registry:acme/bp@1", `"urn" are not supported`},
		{"https://example.com/bp.cnb", `"https" are not supported`},
		{"file:///tmp/bp.cnb", `"file" are not supported`},
	} {
		t.Run(c.source, func(t *testing.T) {
			t.Parallel()
			registry, archives, layouts, err := read(t, c.source)
			wantKind(t, err, index.ErrUsage, c.says)
			if asked := slices.Concat(registry, archives, layouts); len(asked) > 0 {
				t.Errorf("%q was read", asked)
			}
		})
	}
}

// All faults of a request are told together, and nothing is asked.
func TestFaultsOfARequestAreToldTogether(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, err := l.Create(t.Context(), client.CreateRequest{Name: "NO", Sources: []string{"A", l.at("acme/bp:a"), "linux/x=b", "c d"}})
	wantKind(t, err, index.ErrUsage, `list name "NO"`, `source "A"`, `source "linux/x=b"`, `source "c d"`)
	_, err = l.Create(t.Context(), client.CreateRequest{Name: "ok"})
	wantKind(t, err, index.ErrUsage, "no source")
	_, err = l.Delete(t.Context(), client.DeleteRequest{Names: []string{".", "ok", "B"}})
	wantKind(t, err, index.ErrUsage, `list name "."`, `list name "B"`)
	if n := len(l.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// A password in front of a host is a mistake that must not end in a log.
func TestCredentialsAreNeverRepeated(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64")
	l.create("acme/bp:1", index.V2S2, "acme/bp:a")
	digest := "@sha256:" + strings.Repeat("0", 64)
	for _, secret := range []string{
		"user:hunter2@" + l.at("acme/bp:a"), "user:hunter2@" + l.at("acme/bp") + digest, "hunter2@" + l.at("acme/bp"),
		"docker://user:hunter2@" + l.at("acme/bp:a"), "https://user:hunter2@" + l.at("acme/bp:a"), "user:hun/ter2@hunter2@" + l.at("acme/bp"),
		"https://user:hunter2@" + l.at("bp.cnb"), "user:hunter2@" + l.at("bp.cnb"), "docker-daemon:user:hunter2@host/x",
	} {
		for what, do := range map[string]func() error{
			"create": func() error {
				_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:2"), Sources: []string{secret}})
				return err
			},
			"create for a platform": func() error {
				_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:2"), Sources: []string{"linux/amd64=" + secret}})
				return err
			},
			"create for no platform": func() error {
				_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:2"), Sources: []string{"linux/none=" + secret}})
				return err
			},
			"name": func() error {
				_, err := l.Create(t.Context(), client.CreateRequest{Name: secret, Sources: []string{l.at("acme/bp:a")}})
				return err
			},
			"add": func() error {
				_, err := l.Add(t.Context(), client.AddRequest{Name: l.at("acme/bp:1"), Sources: []string{secret}})
				return err
			},
			"add name": func() error {
				_, err := l.Add(t.Context(), client.AddRequest{Name: secret, Sources: []string{"a"}})
				return err
			},
			"inspect": func() error { _, err := l.Inspect(t.Context(), client.InspectRequest{Reference: secret}); return err },
			"push":    func() error { _, err := l.Push(t.Context(), client.PushRequest{Name: secret}); return err },
			"remove": func() error {
				_, err := l.Delete(t.Context(), client.DeleteRequest{Names: []string{secret}})
				return err
			},
			"annotate": func() error {
				_, err := l.Annotate(t.Context(), client.AnnotateRequest{Name: secret, Entry: "linux/amd64"})
				return err
			},
			"rm": func() error {
				_, err := l.RemoveEntries(t.Context(), client.RemoveEntriesRequest{Name: secret, Entries: []string{"linux/amd64"}})
				return err
			},
		} {
			err := do()
			if err == nil {
				t.Errorf("%s %s: no error", what, secret)
			} else if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	for _, entry := range []string{"user:hunter2@" + l.at("acme/bp:a"), "user:hunter2@" + l.at("acme/bp") + digest} {
		_, err := l.RemoveEntries(t.Context(), client.RemoveEntriesRequest{Name: l.at("acme/bp:1"), Entries: []string{entry}})
		wantKind(t, err, index.ErrUsage, "***@")
		_, annotateErr := l.Annotate(t.Context(), client.AnnotateRequest{Name: l.at("acme/bp:1"), Entry: entry})
		wantKind(t, annotateErr, index.ErrUsage, "***@")
		if text := fmt.Sprint(err, annotateErr); strings.Contains(text, "hunter2") {
			t.Error(text)
		}
	}
}

// What was typed is remembered, without the platform in front.
func TestOrigins(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	digest := l.image("acme/bp:a", "linux/amd64")
	arm := l.image("acme/other:arm", "linux/arm64")
	file := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "bp@1=2.cnb"), pack(t, "windows/amd64"))
	result, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: []string{
		"docker://" + l.at("acme/bp:a"), "linux/arm64=" + l.at("acme/other:arm"), "windows/amd64=" + file,
	}})
	if err != nil {
		t.Fatal(err)
	}
	entries := result.Index.Entries()
	want := []index.Origin{
		{Kind: index.SourceRegistry, Ref: "docker://" + l.at("acme/bp:a"), Repository: l.at("acme/bp"), Pin: digest},
		{Kind: index.SourceRegistry, Ref: l.at("acme/other:arm"), Repository: l.at("acme/other"), Pin: arm},
		{Kind: index.SourceArchive, Ref: file, Pin: entries[2].Digest},
	}
	for i, e := range entries {
		if e.Origin != want[i] {
			t.Errorf("got  %+v\nwant %+v", e.Origin, want[i])
		}
	}
	// and an entry is found by it
	for _, name := range []string{file, filepath.Base(file), "docker://" + l.at("acme/bp:a"), l.at("acme/other:arm")} {
		if _, err := l.RemoveEntries(t.Context(), client.RemoveEntriesRequest{Name: l.at("acme/bp:1"), Entries: []string{name}}); err != nil && name != filepath.Base(file) {
			t.Error(err)
		}
	}
}

// PLATFORM= fills in what the config leaves open and contradicts nothing.
func TestGivenPlatformAndConfig(t *testing.T) {
	t.Parallel()
	const refused = ""
	for _, c := range []struct {
		config v1.Platform
		given  string
		want   string
	}{
		{v1.Platform{OS: "linux", Architecture: "amd64"}, "linux/amd64", "linux/amd64"},
		{v1.Platform{OS: "linux", Architecture: "amd64"}, "linux/x86_64", "linux/amd64"},
		{v1.Platform{OS: "linux", Architecture: "amd64"}, "linux/arm64", refused},
		{v1.Platform{OS: "linux", Architecture: "amd64"}, "windows/amd64", refused},
		{v1.Platform{OS: "linux"}, "linux/riscv64", "linux/riscv64"},
		{v1.Platform{OS: "linux"}, "windows/amd64", refused},
		{v1.Platform{}, "windows/amd64:10.0.1", "windows/amd64:10.0.1"},

		{v1.Platform{OS: "linux", Architecture: "arm64"}, "linux/arm64/v8", "linux/arm64/v8"},
		{v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, "linux/arm64", "linux/arm64/v8"},
		{v1.Platform{OS: "linux", Architecture: "arm64"}, "linux/arm64v8", "linux/arm64/v8"},
		{v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v9"}, "linux/arm64/v8", refused},
		{v1.Platform{OS: "linux", Architecture: "arm", Variant: "v6"}, "linux/arm", "linux/arm/v6"},
		{v1.Platform{OS: "linux", Architecture: "arm", Variant: "v6"}, "linux/arm/v7", refused},
		{v1.Platform{OS: "linux", Architecture: "arm"}, "linux/arm/v7", "linux/arm/v7"},

		{v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.1"}, "windows/amd64", "windows/amd64:10.0.1"},
		{v1.Platform{OS: "windows", Architecture: "amd64"}, "windows/amd64:10.0.1", "windows/amd64:10.0.1"},
		{v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.1"}, "windows/amd64:10.0.1", "windows/amd64:10.0.1"},
		{v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.2"}, "windows/amd64:10.0.1", refused},
		{v1.Platform{OS: "windows", Architecture: "amd64", OSFeatures: []string{"win32k"}}, "windows/amd64", "windows/amd64+win32k"},
	} {
		t.Run(fmt.Sprintf("%s for %v", c.given, c.config), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.reg.Push(t, "acme/bp:a", configured(t, c.config))
			result, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: []string{c.given + "=" + l.at("acme/bp:a")}})
			if c.want == refused {
				var rejected *index.Rejection
				if !errors.As(err, &rejected) || rejected.Findings[0].Rule != index.PlatformMismatch {
					t.Fatalf("got %v", err)
				}
				wantKind(t, err, index.ErrInvalid, "was given for it, but its config says "+index.FormatPlatform(c.config))
				if names := l.names(); len(names) > 0 {
					t.Errorf("%v is kept", names)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			e := result.Index.Entries()[0]
			if got := strings.Join(append([]string{e.PlatformString()}, e.Platform.OSFeatures...), "+"); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestAPlatformIsForOneImage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	two := []v1.Image{pack(t, "linux/amd64", "oci"), pack(t, "linux/arm64", "oci")}
	l.reg.PushIndex(t, "acme/bp:two", testhelpers.List(t, two...))
	l.reg.PushIndex(t, "acme/bp:one", testhelpers.Attested(t, two[0]))
	l.reg.PushIndex(t, "acme/bp:none", testhelpers.List(t))
	create := func(source string) (client.ListResult, error) {
		return l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: []string{source}, Format: index.OCI})
	}
	_, err := create("linux/amd64=" + l.at("acme/bp:two"))
	wantKind(t, err, index.ErrUsage, "linux/amd64="+l.at("acme/bp:two"), "a list of several images")
	_, err = create("linux/amd64=" + l.at("acme/bp:none"))
	wantKind(t, err, index.ErrInvalid, "it has no image")
	_, err = create("linux/arm64=" + l.at("acme/bp:one"))
	wantRule(t, err, index.PlatformMismatch, "linux/amd64")
	// buildx #1509: with an attestation beside it, one image is a list.
	result, err := create("linux/amd64/v2=" + l.at("acme/bp:one"))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "entries", platforms(result.Index.Entries()), []string{"linux/amd64/v2", "+unknown/unknown"})
}

func configured(t *testing.T, p v1.Platform) v1.Image {
	t.Helper()
	s := testhelpers.PackageSpec{Platform: p}
	if p.Architecture == "" {
		s.Platform.Architecture, s.EmptyArch = "amd64", true
	}
	if p.OS == "" { // Buildpackage has no image without an operating system
		return scratch(t)
	}
	return testhelpers.Buildpackage(t, s)
}
