// Package index is the algebra of image indexes: values in, values out.
//
// An [Index] is what OCI calls an image index and Docker a manifest list; its
// lines are [Entry] values. Indexes are read by [Parse], which is strict and
// keeps the bytes, and changed by [Index.Apply], which applies all edits or
// none and never changes its receiver. Rules look at an index and report
// [Finding] values.
//
// The package does no I/O, never waits and knows no clock: the bytes that it
// writes depend on its inputs alone.
//
// # Bytes
//
// An index that was parsed and not edited has exactly the bytes that were
// parsed. Everything else is written as JSON with two spaces of indentation, no
// escapes that JSON does not require and no final newline. The members of the
// index come in the order schemaVersion, mediaType, artifactType, manifests,
// subject, annotations; those of a descriptor in the order mediaType,
// artifactType, digest, size, urls, annotations, data, platform; those of a
// platform in the order architecture, os, os.version, os.features, variant,
// features. Annotations are sorted by key. Members that may be missing are left
// out where they are empty. Members that this package does not know follow the
// known ones, in the order in which they were read. More than [MaxManifest]
// bytes are never written.
package index
