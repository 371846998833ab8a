package index_test

import (
	"slices"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func TestParseRequired(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]struct {
		platforms []string
		atLeast   bool
	}{
		"linux/amd64":                {[]string{"linux/amd64"}, false},
		"linux/amd64, linux/aarch64": {[]string{"linux/amd64", "linux/arm64"}, false},
		"+linux/amd64":               {[]string{"linux/amd64"}, true},
		"linux/arm/v7,linux/amd64+":  {[]string{"linux/arm/v7", "linux/amd64"}, true},
	} {
		got, err := index.ParseRequired(s)
		var texts []string
		for _, p := range got.Platforms {
			texts = append(texts, index.FormatPlatform(p))
		}
		if err != nil || got.AtLeast != want.atLeast || !slices.Equal(texts, want.platforms) {
			t.Errorf("%q is %v, %+v, %v", s, texts, got, err)
		}
	}
	for s, want := range map[string]string{
		"":                       `platform ""`,
		"+":                      `platform ""`,
		"linux":                  "want OS/ARCH",
		"linux/amd64,":           `platform ""`,
		"linux/armd64,lunix/arm": "did you mean linux?",
	} {
		_, err := index.ParseRequired(s)
		wantFault(t, err, index.ErrUsage, want)
	}
	_, err := index.ParseRequired("linux/armd64,lunix/arm")
	wantFault(t, err, index.ErrUsage, "did you mean amd64 or arm64?")
}

func TestRequire(t *testing.T) {
	t.Parallel()
	oci := func(n int, platform string) index.Entry { return image(n, index.OCI, platform) }
	for name, c := range map[string]struct {
		require string
		entries []index.Entry
		want    []string
	}{
		"the same": {"linux/amd64,linux/arm64", []index.Entry{
			oci(1, "linux/arm64/v8"), oci(2, "linux/amd64"), attestation(3, digest(1)), nested(4, index.OCI, "darwin/arm64"),
		}, nil},
		"left open":      {"linux/arm,windows/amd64", []index.Entry{oci(1, "linux/arm/v6"), oci(2, "windows/amd64:10.0.17763.1")}, nil},
		"more, at least": {"linux/amd64+", []index.Entry{oci(1, "linux/amd64"), oci(2, "linux/arm64")}, nil},
		"more": {"linux/amd64", []index.Entry{oci(1, "linux/amd64"), oci(2, "linux/arm64"), oci(3, "")}, []string{
			"2: an image for linux/arm64 is not among what the list must have",
			"3: an image for no platform is not among what the list must have",
		}},
		"less": {"linux/amd64,linux/arm64,windows/amd64,linux/aarch64", []index.Entry{oci(1, "linux/amd64")}, []string{
			"-: the list must have linux/arm64, windows/amd64 and has not",
		}},
		"less, at least": {"+linux/arm/v7", []index.Entry{oci(1, "linux/arm/v6")}, []string{"-: the list must have linux/arm/v7 and has not"}},
		"both": {"linux/arm64", []index.Entry{oci(1, "linux/amd64")}, []string{
			"-: the list must have linux/arm64 and has not", "1: an image for linux/amd64 is not among what the list must have",
		}},
		"nested lists are not looked into": {"linux/amd64", []index.Entry{nested(1, index.OCI, "linux/amd64")}, []string{
			"-: the list must have linux/amd64 and has not",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			required, err := index.ParseRequired(c.require)
			if err != nil {
				t.Fatal(err)
			}
			wantFound(t, list(t, index.OCI, c.entries...).Check(index.Require(required)), index.PlatformsRequired, c.want...)
		})
	}
}

func TestRequireNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	required, err := index.ParseRequired("+linux/amd64,linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	findings := index.New(index.OCI).Check(index.Require(required))
	if len(findings) != 1 || !slices.Equal(findings[0].Values, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("found %+v", findings)
	}
}
