package client

import (
	"context"
	"fmt"
	"maps"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// AddRequest asks to add images to a list that is kept.
type AddRequest struct {
	Name    string
	Sources []string
	Selection
	Validation
	Platform    index.PlatformPatch // of the one image that Sources means
	Annotations map[string]string   // of each image
	Replace     bool                // take the place of the image of the same platform
}

// Add adds images to a list that is kept. On an error the list is as it was.
// ErrNotFound where there is no such list.
func (c *Client) Add(ctx context.Context, req AddRequest) (ListResult, error) {
	n, sources, err := CreateRequest{Name: req.Name, Sources: req.Sources}.parse()
	if err != nil {
		return ListResult{}, err
	}
	list, err := c.store.Get(ctx, n)
	if err != nil {
		return ListResult{}, err
	}
	manifests, err := c.gather(ctx, sources, req.Selection, list.Format())
	if err != nil {
		return ListResult{}, err
	}
	if err := req.dress(manifests); err != nil {
		return ListResult{}, err
	}
	c.tellUnkept(manifests)
	put := index.Add
	if req.Replace {
		put = index.Replace
	}
	known, err := c.withKept(ctx, n, list, manifests)
	if err != nil {
		return ListResult{}, err
	}
	change := changing{content: manifests, known: known, validation: req.Validation}
	return c.update(ctx, n, change, func(old *index.Index) (index.Index, index.Diff, error) {
		if old == nil {
			return index.Index{}, index.Diff{}, missingFault(n)
		}
		return old.Apply(put(entries(manifests)...))
	})
}

func missingFault(n index.Name) error {
	return index.Faultf(index.ErrNotFound, fmt.Sprintf("list %q", n.Familiar()), "it is not in local storage")
}

// dress gives the images the platform fields and annotations of the request.
func (req AddRequest) dress(manifests []index.Manifest) error {
	images := 0
	for i := range manifests {
		m := &manifests[i]
		if m.IsAttestation() {
			continue
		}
		images++
		if err := req.setPlatform(m); err != nil {
			return err
		}
		for k, v := range req.Annotations {
			m.Annotations = maps.Clone(m.Annotations)
			if m.Annotations == nil {
				m.Annotations = map[string]string{}
			}
			m.Annotations[k] = v
		}
	}
	if images > 1 && !req.Platform.IsZero() {
		return index.Faultf(index.ErrUsage, "", "%d images are to be added, so platform fields cannot be given to them", images)
	}
	return nil
}

func (req AddRequest) setPlatform(m *index.Manifest) error {
	if req.Platform.IsZero() {
		return nil
	}
	p := req.Platform.Patch(platformOf(m.Entry))
	if err := index.CheckPlatformNames(p); err != nil {
		return err
	}
	m.Platform = &p
	return nil
}
