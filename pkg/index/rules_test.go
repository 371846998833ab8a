package index_test

import (
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// nested returns an entry that refers to a list.
func nested(n int, f index.Format, platform string) index.Entry {
	e := image(n, f, platform)
	e.MediaType = f.IndexType()
	return e
}

func artifact(n int) index.Manifest {
	e := image(n, index.OCI, "linux/amd64")
	return index.Manifest{Entry: e, Raw: []byte(imageDoc(`"config":` + strings.Replace(configA, "oci.image.config", "cncf.helm.config", 1)))}
}

// Each rule of design page "validation", good and bad. A want is the number of
// the entry and a part of the message.
func TestRules(t *testing.T) {
	t.Parallel()
	odd := image(3, index.OCI, "linux/amd64")
	odd.MediaType = types.DockerManifestSchema1
	program := index.Manifest{Entry: image(1, index.OCI, "linux/amd64"), Raw: []byte(imageDoc(`"config":` + configA)), Config: &v1.ConfigFile{}}
	sourced := from(image(2, index.OCI, "linux/amd64"), "acme/bp:2", "index.docker.io/acme/bp")
	for name, c := range map[string]struct {
		rule    index.Rule
		id      index.RuleID
		entries []index.Entry
		want    []string
	}{
		"not empty":         {index.NotEmpty, index.EmptyList, []index.Entry{image(1, index.OCI, "")}, nil},
		"empty":             {index.NotEmpty, index.EmptyList, nil, []string{": the list has no image"}},
		"attestations only": {index.NotEmpty, index.EmptyList, []index.Entry{attestation(1, digest(2))}, []string{": the list has no image"}},
		"platforms present": {index.PlatformPresent(nil), index.PlatformMissing, []index.Entry{image(1, index.OCI, "linux/amd64"), attestation(2, digest(1)), nested(3, index.OCI, "")}, nil},
		"platforms missing, B23": {index.PlatformPresent(nil), index.PlatformMissing, []index.Entry{
			image(1, index.OCI, ""), image(2, index.OCI, "linux/"), image(3, index.OCI, "/amd64"), image(4, index.OCI, "/"),
		}, []string{"1: no operating system and no architecture", "2: no architecture", "3: no operating system", "4: no operating system and no architecture"}},
		"unique": {index.UniquePlatforms, index.PlatformDuplicate, []index.Entry{
			image(1, index.OCI, "linux/arm/v7"), image(2, index.OCI, "linux/arm/v6"), image(1, index.OCI, "linux/arm"),
			attestation(3, digest(1)), attestation(4, digest(2)), image(5, index.OCI, ""), image(6, index.OCI, ""), image(7, index.OCI, "linux/"),
			image(8, index.OCI, "linux/"), nested(9, index.OCI, "/"), nested(10, index.OCI, "/"),
			image(11, index.OCI, "windows/amd64:10.0.17763.1"), image(12, index.OCI, "windows/amd64:10.0.20348.1"),
		}, nil},
		"duplicates, B5": {index.UniquePlatforms, index.PlatformDuplicate, []index.Entry{
			image(5, index.OCI, ""), image(1, index.OCI, "linux/arm64"), attestation(6, digest(1)), image(3, index.OCI, "linux/amd64"), sourced, image(4, index.OCI, "linux/aarch64/v8"),
		}, []string{
			"2: two images are for linux/amd64: " + digest(3).String() + " and acme/bp:2 (" + digest(2).String() + ")",
			"4: two images are for linux/aarch64/v8: " + digest(1).String() + " and " + digest(4).String(),
		}},
		"known": {index.KnownPlatforms, index.PlatformUnknown, []index.Entry{
			image(1, index.OCI, "linux/amd64"), image(2, index.OCI, ""), image(3, index.OCI, "/"), attestation(4, digest(1)),
		}, nil},
		"unknown, B23": {index.KnownPlatforms, index.PlatformUnknown, []index.Entry{
			image(1, index.OCI, "lunix/armd64"), image(2, index.OCI, "linux/x86_64"), image(3, index.OCI, "linux/arm64v8"), image(4, index.OCI, "macOS/AMD64"),
			image(5, index.OCI, "linux/ARM/V7"),
		}, []string{
			`1: unknown operating system "lunix", did you mean linux?; unknown architecture "armd64", did you mean amd64 or arm64?`,
			`2: unknown architecture "x86_64", did you mean amd64?`, `3: unknown architecture "arm64v8", did you mean arm64/v8?`,
			`4: unknown operating system "macOS", did you mean darwin?; unknown architecture "AMD64", did you mean amd64?`,
			`5: unknown architecture "ARM", did you mean arm?`,
		}},
		"unreadable": {index.KnownPlatforms, index.PlatformUnknown, []index.Entry{
			image(1, index.OCI, "li nux/amd64"), image(2, index.OCI, "linux/amd\x1b64"), image(3, index.OCI, "linux/arm/v\u0437"),
		}, []string{`1: "li nux/amd64" has characters`, `2: "linux/amd\x1b64" has characters`, "3: has characters"}},
		"one family": {index.OneFamily, index.MediaTypeMixed, []index.Entry{image(1, index.OCI, ""), nested(2, index.OCI, ""), odd}, nil},
		"two families": {index.OneFamily, index.MediaTypeMixed, []index.Entry{image(1, index.OCI, ""), image(2, index.V2S2, ""), nested(4, index.V2S2, "")}, []string{
			"2: in the format v2s2, the list in oci", "4: in the format v2s2, the list in oci",
		}},
		"images": {index.ImagesOnly([]index.Manifest{program, {Entry: odd, Raw: []byte("x")}}), index.NotAnImage, []index.Entry{
			program.Entry, image(2, index.V2S2, ""), nested(4, index.OCI, ""),
		}, nil},
		"not images": {index.ImagesOnly([]index.Manifest{program, artifact(2), artifact(4)}), index.NotAnImage, []index.Entry{
			program.Entry, artifact(2).Entry, odd, attestation(4, digest(1)),
		}, []string{`2: it is an artifact: its config is of the type "application/vnd.cncf.helm.config.v1+json"`, `3: prettyjws`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "not images" {
				c.want[1] = `3: media type "` + string(types.DockerManifestSchema1) + `" is neither an image nor a list`
			}
			findings := list(t, index.OCI, c.entries...).Check(c.rule)
			if len(findings) != len(c.want) {
				t.Fatalf("found %+v, want %q", findings, c.want)
			}
			for i, f := range findings {
				number, text, _ := strings.Cut(c.want[i], ": ")
				if f.Rule != c.id || numbers([]index.Entry{f.Entry}) != number || !strings.Contains(f.Message, strings.TrimPrefix(text, ": ")) {
					t.Errorf("found %s at %s: %q, want %s: %q", f.Rule, numbers([]index.Entry{f.Entry}), f.Message, number, text)
				}
			}
		})
	}
}

func TestDuplicatesNameTheOther(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, image(1, index.OCI, "linux/amd64"), image(2, index.OCI, "linux/amd64"), image(3, index.OCI, "linux/amd64"))
	findings := ix.Check(index.UniquePlatforms)
	if len(findings) != 2 || numbers(findings[0].Others) != "1" || numbers(findings[1].Others) != "1" {
		t.Errorf("found %+v", findings)
	}
}

