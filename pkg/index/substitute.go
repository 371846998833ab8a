package index

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Substitute puts converted images in the place of what they were: entries
// whose digest is a Converted get the new media type, digest and size, and
// their attestations the new link. Platform, annotations and order stay.
func Substitute(converted ...Manifest) Edit {
	return func(d *draft) error {
		became := map[v1.Hash]Manifest{}
		for _, m := range converted {
			if m.Converted.Hex != "" {
				became[m.Converted] = m
			}
		}
		for at, e := range d.entries {
			if after, changed := substitute(e, became); changed {
				d.change(at, after)
			}
		}
		return nil
	}
}

// substitute returns what becomes of an entry where images became others.
func substitute(e Entry, became map[v1.Hash]Manifest) (after Entry, changed bool) {
	after = e.clone()
	if m, ok := became[e.Digest]; ok {
		after.MediaType, after.Digest, after.Size, after.Data = m.MediaType, m.Digest, m.Size, nil
		changed = true
	}
	of, ok := e.Attests()
	if m, replaced := became[of]; ok && replaced {
		after.Annotations[attestationDigest] = m.Digest.String()
		changed = true
	}
	return after, changed
}
