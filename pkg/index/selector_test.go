package index_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// file returns e as made from a file.
func file(e index.Entry, ref string) index.Entry {
	e.Origin = index.Origin{Kind: index.SourceArchive, Ref: ref}
	return e
}

func TestSelect(t *testing.T) {
	t.Parallel()
	sha512 := image(9, index.OCI, "linux/s390x")
	sha512.Digest = v1.Hash{Algorithm: "sha512", Hex: strings.Repeat("c", 128)}
	daemon := image(8, index.OCI, "linux/386")
	daemon.Origin = index.Origin{Kind: index.SourceDaemon, Ref: "docker-daemon:acme/bp:dev"}
	ix := list(t, index.OCI,
		from(image(1, index.OCI, "linux/amd64"), "acme/bp:1", "index.docker.io/acme/bp"),
		from(image(2, index.OCI, "linux/arm64"), "ghcr.io/acme/bp@"+digest(77).String(), "ghcr.io/acme/bp"),
		image(3, index.OCI, "linux/arm/v7"), image(4, index.OCI, "linux/arm"), image(5, index.OCI, "linux/arm/v6"),
		file(image(6, index.OCI, "windows/amd64:10.0.17763.1879"), "./dist/bp-windows.cnb"),
		image(7, index.OCI, "windows/amd64:10.0.20348.1"),
		daemon, sha512,
		image(10, index.OCI, "lunix/armd64"), image(11, index.OCI, "/amd64"), image(12, index.OCI, ""),
		attestation(13, digest(1)),
	)
	hex := digest(3).Hex
	for which, want := range map[string]string{
		// Digests.
		digest(3).String():              "3",
		"@" + digest(3).String():        "3",
		hex:                             "3",
		hex[:6]:                         "3",
		hex[:63]:                        "3",
		"sha256:" + hex[:6]:             "3",
		hex[:5]:                         "",
		"sha256:" + hex[:5]:             "",
		strings.ToUpper(hex[:6]):        "",
		hex + "0":                       "",
		digest(13).String():             "13",
		"acme/bp@" + digest(1).String(): "1",
		"docker.io/acme/bp@" + digest(1).String(): "1",
		"acme/bp:2@" + digest(1).String():         "1",
		"acme/other@" + digest(1).String():        "",
		"acme/any@" + digest(3).String():          "3", // no origin is known
		// The pin of a source that is a list, and the digest of what came from it.
		"ghcr.io/acme/bp@" + digest(77).String(): "2",
		"ghcr.io/acme/bp@" + digest(2).String():  "2",
		// Platforms.
		"linux/amd64":                "1",
		"linux/x86_64":               "1",
		"Linux/AMD64":                "1",
		"linux/arm64/v8":             "2",
		"linux/arm":                  "4",
		"linux/arm/v7":               "3",
		"linux/arm/7":                "3",
		"linux/arm32v6":              "5",
		"linux/arm/v8":               "",
		"windows/amd64:10.0.20348.1": "7",
		"windows/amd64":              "6 7",
		"windows/arm64":              "",
		"lunix/armd64":               "10",
		"?/amd64":                    "11",
		"unknown/unknown":            "",
		// Sources.
		"acme/bp:1":                          "1",
		"docker.io/acme/bp:1":                "1",
		"docker://index.docker.io/acme/bp:1": "1",
		"acme/bp:2":                          "",
		"acme/bp":                            "",
		"./dist/bp-windows.cnb":              "6",
		"dist/bp-windows.cnb":                "6",
		"dist/../dist//bp-windows.cnb":       "6",
		"oci-archive:dist/bp-windows.cnb":    "6",
		"bp-windows.cnb":                     "6",
		"other/bp-windows.cnb":               "",
		"docker-daemon:acme/bp:dev":          "8",
		"acme/bp:dev":                        "8",
		"bp:dev":                             "8",
	} {
		s := selector(t, which)
		if s.String() != which {
			t.Errorf("%q is shown as %q", which, s)
		}
		if got := numbers(ix.Select(s)); got != want {
			t.Errorf("%q means %q, want %q", which, got, want)
		}
	}
	for _, which := range []string{sha512.Digest.String(), "sha512:cccccc", strings.Repeat("c", 7), "x/y@" + sha512.Digest.String()} {
		if got := ix.Select(selector(t, which)); len(got) != 1 || got[0].Digest != sha512.Digest {
			t.Errorf("%q means %v", which, digests(got))
		}
	}
	if got := ix.Select(index.Selector{}); len(got) != 0 {
		t.Errorf("the zero value means %v", digests(got))
	}
}

// linux/arm means the entry without a variant first, then any variant.
func TestSelectExactBeforeLoose(t *testing.T) {
	t.Parallel()
	v7, v6 := image(7, index.OCI, "linux/arm/v7"), image(6, index.OCI, "linux/arm/v6")
	for want, entries := range map[string][]index.Entry{
		"1":   {v7, image(1, index.OCI, "linux/arm"), v6},
		"7":   {v6, v7},
		"6":   {v6, image(2, index.OCI, "linux/arm64")},
		"6 5": {v6, image(5, index.OCI, "linux/arm/v5")},
	} {
		ix := list(t, index.OCI, entries...)
		if got := numbers(ix.Select(selector(t, "linux/arm"))); got != want {
			t.Errorf("of %s linux/arm means %s, want %s", summary(ix.Entries()), got, want)
		}
	}
}

