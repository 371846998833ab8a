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
// It does not judge whether a buildpack works, and it does not follow references
// to other images. Layers at hand it verifies; those that others open it reads to
// their ends, so that they can.
package buildpackage
