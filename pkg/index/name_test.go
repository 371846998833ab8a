package index_test

import (
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	const nginx = "index.docker.io/library/nginx:latest"
	for typed, want := range map[string]struct{ full, familiar string }{
		"nginx":                               {nginx, "nginx:latest"},
		"nginx:latest":                        {nginx, "nginx:latest"},
		"library/nginx":                       {nginx, "nginx:latest"},
		"docker.io/nginx":                     {nginx, "nginx:latest"},
		"docker.io/library/nginx":             {nginx, "nginx:latest"},
		"index.docker.io/nginx":               {nginx, "nginx:latest"},
		nginx:                                 {nginx, "nginx:latest"},
		"acme/bp:1":                           {"index.docker.io/acme/bp:1", "acme/bp:1"},
		"localhost:5000/x":                    {"localhost:5000/x:latest", "localhost:5000/x:latest"},
		"localhost/x":                         {"localhost/x:latest", "localhost/x:latest"},
		"docker.io/localhost/x":               {"index.docker.io/localhost/x:latest", "index.docker.io/localhost/x:latest"},
		"[::1]:5000/x:1":                      {"[::1]:5000/x:1", "[::1]:5000/x:1"},
		"[::1]/x:1":                           {"[::1]/x:1", "[::1]/x:1"},
		"127.0.0.1:65535/a/b/c":               {"127.0.0.1:65535/a/b/c:latest", "127.0.0.1:65535/a/b/c:latest"},
		"ghcr.io/acme/bp:1.2.3":               {"ghcr.io/acme/bp:1.2.3", "ghcr.io/acme/bp:1.2.3"},
		"ghcr.io/acme/bp:V1_x.y-z":            {"ghcr.io/acme/bp:V1_x.y-z", "ghcr.io/acme/bp:V1_x.y-z"},
		"a/b:" + strings.Repeat("t", 128):     {"index.docker.io/a/b:" + strings.Repeat("t", 128), "a/b:" + strings.Repeat("t", 128)},
		"ghcr.io/" + strings.Repeat("a", 247): {"ghcr.io/" + strings.Repeat("a", 247) + ":latest", "ghcr.io/" + strings.Repeat("a", 247) + ":latest"},
		"xn--80ak6aa92e.com/acme/bp":          {"xn--80ak6aa92e.com/acme/bp:latest", "xn--80ak6aa92e.com/acme/bp:latest"},
	} {
		n, err := index.ParseName(typed)
		if err != nil {
			t.Errorf("%q: %v", typed, err)
			continue
		}
		if n.String() != want.full || n.Familiar() != want.familiar || n.IsZero() {
			t.Errorf("%q is %q, for short %q", typed, n, n.Familiar())
		}
		tag := n.Tag()
		if tag.Name() != want.full || tag.Context().Name() != n.Repository() || n.Repository()+":"+tag.TagStr() != want.full {
			t.Errorf("%q is %q to go-containerregistry, in the repository %q", typed, tag.Name(), n.Repository())
		}
	}
}