func TestByPlatform(t *testing.T) {
	t.Parallel()
	featured := image(3, index.OCI, "windows/amd64:10.0")
	featured.Platform.OSFeatures = []string{"win32k", "a"}
	ix := list(t, index.OCI, image(1, index.OCI, "linux/amd64"), image(2, index.OCI, "linux/arm64/v8"), featured,
		attestation(4, digest(1)), image(5, index.OCI, ""))
	for want, p := range map[string]v1.Platform{
		"1 2":   {OS: "linux"},
		"1 3":   {Architecture: "amd64"},
		"1 2 3": {},
		"2":     {OS: "linux", Architecture: "aarch64"},
		"3":     {OS: "windows", Architecture: "amd64", OSFeatures: []string{"a", "win32k"}},
		"":      {OS: "windows", Architecture: "amd64", OSFeatures: []string{"a"}},
	} {
		if got := numbers(ix.Select(index.ByPlatform(p))); got != want {
			t.Errorf("%+v means %q, want %q", p, got, want)
		}
	}
	if s := index.ByPlatform(v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}).String(); s != "linux/arm/v7" {
		t.Errorf("shown as %q", s)
	}
	if got := numbers(ix.Select(index.ByDigest(digest(2)))); got != "2" {
		t.Errorf("a digest means %q", got)
	}
}

// A source whose name looks like the beginning of a digest is still a source.
func TestSelectHexLookingSource(t *testing.T) {
	t.Parallel()
	prefix := digest(1).Hex[:8]
	one := image(1, index.OCI, "linux/amd64")
	for name, c := range map[string]struct {
		other index.Entry
		want  string
	}{
		"as typed":       {from(image(2, index.OCI, "linux/arm64"), prefix, "index.docker.io/library/"+prefix), "2"},
		"in other words": {from(image(2, index.OCI, "linux/arm64"), "docker.io/library/"+prefix, "index.docker.io/library/"+prefix), "1 2"},
		"path":           {file(image(2, index.OCI, "linux/arm64"), "./dist/"+prefix), "1"},
		"none":           {image(2, index.OCI, "linux/arm64"), "1"},
	} {
		if got := numbers(list(t, index.OCI, one, c.other).Select(selector(t, prefix))); got != c.want {
			t.Errorf("%s: %s means %q, want %q", name, prefix, got, c.want)
		}
	}
}

func TestAmbiguousSelectorsListWhatTheyMean(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, image(1, index.OCI, "windows/amd64:10.0.17763.1"), image(2, index.OCI, "windows/amd64:10.0.20348.1"),
		image(3, index.OCI, "linux/amd64"))
	_, _, err := ix.Apply(index.Remove(selector(t, "windows/amd64")))
	wantFault(t, err, index.ErrUsage, `entry "windows/amd64": it means 2 entries of the list: windows/amd64:10.0.17763.1 `+
		digest(1).String()+`, windows/amd64:10.0.20348.1 `+digest(2).String())
	if errors.Is(err, index.ErrNotFound) || strings.Contains(err.Error(), "linux/amd64") {
		t.Errorf("it is %v", err)
	}

	entries := make([]index.Entry, 0, 12)
	for n := range 12 {
		entries = append(entries, image(n, index.OCI, "windows/amd64:10."+strconv.Itoa(n)))
	}
	_, _, err = list(t, index.OCI, entries...).Apply(index.Remove(selector(t, "windows/amd64")))
	wantFault(t, err, index.ErrUsage, "it means 12 entries")
	wantFault(t, err, index.ErrUsage, digest(9).String()+", and 2 more")
}

func TestParseSelectorRefuses(t *testing.T) {
	t.Parallel()
	for which, want := range map[string]string{
		"":                             `entry "": want a digest, a platform or a source`,
		"acme/bp@sha256:12":            `entry "acme/bp@sha256:12": wrong number of hex digits`,
		"@sha256:xyz":                  "non-hex character",
		"acme/bp@md5:" + hexA[:32]:     "unsupported hash",
		"Acme/BP@sha256:" + hexA:       `reference "Acme/BP"`,
		"acme/bp@" + "@sha256:" + hexA: `reference "acme/bp@"`,
	} {
		s, err := index.ParseSelector(which)
		wantFault(t, err, index.ErrUsage, want)
		if s.String() != "" {
			t.Errorf("%q: a selector came with the error", which)
		}
	}
	ix := list(t, index.OCI, file(image(1, index.OCI, "linux/amd64"), "./a@b/bp.cnb"))
	if got := numbers(ix.Select(selector(t, "./a@b/bp.cnb"))); got != "1" {
		t.Errorf("a path with @ means %q", got)
	}
}
