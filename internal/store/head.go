package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

const (
	headFile   = "index.json"
	layoutFile = "oci-layout"
	nameFile   = "name"
	blobsDir   = "blobs"

	layoutText = `{"imageLayoutVersion":"1.0.0"}`

	// nameAnnotation is OCI's name for the reference of a descriptor in a layout.
	nameAnnotation = "org.opencontainers.image.ref.name"
	// sideAnnotation has the digest of the side blob.
	sideAnnotation = "io.github.buildpacks-community.pack-manifest.side"
)

// head is the index.json of a list: it says which blob is the list. To replace
// it is to commit a change.
type head struct {
	list v1.Descriptor
	side v1.Hash // of the side blob, zero for none
	raw  []byte
}

// parseHead reads the index.json of the list n. It must be an OCI index of
// exactly one list that bears the name.
func parseHead(raw []byte, n index.Name) (head, error) {
	ix, err := index.Parse(raw)
	if err != nil {
		return head{}, err
	}
	if ix.Format() != index.OCI || ix.Len() != 1 {
		return head{}, fmt.Errorf("%d entries in %s, want one list", ix.Len(), headFile)
	}
	h := head{list: ix.Entries()[0].Descriptor, raw: raw}
	if name := h.list.Annotations[nameAnnotation]; name != n.String() {
		return head{}, fmt.Errorf("it says that it is %q", name)
	}
	if !h.list.MediaType.IsIndex() {
		return head{}, fmt.Errorf("media type %q is no list", h.list.MediaType)
	}
	if text, ok := h.list.Annotations[sideAnnotation]; ok {
		// One that is damaged is as good as none: the list works without.
		if side, err := v1.NewHash(text); err == nil {
			h.side = side
		}
	}
	return h, nil
}

// headName returns the name in an index.json that may be damaged otherwise.
func headName(raw []byte) string {
	ix, err := index.Parse(raw)
	if err != nil || ix.Len() != 1 {
		return ""
	}
	return ix.Entries()[0].Annotations[nameAnnotation]
}

// encodeHead returns the index.json that makes a list current. What a later
// version wrote into the old one and this one does not know is kept; old may be
// nil.
func encodeHead(old []byte, n index.Name, list v1.Descriptor, side v1.Hash) ([]byte, error) {
	doc, line := map[string]any{}, map[string]any{}
	if old != nil {
		var err error
		if doc, line, err = openHead(old); err != nil {
			return nil, err
		}
	}
	annotations := map[string]any{}
	if kept, ok := line["annotations"].(map[string]any); ok {
		maps.Copy(annotations, kept)
	}
	annotations[nameAnnotation] = n.String()
	annotations[sideAnnotation] = side.String()
	// These would speak of the list before.
	for _, member := range []string{"artifactType", "data", "platform", "urls"} {
		delete(line, member)
	}
	line["mediaType"], line["digest"], line["size"] = list.MediaType, list.Digest, list.Size
	line["annotations"] = annotations
	doc["schemaVersion"], doc["mediaType"] = 2, types.OCIImageIndex
	doc["manifests"] = []any{line}
	return json.MarshalIndent(doc, "", "  ")
}

// openHead takes an index.json apart into its members and those of its entry.
func openHead(raw []byte) (doc, line map[string]any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // a foreign number must not lose digits
	if err := dec.Decode(&doc); err != nil {
		return nil, nil, err
	}
	if lines, ok := doc["manifests"].([]any); ok && len(lines) == 1 {
		if line, ok := lines[0].(map[string]any); ok {
			return doc, line, nil
		}
	}
	return nil, nil, errors.New("want one list")
}