// B6 and B7: what is no reference never becomes the key of a list.
func TestParseNameRefuses(t *testing.T) {
	t.Parallel()
	for name, typed := range map[string]string{
		"empty": "", "dot": ".", "dots": "..", "way up": "../x", "way up inside": "a/../b", "way up of a host": "reg.io/a/../../b",
		"flag": "-rf", "flags": "--publish", "space": "Foo Bar", "upper case": "UPPER/x:1", "upper case name": "acme/BP",
		"path": "/etc/passwd", "home": "~/x", "trailing slash": "a/b/", "double slash": "a//b", "only a tag": ":1", "empty tag": "a/b:",
		"port": "reg.io:65536/a", "great port": "reg.io:99999/a", "port 0": "reg.io:0/a", "no port": "reg.io:/a", "port of letters": "reg.io:x/a",
		"digest": "a/b@sha256:" + hexA, "tag and digest": "a/b:1@sha256:" + hexA, "digest alone": "sha256:" + hexA, "hex alone": hexA,
		"sha512 alone":  "sha512:" + strings.Repeat("b", 128),
		"long path":     strings.Repeat("a", 256),
		"long in all":   strings.Repeat("a", 100) + ".io/" + strings.Repeat("b", 200),
		"256 in all":    "ghcr.io/" + strings.Repeat("a", 248),
		"long tag":      "a/b:" + strings.Repeat("t", 200),
		"tag of 129":    "a/b:" + strings.Repeat("t", 129),
		"Cyrillic host": "\u0440\u0435g.io/a/b", "Cyrillic path": "reg.io/\u0430/b", "control": "a/b\x1b[31m", "newline": "a/b\n", "nul": "a\x00b",
		"scheme": "https://reg.io/a", "transport": "docker://a/b", "user": "user:pw@reg.io/a", "query": "a/b?x=1", "backslash": `a\b`,
		"two readings": "Acme.io:1",
	} {
		n, err := index.ParseName(typed)
		wantFault(t, err, index.ErrUsage, "want [REGISTRY/]REPOSITORY[:TAG]")
		if !n.IsZero() {
			t.Errorf("%s: %q came with the error", name, n)
		}
	}
	for typed, want := range map[string]string{
		"reg.io:65536/a":                      `port "65536" is not between 1 and 65535`,
		"sha256:" + hexA:                      "it is a digest",
		"a/b@sha256:" + hexA:                  "it has a digest",
		"ghcr.io/" + strings.Repeat("a", 248): "have 256 characters, more than 255",
	} {
		_, err := index.ParseName(typed)
		wantFault(t, err, index.ErrUsage, want)
	}
}

// B6 and H9: names that differ are lists that differ.
func TestNamesAreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[index.Name]string{}
	for _, typed := range []string{
		"a/b:1", "a_b-1", "a/b-1", "a_b:1", "foo:1-2", "foo-1:2", "x:V1", "x:v1", "localhost:5057/x", "localhost-5057/x", "ghcr.io/a/b:1", "b:1",
	} {
		n, err := index.ParseName(typed)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[n]; ok {
			t.Errorf("%q and %q are one", typed, other)
		}
		seen[n] = typed
	}
	if !(index.Name{}).IsZero() {
		t.Error("the zero value is a name")
	}
}

func TestParseReference(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"nginx":                            "index.docker.io/library/nginx:latest",
		"ghcr.io/acme/bp:1":                "ghcr.io/acme/bp:1",
		"ghcr.io/acme/bp@sha256:" + hexA:   "ghcr.io/acme/bp@sha256:" + hexA,
		"ghcr.io/acme/bp:1@sha256:" + hexA: "ghcr.io/acme/bp@sha256:" + hexA,
		"[::1]:5000/bp:1":                  "[::1]:5000/bp:1",
	} {
		ref, err := index.ParseReference(typed)
		if err != nil {
			t.Errorf("%q: %v", typed, err)
			continue
		}
		if ref.Name() != want {
			t.Errorf("%q is %q", typed, ref.Name())
		}
	}
	for typed, want := range map[string]string{
		"":                                    `reference ""`,
		"../x":                                "invalid reference format",
		"a/../b":                              "invalid reference format",
		"UPPER/x":                             "",
		"-rf":                                 "invalid reference format",
		"reg.io:99999/a":                      `port "99999" is not between 1 and 65535`,
		"sha256:" + hexA:                      "it is a digest", // B13
		"a/b@sha256:" + hexA[1:]:              "",
		"a/b:" + strings.Repeat("t", 200):     "",
		"ghcr.io/" + strings.Repeat("a", 248): "more than 255",
	} {
		ref, err := index.ParseReference(typed)
		wantFault(t, err, index.ErrUsage, want)
		if ref != nil {
			t.Errorf("%q: %q came with the error", typed, ref)
		}
	}
}