// The rules come in their order, and in that of the entries within one.
func TestCheckOrder(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, image(1, index.V2S2, "linux/"), image(2, index.V2S2, ""))
	var got []string
	for _, f := range ix.Check(index.OneFamily, index.NotEmpty, index.PlatformPresent(nil)) {
		got = append(got, string(f.Rule)+numbers([]index.Entry{f.Entry}))
	}
	if want := "media-type-mixed1 media-type-mixed2 platform-missing1 platform-missing2"; strings.Join(got, " ") != want {
		t.Errorf("found %v", got)
	}
	if findings := ix.Check(); len(findings) != 0 {
		t.Errorf("no rule found %+v", findings)
	}
}

// The table of design page "validation", as far as its rules are here.
func TestSeverities(t *testing.T) {
	t.Parallel()
	for rule, want := range map[index.RuleID][2]index.Severity{
		index.DigestMismatch:    {index.Error, index.Error},
		index.NotAnImage:        {index.Error, index.Error},
		index.ConfigUnreadable:  {index.Error, index.Error},
		index.EmptyList:         {index.Note, index.Error},
		index.PlatformMissing:   {index.Warning, index.Error},
		index.PlatformDuplicate: {index.Error, index.Error},
		index.PlatformUnknown:   {index.Warning, index.Warning},
		index.PlatformMismatch:  {index.Warning, index.Error},
		index.MediaTypeMixed:    {index.Note, index.Warning},
		index.AnnotationsInV2S2: {index.Error, index.Error},
		"a rule of tomorrow":    {index.Error, index.Error},
	} {
		for i, context := range []index.Context{index.Local, index.Publish} {
			judged, err := index.Judge([]index.Finding{{Rule: rule}}, context)
			if len(judged) != 1 || judged[0].Severity != want[i] || (err != nil) != (want[i] == index.Error) {
				t.Errorf("%s in context %d is %+v, %v, want %s", rule, context, judged, err, want[i])
			}
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	found := []index.Finding{
		{Rule: index.MediaTypeMixed, Message: "mixed"},
		{Rule: index.PlatformMissing, Message: "no platform", Entry: image(1, index.OCI, "")},
		{Rule: index.PlatformUnknown, Message: "odd characters", Severity: index.Error},
	}
	judged, err := index.Judge(found, index.Publish)
	wantFault(t, err, index.ErrInvalid, "no platform (platform-missing); odd characters (platform-unknown)")
	var rejection *index.Rejection
	if !errors.As(err, &rejection) || len(rejection.Findings) != 2 || numbers([]index.Entry{rejection.Findings[0].Entry}) != "1" {
		t.Errorf("rejected for %+v", err)
	}
	if len(judged) != 3 || judged[0].Severity != index.Warning || judged[0].Message != "mixed" || found[1].Severity != index.Note {
		t.Errorf("judged %+v, found %+v", judged, found)
	}
	if strings.Contains(err.Error(), "mixed") {
		t.Errorf("a warning stops: %v", err)
	}
	if judged, err := index.Judge(found[:2], index.Local); err != nil || judged[1].Severity != index.Warning {
		t.Errorf("judged %+v, %v", judged, err)
	}
	if judged, err := index.Judge(nil, index.Publish); err != nil || len(judged) != 0 {
		t.Errorf("nothing is judged %+v, %v", judged, err)
	}
	for want, s := range map[string]index.Severity{"note": 0, "warning": index.Warning, "error": index.Error} {
		if s.String() != want {
			t.Errorf("%d is %q", s, s)
		}
	}
}
