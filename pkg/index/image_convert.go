package index

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The media types of layers that go-containerregistry has no names for.
const (
	dockerForeignTar = types.MediaType("application/vnd.docker.image.rootfs.foreign.diff.tar")
	dockerZstd       = types.MediaType("application/vnd.docker.image.rootfs.diff.tar.zstd")
)

// equivalents pairs the media types of Docker (first) with those of OCI that
// say the same (https://github.com/opencontainers/image-spec/blob/main/media-types.md#compatibility-matrix).
func equivalents() [][2]types.MediaType {
	return [][2]types.MediaType{
		{types.DockerManifestSchema2, types.OCIManifestSchema1},
		{types.DockerConfigJSON, types.OCIConfigJSON},
		{types.DockerLayer, types.OCILayer},
		{types.DockerUncompressedLayer, types.OCIUncompressedLayer},
		{types.DockerForeignLayer, types.OCIRestrictedLayer},
		{dockerForeignTar, types.OCIUncompressedRestrictedLayer},
	}
}

// equivalent returns the media type of the format that says what t says.
func equivalent(t types.MediaType, to Format) (types.MediaType, bool) {
	if to == OCI && t == dockerZstd {
		return types.OCILayerZStd, true
	}
	for _, pair := range equivalents() {
		if slices.Contains(pair[:], t) {
			return pair[to], true
		}
	}
	return "", false
}

// ConvertImage returns the manifest of an image in the given format. Only media
// types change, each in its place, so that config and layers keep their bytes
// and the way back gives the first bytes. What the format has no words for is
// an error of the kind ErrInvalid, an *index.Rejection that names it: in v2s2
// annotations, artifacts, a subject, layers compressed with zstd.
func ConvertImage(raw []byte, mediaType types.MediaType, to Format) ([]byte, error) {
	image, err := ParseImage(raw, mediaType)
	if err != nil {
		return nil, err
	}
	if f, _ := FormatOf(image.MediaType); f == to {
		return bytes.Clone(raw), nil
	}
	if obstacle := obstacle(image, to); obstacle != "" {
		return nil, &Rejection{Findings: []Finding{{
			Rule: NotConvertible, Severity: Error,
			Entry:   Entry{Descriptor: v1.Descriptor{MediaType: image.MediaType, Digest: DigestOf(raw), Size: int64(len(raw))}},
			Message: fmt.Sprintf("the image has %s, which the format %s cannot hold", obstacle, to),
		}}}
	}
	return rewriteTypes(raw, to)
}

// obstacle names the first thing of an image that the format cannot hold, ""
// for nothing.
func obstacle(image v1.Manifest, to Format) string {
	parts := append([]v1.Descriptor{image.Config}, image.Layers...)
	for _, d := range parts {
		if _, ok := equivalent(d.MediaType, to); !ok {
			return fmt.Sprintf("content of the media type %q", d.MediaType)
		}
		if to == V2S2 && len(d.Annotations) > 0 {
			return "annotations on its layers or config"
		}
	}
	switch {
	case to != V2S2:
		return ""
	case len(image.Annotations) > 0:
		return "annotations"
	case image.ArtifactType != "":
		return "an artifactType"
	case image.Subject != nil:
		return "a subject"
	}
	return ""
}

// rewriteTypes replaces the values of mediaType at the top, in config and in
// each layer, and leaves every other byte.
func rewriteTypes(raw []byte, to Format) ([]byte, error) {
	var edits []swap
	top, err := memberSpans(raw)
	if err != nil {
		return nil, err
	}
	var objects []span
	for _, s := range top {
		switch s.name {
		case "config":
			objects = append(objects, s)
		case "layers":
			layers, err := elementSpans(raw, s)
			if err != nil {
				return nil, err
			}
			objects = append(objects, layers...)
		}
	}
	edits = append(edits, typeEdit(raw, top, to)...)
	for _, o := range objects {
		members, err := memberSpans(raw[o.from:o.to])
		if err != nil {
			return nil, err
		}
		for i := range members {
			members[i].from += o.from
			members[i].to += o.from
		}
		edits = append(edits, typeEdit(raw, members, to)...)
	}
	return splice(raw, edits, to, top), nil
}

// span is where a value stands in a document.
type span struct {
	name     string
	from, to int
}

type swap struct {
	span
	text []byte
}

// typeEdit is the swap of the mediaType among the members of an object.
func typeEdit(raw []byte, members []span, to Format) []swap {
	for _, s := range members {
		if s.name != "mediaType" {
			continue
		}
		var t types.MediaType
		if err := (member{s.name, raw[s.from:s.to]}).readInto(&t); err != nil {
			return nil // not a string: ParseImage has refused it
		}
		other, ok := equivalent(t, to)
		switch {
		case t == "":
			other = to.ImageType() // null, or empty, which only the manifest's own may be
		case !ok:
			return nil // obstacle has refused it
		}
		return []swap{{s, []byte(`"` + string(other) + `"`)}}
	}
	return nil
}

