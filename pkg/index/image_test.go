package index_test

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

const (
	configA = `{"mediaType":"application/vnd.oci.image.config.v1+json","size":3,` + `"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`
	layerB  = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":4,` + `"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","urls":["u"]}`
)

// imageDoc returns an OCI image manifest with members after the media type.
func imageDoc(members string) string {
	return `{"schemaVersion":2,"mediaType":"` + ociImageType + `",` + members + `}`
}

func TestParseImage(t *testing.T) {
	t.Parallel()
	doc := imageDoc(`"artifactType":"application/vnd.example","config":` + configA + `,"layers":[` + layerB + `,` + layerB + `],"subject":` + lineA +
		`},"annotations":{"k":"v"},"unknown":{"Config":1}`)
	image, err := index.ParseImage([]byte(doc), "")
	if err != nil {
		t.Fatal(err)
	}
	if image.SchemaVersion != 2 || image.MediaType != types.OCIManifestSchema1 || image.ArtifactType != "application/vnd.example" ||
		image.Annotations["k"] != "v" || image.Subject == nil || image.Subject.Size != 7 {
		t.Errorf("the image is %+v", image)
	}
	if image.Config.Size != 3 || image.Config.Digest.Hex != hexA || len(image.Layers) != 2 || image.Layers[1].Size != 4 || image.Layers[1].URLs[0] != "u" {
		t.Errorf("config and layers are %+v, %+v", image.Config, image.Layers)
	}

	for name, c := range map[string]struct {
		doc      string
		declared types.MediaType
		want     types.MediaType
	}{
		"docker":            {`{"schemaVersion":2,"mediaType":"` + string(types.DockerManifestSchema2) + `","config":` + configA + `,"layers":[]}`, "", types.DockerManifestSchema2},
		"declared":          {`{"schemaVersion":2,"config":` + configA + `}`, types.DockerManifestSchema2, types.DockerManifestSchema2},
		"declared and said": {imageDoc(`"config":` + configA), types.OCIManifestSchema1, types.OCIManifestSchema1},
		"neither":           {`{"schemaVersion":2,"config":` + configA + `}`, "", types.OCIManifestSchema1},
		"subject is null":   {imageDoc(`"config":` + configA + `,"subject":null,"annotations":null`), "", types.OCIManifestSchema1},
	} {
		image, err := index.ParseImage([]byte(c.doc), c.declared)
		if err != nil || image.MediaType != c.want || image.Config.Size != 3 || image.Subject != nil {
			t.Errorf("%s: %+v, %v", name, image, err)
		}
	}
}

