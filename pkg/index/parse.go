package index

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Parse reads a list: an OCI image index or a Docker manifest list. It keeps
// raw, so that a list that nobody edits keeps its digest, and every member that
// it does not know. Entries have no origin.
//
// A document that could mean something else to another reader is refused:
// duplicate members, known members in another spelling, members of an image
// manifest, sizes below zero, digests of unknown algorithms.
func Parse(raw []byte) (Index, error) {
	if len(raw) > MaxManifest {
		return Index{}, invalidf("list of %d bytes, more than %d", len(raw), MaxManifest)
	}
	members, err := readObject(raw)
	if err != nil {
		return Index{}, invalidf("%w", err)
	}
	mediaType, err := mediaTypeOf(members, "")
	if err != nil {
		return Index{}, invalidf("%w", err)
	}
	if !mediaType.IsIndex() {
		return Index{}, invalidf("media type %q is no list", mediaType)
	}
	ix, err := parseIndex(members)
	if err != nil {
		return Index{}, invalidf("%w", err)
	}
	ix.format, _ = FormatOf(mediaType)
	ix.raw = slices.Clone(raw)
	return ix, nil
}

func invalidf(format string, args ...any) error {
	return &Fault{Kind: ErrInvalid, Cause: fmt.Errorf(format, args...)}
}

func parseIndex(members []member) (Index, error) {
	var ix Index
	for _, m := range members {
		var err error
		switch m.name {
		case "schemaVersion", "mediaType":
		case "artifactType":
			err = m.readInto(&ix.artifactType)
		case "manifests":
			ix.entries, err = parseEntries(m)
		case "subject":
			var subject Entry
			if subject, err = parseEntry(m.value); err == nil {
				ix.subject = &subject
			}
		case "annotations":
			err = m.readInto(&ix.annotations)
		default:
			ix.extra = append(ix.extra, m)
		}
		if err != nil {
			return Index{}, err
		}
	}
	return ix, nil
}

