// Package registry is the wire: it resolves references in registries and
// carries out publish plans over HTTP.
//
// What it guarantees:
//
//   - What it returns was hashed: bytes are compared with the digest that was
//     asked for, never with a header. Manifests, lists and configs are at most
//     [index.MaxManifest] bytes, and nothing is allocated by a size that somebody
//     else claims.
//   - Plain HTTP is spoken with loopback hosts only, unless [Options.Insecure]
//     says otherwise. Credentials go to the host that they are for, and not
//     across a redirect to another scheme, host or port. Link-local addresses
//     are refused after names are resolved, and the URLs in descriptors are
//     never fetched.
//   - Requests that can be repeated are, within limits of count and time, and as
//     late as the registry asks for; everything stops soon after its context
//     ends. Blobs that broke off go on from there where the registry can, and are
//     verified as a whole nevertheless.
//   - [Client.Plan] reads only. [Client.Run] writes blobs, then children, then
//     the list at its first tag, reads it back, and only then writes further
//     tags: readers see the old list or the new one. What refers to children
//     comes after them and before the list, and never takes the place of what
//     would be lost.
//   - Errors are of the kinds of package index and name the thing and the cause.
//
// What it does not: it judges no list (that is what rules are for), remembers
// nothing between clients, deletes nothing, and does not undo what was written
// before a failure, which is content without a tag.
package registry