// R33 and CVE-2021-41190, on the side of the image.
func TestParseImageRefuses(t *testing.T) {
	t.Parallel()
	good := imageDoc(`"config":` + configA + `,"layers":[]`)
	for name, c := range map[string]struct {
		doc      string
		declared types.MediaType
		want     string
	}{
		"empty":                  {"", "", "want a JSON object"},
		"trailing data":          {good + "{}", "", "more after the JSON object"},
		"manifests":              {imageDoc(`"config":` + configA + `,"manifests":[]`), "", "members of two kinds"},
		"manifests null":         {imageDoc(`"config":` + configA + `,"manifests":null`), "", "members of two kinds"},
		"declared as a list":     {good, types.OCIImageIndex, `was declared as "` + ociIndexType + `"`},
		"declared as docker":     {good, types.DockerManifestSchema2, "was declared as"},
		"declared as a page":     {`{"schemaVersion":2,"config":` + configA + `}`, "text/html", `media type "text/html" is no image manifest`},
		"declared list":          {`{"schemaVersion":2,"config":` + configA + `}`, types.OCIImageIndex, "does not fit its members"},
		"list":                   {ociDoc(`"manifests":[]`), "", "is no image manifest"},
		"artifact manifest":      {`{"schemaVersion":2,"mediaType":"application/vnd.oci.artifact.manifest.v1+json","blobs":[]}`, "", "is no image manifest"},
		"schema 1":               {`{"schemaVersion":1,"fsLayers":[]}`, "", "is no image manifest"},
		"schema 1 and 2":         {imageDoc(`"config":` + configA + `,"fsLayers":[]`), "", "members of two kinds"},
		"no config":              {imageDoc(`"layers":[]`), "", "config is missing"},
		"config null":            {imageDoc(`"config":null`), "", "config: want a JSON object"},
		"config without digest":  {imageDoc(`"config":{"mediaType":"x","size":1}`), "", "config: digest is missing"},
		"config in another case": {imageDoc(`"Config":` + configA), "", `member "config" is spelled "Config"`},
		"case in the config":     {imageDoc(`"config":` + strings.Replace(configA, `"size":3`, `"size":3,"Size":4`, 1)), "", `config: member "size" is spelled "Size"`},
		"twice in the config":    {imageDoc(`"config":` + strings.Replace(configA, `"size":3`, `"size":3,"size":4`, 1)), "", "duplicate object member name"},
		"layers null":            {imageDoc(`"config":` + configA + `,"layers":null`), "", "layers: want an array"},
		"layer without size":     {imageDoc(`"config":` + configA + `,"layers":[` + layerB + `,{"mediaType":"x",` + digestA + `}]`), "", "layers[1]: size is missing"},
		"case in a layer":        {imageDoc(`"config":` + configA + `,"layers":[` + strings.Replace(layerB, "digest", "DIGEST", 1) + `]`), "", `layers[0]: member "digest" is spelled "DIGEST"`},
		"size of a layer":        {imageDoc(`"config":` + configA + `,"layers":[` + strings.Replace(layerB, `:4`, `:-4`, 1) + `]`), "", "layers[0]: size is missing or below zero"},
		"subject text":           {imageDoc(`"config":` + configA + `,"subject":"x"`), "", "subject: want a JSON object"},
		"annotation null":        {imageDoc(`"config":` + configA + `,"annotations":{"a":null}`), "", "annotations: unexpected null"},
		"too long":               {good + strings.Repeat(" ", 4<<20), "", "more than 4194304"},
	} {
		image, err := index.ParseImage([]byte(c.doc), c.declared)
		wantFault(t, err, index.ErrInvalid, c.want)
		if image.Config.Size != 0 || image.MediaType != "" {
			t.Errorf("%s: %+v came with the error", name, image)
		}
	}
}

