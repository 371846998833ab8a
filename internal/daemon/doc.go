// Package daemon reads images of a Docker daemon and loads images into it.
//
// An image is saved once, by the daemon, into one temporary file, and read from
// there. It guarantees that every byte of a manifest, config and layer that it
// returns was compared with the digest that refers to it, that platform and
// labels are those of the saved config, that a layer which is compressed here
// has the same bytes each time it is opened, that nothing in an archive leads
// out of it, and that layers are never in memory. What a daemon calls a digest,
// an image ID or a RepoDigest, is never the digest of anything here.
//
// The daemon is found as Docker's own client finds it. Nothing is connected to
// before it is needed. The package reads no variable of the environment itself,
// but what it is made with does: the proxies of HTTP, and programs such as ssh.
//
// It does not wait less long than the daemon takes to save or load an image:
// only the context ends that. It does not judge whether an image is a buildpack.
package daemon
