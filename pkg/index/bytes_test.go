package index_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// The documented form of a list, every known member in its place.
func TestGoldenBytes(t *testing.T) {
	t.Parallel()
	windows := image(2, index.V2S2, "windows/amd64:10.0.17763.1879")
	windows.Platform.OSFeatures = []string{"win32k", "a"}
	windows.Platform.Features = []string{"sse4"}
	windows.URLs = []string{"https://example.com/a?b=1&c=<2>"}
	docker := list(t, index.V2S2, image(1, index.V2S2, "linux/arm64/v8"), windows, image(3, index.V2S2, ""))
	golden(t, "v2s2.json", raw(t, docker))

	role := annotated(image(4, index.OCI, ""), map[string]string{"z": "last", "a": "</&\u2028é\n\"", "io.cnab.manifest.type": "config"})
	role.ArtifactType = "application/vnd.example"
	role.Data = []byte("abc")
	oci := list(t, index.OCI, role, image(1, index.OCI, "linux/arm64/v8"))
	oci, _ = apply(t, oci, index.AnnotateIndex(map[string]string{"b": "2", "a": "1"}))
	golden(t, "oci.json", raw(t, oci))

	golden(t, "empty.json", raw(t, index.New(index.OCI)))
}

// What the documented form has must be what every JSON reader reads.
func TestGoldenBytesAreJSON(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, annotated(image(1, index.OCI, "linux/amd64"), map[string]string{"k": "</&\u2028é\n\""}))
	var doc v1.IndexManifest
	if err := json.Unmarshal([]byte(raw(t, ix)), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.SchemaVersion != 2 || doc.MediaType != types.OCIImageIndex || len(doc.Manifests) != 1 {
		t.Fatalf("read back as %+v", doc)
	}
	if got := doc.Manifests[0]; got.Digest != digest(1) || got.Size != 1001 || got.Annotations["k"] != "</&\u2028é\n\"" ||
		!got.Platform.Equals(v1.Platform{OS: "linux", Architecture: "amd64"}) {
		t.Errorf("the entry read back as %+v", got)
	}
}

func TestNoEditKeepsBytesAndDigest(t *testing.T) {
	t.Parallel()
	doc := "\r\n\t{ \"manifests\" :[\n" + lineA + ` , "unknown":1.50 } ] ,` + "\t" + `"schemaVersion":2}` + "\n\n"
	ix := parse(t, doc)
	sum := sha256.Sum256([]byte(doc))
	for what, same := range map[string]index.Index{
		"parsed":  ix,
		"no edit": func() index.Index { after, _ := apply(t, ix); return after }(),
		"edits that change nothing": func() index.Index {
			line := ix.Entries()[0]
			after, diff := apply(t, ix, index.Add(line), index.Replace(line), index.Convert(index.OCI), index.AnnotateIndex(nil),
				index.Annotate(index.ByDigest(line.Digest), nil), index.SetPlatform(index.ByDigest(line.Digest), index.PlatformPatch{}))
			if !diff.IsZero() || len(diff.Kept) != 2 {
				t.Errorf("edits that change nothing changed %+v", diff)
			}
			return after
		}(),
		"origins": ix.WithOrigins(func(int, index.Entry) index.Origin { return index.Origin{Ref: "x"} }),
	} {
		if raw(t, same) != doc {
			t.Errorf("%s: the bytes changed", what)
		}
		if got := same.Digest().Hex; got != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: digest is %s", what, got)
		}
	}
}

// B21: the digest and the size of a list are its own, not those of its subject.
func TestDigestIsTheListsOwn(t *testing.T) {
	t.Parallel()
	doc := ociDoc(`"manifests":[],"subject":` + lineA + `}`)
	ix := parse(t, doc)
	if ix.Digest() != index.DigestOf([]byte(doc)) {
		t.Errorf("digest is %s", ix.Digest())
	}
	subject, ok := ix.Subject()
	if !ok || subject.Digest.Hex != hexA || subject.Size != 7 {
		t.Errorf("subject is %+v, %t", subject, ok)
	}
	if mediaType, err := ix.MediaType(); err != nil || mediaType != types.OCIImageIndex {
		t.Errorf("media type is %s, %v", mediaType, err)
	}
	if _, ok := index.New(index.OCI).Subject(); ok {
		t.Error("a new list has a subject")
	}
}

// extended is a list with everything that this package knows and some of what
// it does not, at every level, in its documented form.
func extended() string {
	return `{
  "schemaVersion": 2,
  "mediaType": "` + ociIndexType + `",
  "artifactType": "application/vnd.example.list",
  "manifests": [
    {
      "mediaType": "` + ociImageType + `",
      "artifactType": "application/vnd.example",
      "digest": "` + digest(1).String() + `",
      "size": 1001,
      "annotations": {
        "k": "v"
      },
      "platform": {
        "architecture": "amd64",
        "os": "linux",
        "zz": 1,
        "aa": {
          "os": null
        }
      },
      "zz": [
        1e2,
        -0,
        1.50,
        12345678901234567890123
      ],
      "aa": ""
    },
    {
      "mediaType": "` + ociImageType + `",
      "digest": "` + digest(2).String() + `",
      "size": 1002,
      "platform": {
        "architecture": "arm64",
        "os": "linux"
      },
      "zz": {}
    }
  ],
  "subject": {
    "mediaType": "` + ociImageType + `",
    "digest": "` + digest(9).String() + `",
    "size": 1009,
    "urls": [
      "https://example.com"
    ],
    "zz": true
  },
  "annotations": {
    "a": "1"
  },
  "zz": {
    "b": [],
    "a": {}
  },
  "aa": null
}`
}

