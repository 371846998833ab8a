package index

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// writer writes JSON by jsontext and keeps the first error: text that is not
// UTF-8, or more output than a manifest may have.
type writer struct {
	buf bytes.Buffer
	enc *jsontext.Encoder
	err error
}

func newWriter() *writer {
	w := &writer{}
	w.enc = jsontext.NewEncoder(&w.buf, jsontext.WithIndent("  "), jsontext.EscapeForHTML(false), jsontext.EscapeForJS(false))
	return w
}

func (w *writer) token(t jsontext.Token) {
	if w.err != nil {
		return
	}
	w.err = w.enc.WriteToken(t)
	if w.err == nil && w.enc.OutputOffset() > MaxManifest {
		w.err = fmt.Errorf("the list would have more than the %d bytes that registries and consumers take", MaxManifest)
	}
}

func (w *writer) name(s string) { w.token(jsontext.String(s)) }

// text writes a member, or nothing where the value is empty.
func (w *writer) text(name, value string) {
	if value != "" {
		w.name(name)
		w.token(jsontext.String(value))
	}
}

func (w *writer) texts(name string, values []string) {
	if len(values) == 0 {
		return
	}
	w.name(name)
	w.token(jsontext.BeginArray)
	for _, v := range values {
		w.token(jsontext.String(v))
	}
	w.token(jsontext.EndArray)
}

func (w *writer) annotations(values map[string]string) {
	if len(values) == 0 {
		return
	}
	w.name("annotations")
	w.token(jsontext.BeginObject)
	for _, k := range slices.Sorted(maps.Keys(values)) {
		w.name(k)
		w.token(jsontext.String(values[k]))
	}
	w.token(jsontext.EndObject)
}

func (w *writer) members(members []member) {
	for _, m := range members {
		w.name(m.name)
		w.value(m.value)
	}
}

// value writes a value that was parsed token by token: indentation can make
// gigabytes of deeply nested kilobytes, so it must be able to stop.
func (w *writer) value(v jsontext.Value) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(v))
	for w.err == nil {
		t, err := dec.ReadToken()
		if err != nil {
			// The value was read whole before, so this is its end.
			return
		}
		w.token(t)
	}
}

func (w *writer) platform(p v1.Platform, extra []member) {
	w.name("platform")
	w.token(jsontext.BeginObject)
	w.name("architecture")
	w.token(jsontext.String(p.Architecture))
	w.name("os")
	w.token(jsontext.String(p.OS))
	w.text("os.version", p.OSVersion)
	w.texts("os.features", p.OSFeatures)
	w.text("variant", p.Variant)
	w.texts("features", p.Features)
	w.members(extra)
	w.token(jsontext.EndObject)
}

func (w *writer) entry(e Entry) {
	w.token(jsontext.BeginObject)
	w.text("mediaType", string(e.MediaType))
	w.text("artifactType", e.ArtifactType)
	w.text("digest", e.Digest.String())
	w.name("size")
	w.token(jsontext.Int(e.Size))
	w.texts("urls", e.URLs)
	w.annotations(e.Annotations)
	if len(e.Data) > 0 {
		w.text("data", base64.StdEncoding.EncodeToString(e.Data))
	}
	if e.Platform != nil {
		w.platform(*e.Platform, e.platformExtra)
	}
	w.members(e.extra)
	w.token(jsontext.EndObject)
}

func (w *writer) index(ix Index) {
	w.token(jsontext.BeginObject)
	w.name("schemaVersion")
	w.token(jsontext.Int(2))
	w.text("mediaType", string(ix.format.IndexType()))
	w.text("artifactType", ix.artifactType)
	w.name("manifests")
	w.token(jsontext.BeginArray)
	for _, e := range ix.entries {
		w.entry(e)
	}
	w.token(jsontext.EndArray)
	if ix.subject != nil {
		w.name("subject")
		w.entry(*ix.subject)
	}
	w.annotations(ix.annotations)
	w.members(ix.extra)
	w.token(jsontext.EndObject)
}

// encode returns the bytes of an index as the package comment documents them.
func encode(ix Index) ([]byte, error) {
	w := newWriter()
	// An edit changes the length by little.
	w.buf.Grow(len(ix.raw) + 1<<10)
	w.index(ix)
	if w.err != nil {
		return nil, invalidf("%w", jsonFault(w.err))
	}
	return bytes.TrimSuffix(w.buf.Bytes(), []byte("\n")), nil
}