func parseEntries(m member) ([]Entry, error) {
	values, err := m.elements()
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(values))
	for i, value := range values {
		e, err := parseEntry(value)
		if err != nil {
			return nil, fmt.Errorf("manifests[%d]: %w", i, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func parseEntry(value jsontext.Value) (Entry, error) {
	members, err := readObject(value)
	if err != nil {
		return Entry{}, err
	}
	err = checkCase(members, "mediaType", "size", "digest", "data", "urls", "annotations", "platform", "artifactType")
	if err != nil {
		return Entry{}, err
	}
	var e Entry
	e.Size = -1
	for _, m := range members {
		if err := e.readMember(m); err != nil {
			return Entry{}, err
		}
	}
	return e, checkDescriptor(e.Descriptor)
}

func checkDescriptor(d v1.Descriptor) error {
	switch {
	case d.Digest.Hex == "":
		return errors.New("digest is missing")
	case d.MediaType == "":
		return errors.New("mediaType is missing")
	case d.Size < 0:
		return errors.New("size is missing or below zero")
	}
	return nil
}

func (e *Entry) readMember(m member) error {
	switch m.name {
	case "mediaType":
		return m.readInto(&e.MediaType)
	case "size":
		return m.readInto(&e.Size)
	case "digest":
		return m.readInto(&e.Digest)
	case "data":
		return m.readInto(&e.Data)
	case "urls":
		return m.readInto(&e.URLs)
	case "annotations":
		return m.readInto(&e.Annotations)
	case "artifactType":
		return m.readInto(&e.ArtifactType)
	case "platform":
		return e.readPlatform(m)
	}
	e.extra = append(e.extra, m)
	return nil
}

func (e *Entry) readPlatform(m member) error {
	if m.value.Kind() == 'n' {
		return nil
	}
	members, err := readObject(m.value)
	if err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	known := []string{"architecture", "os", "os.version", "os.features", "variant", "features"}
	if err := checkCase(members, known...); err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	for _, p := range members {
		if !slices.Contains(known, p.name) {
			e.platformExtra = append(e.platformExtra, p)
		}
	}
	e.Platform = &v1.Platform{}
	return m.readInto(e.Platform)
}

// ParseImage reads an image manifest (OCI, or Docker version 2 schema 2) as
// strictly as [Parse] reads a list. declared is the media type that a
// Content-Type header or a descriptor gives it, "" for none; it must agree with
// the document.
func ParseImage(raw []byte, declared types.MediaType) (v1.Manifest, error) {
	members, err := readObject(raw)
	if err != nil {
		return v1.Manifest{}, invalidf("%w", err)
	}
	mediaType, err := mediaTypeOf(members, declared)
	if err != nil {
		return v1.Manifest{}, invalidf("%w", err)
	}
	if !mediaType.IsImage() {
		return v1.Manifest{}, invalidf("media type %q is no image manifest", mediaType)
	}
	image := v1.Manifest{MediaType: mediaType}
	for _, m := range members {
		if err := readImageMember(&image, m); err != nil {
			return v1.Manifest{}, invalidf("%w", err)
		}
	}
	if err := checkImage(image); err != nil {
		return v1.Manifest{}, invalidf("%w", err)
	}
	return image, nil
}

func readImageMember(image *v1.Manifest, m member) error {
	switch m.name {
	case "schemaVersion":
		return m.readInto(&image.SchemaVersion)
	case "config":
		return m.readInto(&image.Config)
	case "layers":
		return m.readInto(&image.Layers)
	case "annotations":
		return m.readInto(&image.Annotations)
	case "subject":
		return m.readInto(&image.Subject)
	case "artifactType":
		return m.readInto(&image.ArtifactType)
	}
	return nil
}

func checkImage(image v1.Manifest) error {
	if err := checkDescriptor(image.Config); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	for i, l := range image.Layers {
		if err := checkDescriptor(l); err != nil {
			return fmt.Errorf("layers[%d]: %w", i, err)
		}
	}
	return nil
}

// MediaTypeOf tells what a manifest or list is. declared is what a Content-Type
// header or a descriptor says, "" for nothing; a document that says otherwise
// is refused, as is one that has members of both kinds (CVE-2021-41190).
func MediaTypeOf(raw []byte, declared types.MediaType) (types.MediaType, error) {
	members, err := readObject(raw)
	if err != nil {
		return "", invalidf("%w", err)
	}
	mediaType, err := mediaTypeOf(members, declared)
	if err != nil {
		return "", invalidf("%w", err)
	}
	return mediaType, nil
}

func mediaTypeOf(members []member, declared types.MediaType) (types.MediaType, error) {
	known := []string{
		"schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations",
		"config", "layers", "fsLayers", "blobs",
	}
	if err := checkCase(members, known...); err != nil {
		return "", err
	}
	version, said, has, err := discriminators(members)
	if err != nil {
		return "", err
	}
	switch {
	case version == 1 || has["fsLayers"]:
		return types.DockerManifestSchema1, nil
	case version != 2:
		return "", errors.New("schemaVersion is not 2")
	case has["manifests"] && (has["config"] || has["layers"] || has["blobs"]):
		return "", errors.New("it has the members of a list and of an image manifest")
	}
	return agreedType(said, declared, has["manifests"])
}

// discriminators reads the members that tell kinds of document apart.
func discriminators(members []member) (version int, said types.MediaType, has map[string]bool, err error) {
	has = map[string]bool{}
	for _, m := range members {
		has[m.name] = true
		switch m.name {
		case "schemaVersion":
			err = m.readInto(&version)
		case "mediaType":
			err = m.readInto(&said)
		}
		if err != nil {
			return 0, "", nil, err
		}
	}
	return version, said, has, nil
}

// agreedType returns the media type that the document and its declaration
// agree on; where neither says, the one that OCI gives such a document.
func agreedType(said, declared types.MediaType, isList bool) (types.MediaType, error) {
	if said != "" && declared != "" && said != declared {
		return "", fmt.Errorf("media type %q was declared as %q", said, declared)
	}
	mediaType := said
	if mediaType == "" {
		mediaType = declared
	}
	if mediaType == "" {
		mediaType = types.OCIManifestSchema1
		if isList {
			mediaType = types.OCIImageIndex
		}
	}
	if mediaType.IsIndex() != isList && (isList || mediaType.IsIndex()) {
		return "", fmt.Errorf("media type %q does not fit its members", mediaType)
	}
	return mediaType, nil
}
