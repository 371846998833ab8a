// Package layout reads OCI image layouts
// (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) that
// are in a tar archive: .cnb files, as upstream pack writes them, and OCI
// archives of other tools.
//
// It guarantees that the bytes of every manifest and config that it returns
// have the digest and size that refer to them, that every layer that should be
// in the archive is there in its full size, and that a file cannot make it
// write anything, follow a link, or hold more than a few manifests in memory.
// An archive is never unpacked: one pass finds where its members are, and they
// are read from there.
//
// It does not hash layers: who reads one from a [index.Blob] verifies it. It
// does not judge whether an image is a buildpack, or its platform complete.
package layout