func TestMediaTypeOf(t *testing.T) {
	t.Parallel()
	schema1 := `{"schemaVersion":1,"name":"x","fsLayers":[],"history":[]}`
	for name, c := range map[string]struct {
		doc            string
		declared, want types.MediaType
	}{
		"list":              {ociDoc(`"manifests":[]`), "", types.OCIImageIndex},
		"list, declared":    {`{"schemaVersion":2,"manifests":[]}`, types.DockerManifestList, types.DockerManifestList},
		"list, nothing":     {`{"schemaVersion":2,"manifests":[]}`, "", types.OCIImageIndex},
		"image":             {imageDoc(`"config":{}`), types.OCIManifestSchema1, types.OCIManifestSchema1},
		"image, nothing":    {`{"schemaVersion":2,"config":{}}`, "", types.OCIManifestSchema1},
		"schema 1":          {schema1, "", types.DockerManifestSchema1},
		"schema 1, signed":  {schema1, types.DockerManifestSchema1Signed, types.DockerManifestSchema1Signed},
		"something unknown": {`{"schemaVersion":2,"mediaType":"application/vnd.example","blobs":[]}`, "", "application/vnd.example"},
	} {
		if got, err := index.MediaTypeOf([]byte(c.doc), c.declared); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, c.want)
		}
	}
	for want, c := range map[string]struct {
		doc      string
		declared types.MediaType
	}{
		"want a JSON object":                      {"[]", ""},
		"was declared as":                         {ociDoc(`"manifests":[]`), types.OCIManifestSchema1},
		"does not fit its members":                {`{"schemaVersion":2,"manifests":[]}`, types.OCIManifestSchema1},
		"does not fit a document of schema 1":     {schema1, types.OCIManifestSchema1},
		"schemaVersion is not 2":                  {`{"config":{}}`, ""},
		"members of two kinds":                    {`{"schemaVersion":2,"fsLayers":[],"manifests":[]}`, ""},
		`member "fsLayers" is spelled "fslayers"`: {`{"schemaVersion":2,"fslayers":[],"config":{}}`, ""},
		"more than 4194304":                       {strings.Repeat(" ", 4<<20+1), ""},
	} {
		got, err := index.MediaTypeOf([]byte(c.doc), c.declared)
		wantFault(t, err, index.ErrInvalid, want)
		if got != "" {
			t.Errorf("%q came with the error %q", got, want)
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]index.Format{"v2s2": index.V2S2, "docker": index.V2S2, "oci": index.OCI} {
		f, err := index.ParseFormat(name)
		if err != nil || f != want {
			t.Errorf("%q is %s, %v", name, f, err)
		}
		if again, err := index.ParseFormat(f.String()); err != nil || again != f {
			t.Errorf("%s is read as %s, %v", f, again, err)
		}
		for _, mediaType := range []types.MediaType{f.IndexType(), f.ImageType()} {
			if got, ok := index.FormatOf(mediaType); !ok || got != f {
				t.Errorf("%s belongs to %s, %t", mediaType, got, ok)
			}
		}
		if !f.IndexType().IsIndex() || !f.ImageType().IsImage() {
			t.Errorf("%s has lists of %s and images of %s", f, f.IndexType(), f.ImageType())
		}
	}
	for _, name := range []string{"", "OCI", "v2s1", "oci "} {
		_, err := index.ParseFormat(name)
		wantFault(t, err, index.ErrUsage, `format "`+name+`": want "v2s2" or "oci"`)
	}
	for _, mediaType := range []types.MediaType{"", types.OCIConfigJSON, types.DockerManifestSchema1, "text/html"} {
		if f, ok := index.FormatOf(mediaType); ok {
			t.Errorf("%q belongs to %s", mediaType, f)
		}
	}
}

func TestBlobs(t *testing.T) {
	t.Parallel()
	config, manifest := []byte(`{"os":"linux"}`), []byte(imageDoc(`"config":`+configA))
	layer := index.BytesBlob(digest(3), []byte("layer"))
	child := index.Manifest{Entry: image(2, index.OCI, ""), Raw: manifest, RawConfig: config}
	m := index.Manifest{Entry: image(1, index.OCI, ""), Raw: manifest, RawConfig: config, Layers: []index.Blob{layer}, Children: []index.Manifest{child}}
	want := []struct {
		digest v1.Hash
		bytes  string
	}{
		{digest(1), string(manifest)},
		{v1.Hash{Algorithm: "sha256", Hex: hexA}, string(config)},
		{digest(3), "layer"},
		{digest(2), string(manifest)},
		{v1.Hash{Algorithm: "sha256", Hex: hexA}, string(config)},
	}
	got := m.Blobs()
	if len(got) != len(want) {
		t.Fatalf("got %d blobs", len(got))
	}
	for i, b := range got {
		for range 2 { // it can be read again
			if text := read(t, b); b.Digest != want[i].digest || b.Size != int64(len(want[i].bytes)) || text != want[i].bytes {
				t.Errorf("blob %d is %s, %d bytes, %q", i, b.Digest, b.Size, text)
			}
		}
	}
	m.RawConfig, m.Children = nil, nil
	if got := m.Blobs(); len(got) != 2 || got[1].Digest != digest(3) {
		t.Errorf("without a config it has %d blobs", len(got))
	}
	if got := (index.Manifest{Raw: []byte("x"), RawConfig: config}).Blobs(); len(got) != 1 {
		t.Errorf("what is no image has %d blobs", len(got))
	}
}
