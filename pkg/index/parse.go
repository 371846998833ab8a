package index

import (
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Parse reads a list: an OCI image index or a Docker manifest list. It keeps
// raw, so that a list that nobody edits keeps its digest, and every member that
// it does not know. Entries have no origin.
//
// A document that could mean something else to another reader is refused:
// duplicate members, known members in another spelling, members of an image
// manifest, sizes below zero, digests of unknown algorithms. A known member
// that may be missing may be null. The media type may be missing too: such a
// list is an OCI image index
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md).
// Errors are of the kind ErrInvalid.
func Parse(raw []byte) (Index, error) {
	// The members are parts of the bytes, so these must not be the caller's.
	raw = slices.Clone(raw)
	members, err := readDocument(raw)
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
	ix.raw = raw
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
			err = readSubject(m, &ix.subject)
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

// readSubject leaves target as it is where the member is null.
func readSubject(m member, target **Entry) error {
	if m.value.Kind() == 'n' {
		return nil
	}
	subject, err := readEntry(newReader(m.value))
	if err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	*target = &subject
	return nil
}

// parseEntries reads an array of descriptors; it is never nil.
func parseEntries(m member) ([]Entry, error) {
	entries := []Entry{}
	if m.value.Kind() != '[' {
		return nil, fmt.Errorf("%s: want an array", m.name)
	}
	r := newReader(m.value)
	err := r.array(func(i int) error {
		e, err := readEntry(r)
		if err != nil {
			return fmt.Errorf("%s[%d]: %w", m.name, i, err)
		}
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

func readEntry(r *reader) (Entry, error) {
	var e Entry
	e.Size = -1
	err := r.object(func(name string) error {
		err := checkCase(name, "mediaType", "size", "digest", "data", "urls", "annotations", "platform", "artifactType")
		if err != nil {
			return err
		}
		return readEntryMember(r, &e, name)
	})
	if err != nil {
		return Entry{}, err
	}
	return e, checkDescriptor(e.Descriptor)
}

// checkDescriptor refuses what a reader of a list cannot use.
func checkDescriptor(d v1.Descriptor) error {
	if d.Digest == (v1.Hash{}) {
		return errors.New("digest is missing")
	}
	if _, err := v1.NewHash(d.Digest.String()); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	switch {
	case d.MediaType == "":
		return errors.New("mediaType is missing")
	case d.Size < 0:
		return errors.New("size is missing or below zero")
	}
	return nil
}

func readEntryMember(r *reader, e *Entry, name string) error {
	var err error
	switch target := entryField(e, name); {
	case target != nil:
		err = r.into(target)
	case name == "platform":
		err = readPlatform(r, e)
	default:
		e.extra, err = r.another(e.extra, name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// entryField returns a pointer to the field of e that a member goes to, nil
// where there is no single one.
func entryField(e *Entry, name string) any {
	switch name {
	case "mediaType":
		return &e.MediaType
	case "size":
		return &e.Size
	case "digest":
		return &e.Digest
	case "data":
		return &e.Data
	case "urls":
		return &e.URLs
	case "annotations":
		return &e.Annotations
	case "artifactType":
		return &e.ArtifactType
	}
	return nil
}

func readPlatform(r *reader, e *Entry) error {
	if r.dec.PeekKind() == 'n' {
		return r.dec.SkipValue()
	}
	var p v1.Platform
	e.Platform = &p
	return r.object(func(name string) error {
		if err := checkCase(name, "architecture", "os", "os.version", "os.features", "variant", "features"); err != nil {
			return err
		}
		var err error
		if target := platformField(&p, name); target != nil {
			err = r.into(target)
		} else {
			e.platformExtra, err = r.another(e.platformExtra, name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}

// platformField returns a pointer to the field of p that a member goes to, nil
// where the member is not known.
func platformField(p *v1.Platform, name string) any {
	switch name {
	case "architecture":
		return &p.Architecture
	case "os":
		return &p.OS
	case "os.version":
		return &p.OSVersion
	case "os.features":
		return &p.OSFeatures
	case "variant":
		return &p.Variant
	case "features":
		return &p.Features
	}
	return nil
}

// ParseImage reads an image manifest (OCI, or Docker version 2 schema 2) as
// strictly as [Parse] reads a list. declared is the media type that a
// Content-Type header or a descriptor gives it, "" for none; it must agree with
// the document.
func ParseImage(raw []byte, declared types.MediaType) (v1.Manifest, error) {
	members, err := readDocument(raw)
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
	if image.Config.Digest == (v1.Hash{}) {
		return v1.Manifest{}, invalidf("config is missing")
	}
	return image, nil
}

func readImageMember(image *v1.Manifest, m member) error {
	switch m.name {
	case "schemaVersion":
		return m.readInto(&image.SchemaVersion)
	case "config":
		config, err := readEntry(newReader(m.value))
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		image.Config = config.Descriptor
	case "layers":
		layers, err := parseEntries(m)
		if err != nil {
			return err
		}
		for _, l := range layers {
			image.Layers = append(image.Layers, l.Descriptor)
		}
	case "annotations":
		return m.readInto(&image.Annotations)
	case "subject":
		var subject *Entry
		if err := readSubject(m, &subject); err != nil || subject == nil {
			return err
		}
		image.Subject = &subject.Descriptor
	case "artifactType":
		return m.readInto(&image.ArtifactType)
	}
	return nil
}

// MediaTypeOf tells what a manifest or list is. declared is what a Content-Type
// header or a descriptor says, "" for nothing; a document that says otherwise
// is refused, as is one that has members of both kinds (CVE-2021-41190).
func MediaTypeOf(raw []byte, declared types.MediaType) (types.MediaType, error) {
	members, err := readDocument(raw)
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
	for _, m := range members {
		if err := checkCase(m.name, known...); err != nil {
			return "", err
		}
	}
	version, said, has, err := discriminators(members)
	if err != nil {
		return "", err
	}
	kinds := 0
	for _, kind := range []bool{has["manifests"], has["config"] || has["layers"], has["fsLayers"], has["blobs"]} {
		if kind {
			kinds++
		}
	}
	if kinds > 1 {
		return "", errors.New("it has the members of two kinds of document")
	}
	mediaType, err := agreedType(said, declared)
	switch {
	case err != nil:
		return "", err
	case version == 1 || has["fsLayers"]:
		return schema1Type(mediaType)
	case version != 2:
		return "", errors.New("schemaVersion is not 2")
	}
	return fittingType(mediaType, has)
}

// discriminators reads the members that tell kinds of document apart.
func discriminators(members []member) (version int64, said types.MediaType, has map[string]bool, err error) {
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
// agree on, "" where neither says one.
func agreedType(said, declared types.MediaType) (types.MediaType, error) {
	if said == "" {
		return declared, nil
	}
	if declared != "" && said != declared {
		return "", fmt.Errorf("media type %q was declared as %q", said, declared)
	}
	return said, nil
}

// schema1Type is the media type of a document of Docker's version 2 schema 1,
// which may be called by that name or by none.
func schema1Type(mediaType types.MediaType) (types.MediaType, error) {
	switch mediaType {
	case "":
		return types.DockerManifestSchema1, nil
	case types.DockerManifestSchema1, types.DockerManifestSchema1Signed:
		return mediaType, nil
	default:
		return "", fmt.Errorf("media type %q does not fit a document of schema 1", mediaType)
	}
}

// fittingType refuses a media type of a list for what is none, and the other
// way round. Where there is no media type it is the one that OCI gives such a
// document.
func fittingType(mediaType types.MediaType, has map[string]bool) (types.MediaType, error) {
	if mediaType == "" {
		mediaType = types.OCIManifestSchema1
		if has["manifests"] {
			mediaType = types.OCIImageIndex
		}
	}
	if mediaType.IsIndex() != has["manifests"] {
		return "", fmt.Errorf("media type %q does not fit its members", mediaType)
	}
	return mediaType, nil
}
