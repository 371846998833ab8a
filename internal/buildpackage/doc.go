// Package buildpackage is all that this module knows of Cloud Native
// Buildpacks: it reads the labels of buildpacks, extensions, builders, base and
// application images, tells these kinds apart, and has the rules about them.
//
// What it reads was written by others. A label that is too large, too deep,
// ambiguous or of the wrong types is a finding, never a panic, and costs time
// and memory in proportion to its size, which is at most [index.MaxManifest].
// Members that the package does not know are ignored, as pack does.
//
// The rules look at what resolving learnt and cause no request. [BinaryArch]
// alone reads layers, those that it is given a way to open.
//
// It does not judge whether a buildpack works, it does not follow references to
// other images, and it does not verify the digests of layers that it reads; it
// reads them to their ends, so that those who open them can.
package buildpackage