// L11, B20, wishes 20 and 26: whatever is edited, all the rest stays, and where
// it was. Each edit must change the documented form by the lines given and by
// nothing else.
func TestEditsKeepTheRest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit     index.Edit
		old, new string
	}{
		"annotate": {
			index.Annotate(index.ByDigest(digest(1)), map[string]string{"k": "w"}), `"k": "v"`, `"k": "w"`,
		},
		"set platform": {
			index.SetPlatform(index.ByDigest(digest(1)), index.PlatformPatch{Variant: new("v3")}),
			"\"os\": \"linux\",\n        \"zz\"", "\"os\": \"linux\",\n        \"variant\": \"v3\",\n        \"zz\"",
		},
		"annotate the list": {
			index.AnnotateIndex(map[string]string{"b": "2"}), "\"a\": \"1\"\n", "\"a\": \"1\",\n    \"b\": \"2\"\n",
		},
		"add": {
			index.Add(image(3, index.OCI, "")), "      \"zz\": {}\n    }",
			"      \"zz\": {}\n    },\n" + `    {
      "mediaType": "` + ociImageType + `",
      "digest": "` + digest(3).String() + `",
      "size": 1003
    }`,
		},
		"replace": {
			index.Replace(image(3, index.OCI, "linux/arm64")),
			`"digest": "` + digest(2).String() + "\",\n      \"size\": 1002,", `"digest": "` + digest(3).String() + "\",\n      \"size\": 1003,",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := strings.Replace(extended(), c.old, c.new, 1)
			if name == "replace" {
				// What belongs to the old entry goes with it.
				want = strings.Replace(want, "},\n      \"zz\": {}\n", "}\n", 1)
			}
			after, diff := apply(t, parse(t, extended()), c.edit)
			if diff.IsZero() {
				t.Error("nothing changed")
			}
			if got := raw(t, after); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if raw(t, parse(t, raw(t, after))) != want {
				t.Error("reading it again changes it")
			}
		})
	}
	after, _ := apply(t, parse(t, extended()), index.Remove(index.ByDigest(digest(2))))
	_, rest, _ := strings.Cut(raw(t, after), "\n  ],\n")
	if _, want, _ := strings.Cut(extended(), "\n  ],\n"); rest != want {
		t.Errorf("after a removal the list goes on with\n%s", rest)
	}
	if after.ArtifactType() != "application/vnd.example.list" {
		t.Errorf("artifact type is %q", after.ArtifactType())
	}
}

// A document in any other form comes out in the documented one.
func TestEditsWriteTheDocumentedForm(t *testing.T) {
	t.Parallel()
	doc := `{"aa":"\u0041\/\u2028","mediaType":"` + ociIndexType + `","zz":[ ],"annotations":{"b":"2","a":"1"},` +
		`"schemaVersion":2,"manifests":[{"x":1,"platform":{"os":"linux","x":2,"architecture":"amd64"},"size":7,` + digestA +
		`,"mediaType":"` + ociImageType + `"}]}`
	after, _ := apply(t, parse(t, doc), index.AnnotateIndex(map[string]string{"c": "3"}))
	golden(t, "reordered.json", raw(t, after))
}

// B17: no artifactType appears by itself, and those that are there stay.
func TestArtifactTypeIsNeverInvented(t *testing.T) {
	t.Parallel()
	for _, f := range []index.Format{index.V2S2, index.OCI} {
		ix := list(t, f, image(1, f, "linux/amd64"), image(2, f, "linux/arm64"))
		ix, _ = apply(t, ix, index.SetPlatform(index.ByDigest(digest(1)), index.PlatformPatch{Variant: new("v2")}),
			index.Remove(index.ByDigest(digest(2))))
		if strings.Contains(raw(t, ix), "artifactType") {
			t.Errorf("%s: %s", f, raw(t, ix))
		}
	}
}

// A hostile member that we do not know must not become gigabytes by indentation.
// It counts what the process allocates, so it does not run in parallel.
func TestEncodeStopsAtTheLimit(t *testing.T) {
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	ix := parse(t, withLine(lineA+`,"x":`+deep+`}`))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	same, _, err := ix.Apply(index.AnnotateIndex(map[string]string{"a": "1"}))
	runtime.ReadMemStats(&after)
	wantFault(t, err, index.ErrInvalid, "more than the 4194304 bytes")
	if same.Digest() != ix.Digest() {
		t.Error("the list changed")
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 64<<20 {
		t.Errorf("%d MiB were allocated", allocated>>20)
	}
	wide := parse(t, withLine(lineA+`,"x":"`+strings.Repeat("x", 4<<20-300)+`"}`))
	_, _, err = wide.Apply(index.AnnotateIndex(map[string]string{"a": strings.Repeat("y", 300)}))
	wantFault(t, err, index.ErrInvalid, "more than the 4194304 bytes")
}

func TestEncodeRefusesTextThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]index.Edit{
		"value": index.AnnotateIndex(map[string]string{"a": "\xff"}),
		"name":  index.AnnotateIndex(map[string]string{"\xff": "a"}),
	} {
		_, _, err := index.New(index.OCI).Apply(edit)
		wantFault(t, err, index.ErrInvalid, "invalid UTF-8")
		if err != nil && strings.Contains(err.Error(), "jsontext") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
