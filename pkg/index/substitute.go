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
			after := e.clone()
			if m, ok := became[e.Digest]; ok {
				after.MediaType, after.Digest, after.Size, after.Data = m.MediaType, m.Digest, m.Size, nil
			}
			if of, ok := e.Attests(); ok && became[of].Digest.Hex != "" {
				after.Annotations[attestationDigest] = became[of].Digest.String()
			}
			if after.Digest != e.Digest || after.Annotations[attestationDigest] != e.Annotations[attestationDigest] {
				d.change(at, after)
			}
		}
		return nil
	}
}
