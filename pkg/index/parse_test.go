package index_test

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

const (
	ociIndexType   = "application/vnd.oci.image.index.v1+json"
	ociImageType   = "application/vnd.oci.image.manifest.v1+json"
	dockerListType = "application/vnd.docker.distribution.manifest.list.v2+json"
)

var (
	hexA    = strings.Repeat("a", 64)
	digestA = `"digest":"sha256:` + hexA + `"`
	// lineA is a descriptor that nothing is wrong with, and open for more.
	lineA = `{"mediaType":"` + ociImageType + `",` + digestA + `,"size":7`
)

// ociDoc returns an OCI image index with members after the media type.
func ociDoc(members string) string {
	return `{"schemaVersion":2,"mediaType":"` + ociIndexType + `",` + members + `}`
}

// withLine returns an OCI image index of one descriptor.
func withLine(descriptor string) string { return ociDoc(`"manifests":[` + descriptor + `]`) }

// R33 and CVE-2021-41190: what two readers could read differently is refused.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	nested := strings.Repeat("[", 10001) + strings.Repeat("]", 10001)
	for name, c := range map[string]struct{ doc, want string }{
		"empty":                     {"", "want a JSON object"},
		"null":                      {"null", "want a JSON object"},
		"array":                     {"[]", "want a JSON object"},
		"cut":                       {`{"schemaVersion":2`, "ends too early"},
		"cut name":                  {`{"schemaVer`, "ends too early"},
		"no value":                  {`{"schemaVersion"}`, "invalid character"},
		"trailing data":             {ociDoc(`"manifests":[]`) + ` {}`, "more after the JSON object"},
		"trailing garbage":          {ociDoc(`"manifests":[]`) + `x`, "more after the JSON object"},
		"byte order mark":           {"\ufeff" + ociDoc(`"manifests":[]`), "want a JSON object: invalid character"},
		"invalid UTF-8":             {ociDoc(`"manifests":[],"x":"` + "\xff" + `"`), "invalid UTF-8"},
		"lone surrogate":            {ociDoc(`"manifests":[],"x":"\ud800"`), "surrogate"},
		"comment":                   {"/* */" + ociDoc(`"manifests":[]`), "want a JSON object: invalid character"},
		"too deep":                  {ociDoc(`"manifests":[],"x":` + nested), "depth"},
		"duplicate at the top":      {ociDoc(`"manifests":[],"manifests":[]`), `duplicate object member name "manifests"`},
		"duplicate by escape":       {ociDoc(`"manifests":[],"manifest\u0073":[]`), "duplicate object member name"},
		"duplicate in a descriptor": {withLine(lineA + `,"size":8}`), `duplicate object member name "size"`},
		"duplicate in a platform":   {withLine(lineA + `,"platform":{"os":"a","os":"b"}}`), "duplicate object member name"},
		"duplicate in annotations":  {ociDoc(`"manifests":[],"annotations":{"a":"1","a":"2"}`), "duplicate object member name"},
		"duplicate deep":            {ociDoc(`"manifests":[],"x":[{"y":[{"z":1,"z":2}]}]`), "duplicate object member name"},
		"case at the top":           {ociDoc(`"Manifests":[]`), `member "manifests" is spelled "Manifests"`},
		"case beside":               {ociDoc(`"manifests":[],"MANIFESTS":[]`), "is spelled"},
		"case in a descriptor":      {withLine(lineA + `,"Digest":"x"}`), `member "digest" is spelled "Digest"`},
		"case by folding":           {withLine(lineA + `,"\u017fize":1}`), `member "size" is spelled`},
		"case in a platform":        {withLine(lineA + `,"platform":{"OS":"linux"}}`), `platform: member "os" is spelled "OS"`},
		"config":                    {ociDoc(`"manifests":[],"config":{}`), "members of two kinds"},
		"layers":                    {ociDoc(`"manifests":[],"layers":[]`), "members of two kinds"},
		"fsLayers":                  {ociDoc(`"manifests":[],"fsLayers":[]`), "members of two kinds"},
		"blobs":                     {ociDoc(`"manifests":[],"blobs":[]`), "members of two kinds"},
		"schema 1":                  {`{"schemaVersion":1,"fsLayers":[]}`, "is no list"},
		"schema 1 list":             {`{"schemaVersion":1,"manifests":[]}`, "is no list"},
		"schema 1 as list":          {`{"schemaVersion":1,"mediaType":"` + ociIndexType + `","manifests":[]}`, "does not fit a document of schema 1"},
		"no schema version":         {`{"mediaType":"` + ociIndexType + `","manifests":[]}`, "schemaVersion is not 2"},
		"schema version 3":          {`{"schemaVersion":3,"manifests":[]}`, "schemaVersion is not 2"},
		"schema version text":       {`{"schemaVersion":"2","manifests":[]}`, "schemaVersion: unexpected string"},
		"schema version null":       {`{"schemaVersion":null,"manifests":[]}`, "schemaVersion is not 2"},
		"media type of an image":    {`{"schemaVersion":2,"mediaType":"` + ociImageType + `","manifests":[]}`, "does not fit its members"},
		"media type unknown":        {`{"schemaVersion":2,"mediaType":"text/html","manifests":[]}`, "does not fit its members"},
		"media type number":         {`{"schemaVersion":2,"mediaType":2,"manifests":[]}`, "mediaType: unexpected number"},
		"image":                     {`{"schemaVersion":2,"config":` + lineA + `},"layers":[]}`, "is no list"},
		"no manifests":              {`{"schemaVersion":2,"mediaType":"` + ociIndexType + `"}`, "does not fit its members"},
		"nothing but a version":     {`{"schemaVersion":2}`, "is no list"},
		"manifests null":            {ociDoc(`"manifests":null`), "manifests: want an array"},
		"manifests object":          {ociDoc(`"manifests":{}`), "manifests: want an array"},
		"entry null":                {withLine("null"), "manifests[0]: want a JSON object"},
		"entry number":              {withLine(lineA + "},5"), "manifests[1]: want a JSON object"},
		"size missing":              {withLine(`{"mediaType":"x",` + digestA + `}`), "size is missing or below zero"},
		"size null":                 {withLine(`{"mediaType":"x","size":null,` + digestA + `}`), "size is missing or below zero"},
		"size negative":             {withLine(`{"mediaType":"x","size":-5,` + digestA + `}`), "size is missing or below zero"},
		"size 2^63":                 {withLine(`{"mediaType":"x","size":9223372036854775808,` + digestA + `}`), "size: unexpected number"},
		"size float":                {withLine(`{"mediaType":"x","size":1.5,` + digestA + `}`), "size: unexpected number 1.5"},
		"size exponent":             {withLine(`{"mediaType":"x","size":1e3,` + digestA + `}`), "size: unexpected number"},
		"size text":                 {withLine(`{"mediaType":"x","size":"7",` + digestA + `}`), "size: unexpected string"},
		"digest missing":            {withLine(`{"mediaType":"x","size":7}`), "digest is missing"},
		"digest null":               {withLine(`{"mediaType":"x","size":7,"digest":null}`), "digest is missing"},
		"digest number":             {withLine(`{"mediaType":"x","size":7,"digest":5}`), "digest: unexpected number 5"},
		"media type object":         {`{"schemaVersion":2,"mediaType":{},"manifests":[]}`, "mediaType: unexpected object"},
		"media type false":          {`{"schemaVersion":2,"mediaType":false,"manifests":[]}`, "mediaType: unexpected false"},
		"data number":               {withLine(lineA + `,"data":1}`), "data: unexpected number 1"},
		"urls text":                 {withLine(lineA + `,"urls":"u"}`), `urls: unexpected string "u"`},
		"url object":                {withLine(lineA + `,"urls":[{}]}`), "urls: unexpected object"},
		"digest empty":              {withLine(`{"mediaType":"x","size":7,"digest":""}`), "digest:"},
		"digest without algorithm":  {withLine(`{"mediaType":"x","size":7,"digest":"` + hexA + `"}`), "digest:"},
		"digest unknown algorithm":  {withLine(`{"mediaType":"x","size":7,"digest":"md5:` + hexA[:32] + `"}`), "digest:"},
		"digest short":              {withLine(`{"mediaType":"x","size":7,"digest":"sha256:` + hexA[1:] + `"}`), "digest:"},
		"digest upper case":         {withLine(`{"mediaType":"x","size":7,"digest":"sha256:` + strings.ToUpper(hexA) + `"}`), "digest:"},
		"digest path":               {withLine(`{"mediaType":"x","size":7,"digest":"sha256:../../../etc/passwd"}`), "digest:"},
		"entry without media type":  {withLine(`{"size":7,` + digestA + `}`), "manifests[0]: mediaType is missing"},
		"annotations array":         {ociDoc(`"manifests":[],"annotations":[]`), "annotations: unexpected array"},
		"annotation number":         {ociDoc(`"manifests":[],"annotations":{"a":1}`), "annotations: unexpected number"},
		"annotation null":           {ociDoc(`"manifests":[],"annotations":{"a":null}`), "annotations: unexpected null"},
		"url null":                  {withLine(lineA + `,"urls":[null]}`), "urls: unexpected null"},
		"os feature null":           {withLine(lineA + `,"platform":{"os.features":[null]}}`), "platform: os.features: unexpected null"},
		"platform text":             {withLine(lineA + `,"platform":"linux"}`), "platform: want a JSON object"},
		"os number":                 {withLine(lineA + `,"platform":{"os":1}}`), "platform: os: unexpected number"},
		"data no base64":            {withLine(lineA + `,"data":"*"}`), "data:"},
		"subject text":              {ociDoc(`"manifests":[],"subject":"x"`), "subject: want a JSON object"},
		"subject without size":      {ociDoc(`"manifests":[],"subject":{"mediaType":"x",` + digestA + `}`), "subject: size is missing"},
		"artifact type number":      {ociDoc(`"manifests":[],"artifactType":1`), "artifactType: unexpected number"},
		"4 MiB and one":             {ociDoc(`"manifests":[]` + strings.Repeat(" ", 4<<20-len(ociDoc(`"manifests":[]`))+1)), "4194305 bytes, more than 4194304"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ix, err := index.Parse([]byte(c.doc))
			wantFault(t, err, index.ErrInvalid, c.want)
			if ix.Len() != 0 || ix.Format() != index.V2S2 {
				t.Errorf("a list came with the error: %d entries, %s", ix.Len(), ix.Format())
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	sha512 := `"digest":"sha512:` + strings.Repeat("b", 128) + `"`
	for name, c := range map[string]struct {
		doc    string
		format index.Format
		len    int
	}{
		"empty":                       {ociDoc(`"manifests":[]`), index.OCI, 0},
		"docker":                      {`{"schemaVersion":2,"mediaType":"` + dockerListType + `","manifests":[` + lineA + `}]}`, index.V2S2, 1},
		"media type missing":          {`{"schemaVersion":2,"manifests":[` + lineA + `}]}`, index.OCI, 1},
		"media type null":             {`{"schemaVersion":2,"mediaType":null,"manifests":[]}`, index.OCI, 0},
		"media type empty":            {`{"schemaVersion":2,"mediaType":"","manifests":[]}`, index.OCI, 0},
		"optional members null":       {withLine(lineA + `,"platform":null,"annotations":null,"urls":null,"data":null,"artifactType":null}`), index.OCI, 1},
		"list members null":           {ociDoc(`"manifests":[],"annotations":null,"subject":null,"artifactType":null`), index.OCI, 0},
		"platform members null":       {withLine(lineA + `,"platform":{"os":null,"os.features":null}}`), index.OCI, 1},
		"sha512":                      {withLine(`{"mediaType":"x","size":7,` + sha512 + `}`), index.OCI, 1},
		"size 2^63-1":                 {withLine(`{"mediaType":"x","size":9223372036854775807,` + digestA + `}`), index.OCI, 1},
		"media type of no kind":       {withLine(`{"mediaType":"text/x","size":0,` + digestA + `}`), index.OCI, 1},
		"escaped names":               {`{"\u0073chemaVersion":2,"manifests":[]}`, index.OCI, 0},
		"null in what we do not know": {withLine(lineA + `,"x":null,"platform":{"y":[null]}}`), index.OCI, 1},
		"case in annotations":         {ociDoc(`"manifests":[],"annotations":{"a":"1","A":"2"}`), index.OCI, 0},
		"exactly 4 MiB":               {ociDoc(`"manifests":[]` + strings.Repeat(" ", 4<<20-len(ociDoc(`"manifests":[]`)))), index.OCI, 0},
		"9000 deep":                   {ociDoc(`"manifests":[],"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000)), index.OCI, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ix := parse(t, c.doc)
			if ix.Format() != c.format || ix.Len() != c.len {
				t.Errorf("got %d entries in %s, want %d in %s", ix.Len(), ix.Format(), c.len, c.format)
			}
			if raw(t, ix) != c.doc {
				t.Error("the bytes changed")
			}
		})
	}
}

// R32: a list as long as the limit lets it be costs time by its length, and so
// do 100 000 children that are nothing. It measures time, so it does not run in
// parallel.
func TestParseManyChildren(t *testing.T) {
	doc := func(n int, line func(int) string) []byte {
		lines := make([]string, n)
		for i := range lines {
			lines[i] = line(i)
		}
		return []byte(withLine(strings.Join(lines, ",")))
	}
	linear(t, 2500, func(n int) {
		ix, err := index.Parse(doc(n, func(i int) string { return `{"mediaType":"x","size":0,"digest":"` + digest(i).String() + `"}` }))
		if err != nil || ix.Len() != n {
			t.Fatalf("got %d entries of %d: %v", ix.Len(), n, err)
		}
		apply(t, index.New(index.OCI), index.Add(ix.Entries()...))
	})
	linear(t, 10_000, func(n int) {
		_, err := index.Parse(doc(n, func(i int) string { return `{"x":` + strconv.Itoa(i) + `}` }))
		wantFault(t, err, index.ErrInvalid, "manifests[0]: digest is missing")
	})
}

// linear checks that ten times as much work takes about ten times as long; were
// it quadratic, it would take a hundred times as long. The bounds leave room for
// a busy machine.
func linear(t *testing.T, n int, work func(n int)) {
	t.Helper()
	seconds := func(n int) float64 {
		start := time.Now()
		work(n)
		return time.Since(start).Seconds()
	}
	few, many := 0.0, math.Inf(1)
	for range 3 {
		few, many = max(few, seconds(n)), min(many, seconds(10*n))
	}
	if limit := 25*few + 0.2; many > limit {
		t.Errorf("%d take %.3f s and %d take %.3f s, more than %.3f s", n, few, 10*n, many, limit)
	}
}
