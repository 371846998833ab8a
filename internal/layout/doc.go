// Package layout reads and writes OCI image layouts
// (https://github.com/opencontainers/image-spec/blob/main/image-layout.md):
// directories, .cnb files, as upstream pack writes them, and OCI archives of
// other tools. It also writes the archive of one image that "docker load" reads.
//
// It guarantees that the bytes of every manifest and config that it returns
// have the digest and size that refer to them, that every layer that should be
// in the layout is there in its full size, and that a source cannot make it
// write anything, follow a link out of a directory, or hold more than a few
// manifests in memory. An archive is never unpacked: one pass finds where its
// members are, and they are read from there. What [Writers] write is there as a
// whole or not at all, has been hashed, is on the disk, and is the same for the
// same input.
//
// What refers to an image or list of a layout, such as a signature, is no image
// of the layout, and is returned with what it refers to.
//
// Reading does not hash layers: who reads one from a [index.Blob] verifies it.
// The package does not judge whether an image is a buildpack, or its platform
// complete.
package layout
