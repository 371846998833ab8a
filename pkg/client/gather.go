package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Selection says which images of sources that are lists are taken, and whether
// they may be converted.
type Selection struct {
	// Platforms keeps the images of these platforms only; none means all.
	// Fields that a platform leaves out match any value.
	Platforms []string
	// All makes an entry of each image of a list, and of the lists in it, even
	// where the list is the only source and could be taken as it is. An image for
	// which the list gives no platform gets that of its config.
	All bool
	// Nested keeps a list as one entry that refers to it.
	Nested bool
	// PreserveDigests never converts an image to the format of the list.
	PreserveDigests bool
}

// filter is a Selection's platforms, understood.
type filter []v1.Platform

func (s Selection) filter() (filter, error) {
	var f filter
	var faults []error
	for _, text := range s.Platforms {
		p, err := index.ParsePlatform(text)
		f, faults = append(f, p), append(faults, err)
	}
	if s.Nested && len(f) > 0 {
		faults = append(faults, index.Faultf(index.ErrUsage, "", "a list that is kept as one entry cannot be filtered by platform"))
	}
	return f, errors.Join(faults...)
}

// keep returns the images of the platforms and their attestations, in order. A
// platform that no image has is an error.
func (f filter) keep(manifests []index.Manifest) ([]index.Manifest, error) {
	if len(f) == 0 {
		return manifests, nil
	}
	kept := map[v1.Hash]bool{}
	var absent []string
	for _, p := range f {
		fits := index.ByPlatform(p)
		found := false
		for _, m := range manifests {
			if fits.Matches(m.Entry) {
				kept[m.Digest], found = true, true
			}
		}
		if !found {
			absent = append(absent, index.FormatPlatform(p))
		}
	}
	if len(absent) > 0 {
		return nil, index.Faultf(index.ErrNotFound, "platform "+strings.Join(absent, ", "),
			"no image of the sources is for it; they are for %s", platformsOf(manifests))
	}
	return slices.DeleteFunc(slices.Clone(manifests), func(m index.Manifest) bool {
		if of, ok := m.Attests(); ok {
			return !kept[of]
		}
		return !kept[m.Digest]
	}), nil
}

func platformsOf(manifests []index.Manifest) string {
	var texts []string
	for _, m := range manifests {
		if text := m.PlatformString(); text != "" && !m.IsAttestation() {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 {
		return "no platform"
	}
	return strings.Join(texts, ", ")
}

// gather resolves sources, keeps what is selected, and converts it to the
// format of the list that it is for.
func (c *Client) gather(ctx context.Context, sources []source, s Selection, to index.Format) ([]index.Manifest, error) {
	f, err := s.filter()
	if err != nil {
		return nil, err
	}
	in := shape(index.Flatten)
	if s.Nested {
		in = nested
	}
	manifests, err := c.resolve(ctx, sources, in)
	if err != nil {
		return nil, err
	}
	return c.pick(manifests, f, s, to)
}

// pick keeps the images that pass the filter, which is that of s, and converts
// them unless they are to be preserved.
func (c *Client) pick(manifests []index.Manifest, f filter, s Selection, to index.Format) ([]index.Manifest, error) {
	kept, err := f.keep(manifests)
	if err != nil || s.PreserveDigests {
		return kept, err
	}
	return c.convert(kept, to)
}

// convert converts images to a format and tells once of each that it changed.
func (c *Client) convert(manifests []index.Manifest, to index.Format) ([]index.Manifest, error) {
	converted, err := index.ConvertAll(manifests, to)
	if err != nil {
		return nil, err
	}
	told := map[v1.Hash]bool{}
	for _, m := range converted {
		if m.Converted.Hex != "" && !told[m.Digest] {
			told[m.Digest] = true
			c.observe(Event{Converted: &m})
		}
	}
	return converted, nil
}

// contentMissing says that a child cannot be converted because only its entry
// is known.
func contentMissing(m index.Manifest) error {
	return index.Faultf(index.ErrNotFound, fmt.Sprintf("entry %s", m.Digest),
		"its manifest is not kept with the list, so it cannot be converted; add it again with its source")
}