// splice carries out swaps in the order of the document. A manifest that
// does not say its own type, as OCI allows, gets it as first member.
func splice(raw []byte, edits []swap, to Format, top []span) []byte {
	slices.SortFunc(edits, func(a, b swap) int { return a.from - b.from })
	var out bytes.Buffer
	at := 0
	if !slices.ContainsFunc(top, func(s span) bool { return s.name == "mediaType" }) {
		open := bytes.IndexByte(raw, '{') + 1
		out.Write(raw[:open])
		fmt.Fprintf(&out, `"mediaType":"%s",`, to.ImageType())
		at = open
	}
	for _, e := range edits {
		out.Write(raw[at:e.from])
		out.Write(e.text)
		at = e.to
	}
	out.Write(raw[at:])
	return out.Bytes()
}

// memberSpans returns where the values of an object's members stand.
func memberSpans(raw []byte) ([]span, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if _, err := dec.ReadToken(); err != nil {
		return nil, jsonFault(err)
	}
	var spans []span
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, jsonFault(err)
		}
		text := name.String()
		s, err := valueSpan(dec)
		if err != nil {
			return nil, err
		}
		s.name = text
		spans = append(spans, s)
	}
	return spans, nil
}

// elementSpans returns where the elements of the array at s stand.
func elementSpans(raw []byte, s span) ([]span, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw[s.from:s.to]))
	if kind := dec.PeekKind(); kind != '[' {
		return nil, nil
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, jsonFault(err)
	}
	var spans []span
	for dec.PeekKind() != ']' {
		e, err := valueSpan(dec)
		if err != nil {
			return nil, err
		}
		spans = append(spans, span{from: e.from + s.from, to: e.to + s.from})
	}
	return spans, nil
}

func valueSpan(dec *jsontext.Decoder) (span, error) {
	value, err := dec.ReadValue()
	if err != nil {
		return span{}, jsonFault(err)
	}
	end := int(dec.InputOffset())
	return span{from: end - len(value), to: end}, nil
}

// Convert returns the image in the given format, and whether that changed it:
// then its manifest has another digest, its entry and Converted say so, and
// content and origin stay. A list cannot be converted, and neither can an
// attestation to v2s2, whose lists cannot link it.
func (m Manifest) Convert(to Format) (Manifest, bool, error) {
	from, ok := FormatOf(m.MediaType)
	if !ok || from == to {
		return m, false, nil
	}
	switch {
	case m.MediaType.IsIndex():
		return m, false, m.stuck("it is a list in the format %s, kept as one entry, which cannot be converted to %s", from, to)
	case m.IsAttestation():
		return m, false, m.stuck("it is an attestation in the format %s, which has no equivalent in %s", from, to)
	}
	raw, err := ConvertImage(m.Raw, m.MediaType, to)
	if err != nil {
		return m, false, err
	}
	m.Converted = m.Digest
	m.Entry = m.clone()
	if m.Origin.Converted.Hex == "" {
		m.Origin.Converted = m.Converted
	}
	m.Raw, m.Digest, m.Size, m.MediaType = raw, DigestOf(raw), int64(len(raw)), to.ImageType()
	return m, true, nil
}

// stuck says that m cannot be converted.
func (m Manifest) stuck(format string, args ...any) error {
	return reject([]Finding{{Rule: NotConvertible, Severity: Error, Entry: m.Entry, Message: fmt.Sprintf(format, args...)}})
}

// ConvertAll converts images and keeps the links of their attestations. It
// reports all that cannot be converted together.
func ConvertAll(manifests []Manifest, to Format) ([]Manifest, error) {
	converted := slices.Clone(manifests)
	became := map[v1.Hash]v1.Hash{}
	var obstacles []Finding
	for i, m := range manifests {
		c, changed, err := m.Convert(to)
		if err != nil {
			found, ok := findings(err, m.Entry)
			if !ok {
				return nil, err
			}
			obstacles = append(obstacles, found...)
			continue
		}
		converted[i] = c
		if changed {
			became[m.Digest] = c.Digest
		}
	}
	for i, m := range converted {
		if of, ok := m.Attests(); ok && became[of].Hex != "" {
			converted[i].Entry = m.clone()
			converted[i].Annotations[attestationDigest] = became[of].String()
		}
	}
	return converted, reject(obstacles)
}

// findings returns those of a Rejection, about the given entry.
func findings(err error, about Entry) ([]Finding, bool) {
	var rejected *Rejection
	if !errors.As(err, &rejected) {
		return nil, false
	}
	found := slices.Clone(rejected.Findings)
	for i := range found {
		found[i].Entry = about
	}
	return found, true
}
