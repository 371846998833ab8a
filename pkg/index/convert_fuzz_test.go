package index_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Whatever image is converted stays the same image, of the other format, and
// the way back gives the bytes of before.
func FuzzConvertImage(f *testing.F) {
	oci := imageDoc(`"config":` + configA + `,"layers":[` + layerB + `],"x":{"mediaType":"y"}`)
	for _, seed := range []string{
		dockerImage, oci, strings.Replace(oci, `"mediaType":"`+ociImageType+`",`, "", 1), strings.Replace(oci, `"`+ociImageType+`"`, "null", 1),
		strings.ReplaceAll(oci, "application/", `application\/`), imageDoc(`"config":` + configA + `,"layers":[],"annotations":{"a":"b"}`),
		"\n" + imageDoc(`"layers":[ ] , "config":`+configA) + "\n",
		`{"schemaVersion":2,"":"` + ociImageType + `","config":` + configA + `}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		image, err := index.ParseImage(doc, "")
		if err != nil {
			return
		}
		from, ok := index.FormatOf(image.MediaType)
		to := index.OCI
		if from == index.OCI {
			to = index.V2S2
		}
		there, err := index.ConvertImage(doc, "", to)
		if err != nil {
			if !errors.Is(err, index.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		converted, err := index.ParseImage(there, "")
		if err != nil || !ok || converted.MediaType != to.ImageType() {
			t.Fatalf("%s became %s, %v", doc, there, err)
		}
		if !reflect.DeepEqual(contents(image), contents(converted)) {
			t.Fatalf("%s became %s", doc, there)
		}
		back, err := index.ConvertImage(there, "", from)
		if err != nil {
			t.Fatalf("%s became %s, and back: %v", doc, there, err)
		}
		// A type that was not said is said from then on, and escapes go.
		var said struct{ MediaType string }
		if err := json.Unmarshal(doc, &said); err != nil {
			t.Fatal(err)
		}
		if said.MediaType != "" && !bytes.Contains(doc, []byte(`\`)) && !bytes.Equal(back, doc) {
			t.Fatalf("%s became %s and then %s", doc, there, back)
		}
	})
}

func contents(image v1.Manifest) []v1.Hash {
	all := []v1.Hash{image.Config.Digest}
	for _, l := range image.Layers {
		all = append(all, l.Digest)
	}
	return all
}
