package layout_test

import (
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

const plainConfig = `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`

// plain is an image without layers; two of different words differ.
func plain(word string) string {
	config := descriptor(confType, plainConfig)
	return `{"schemaVersion":2,"mediaType":"` + imageType + `","config":` + config + `,"layers":[],"annotations":{"word":"` + word + `"}}`
}

// flat is an index.json of images that were made of a list.
func flat(of string, images ...string) string {
	var descriptors []string
	for _, image := range images {
		descriptors = append(descriptors, descriptor(imageType, image))
	}
	annotation := `,"annotations":{"` + index.ListAnnotation + `":"` + of + `"}}`
	return strings.TrimSuffix(list(descriptors...), "}") + annotation
}

// An index.json of single images leads back to the list that they are of, lists
// in it included, as long as it is about the same images.
func TestListsOfFlatFiles(t *testing.T) {
	t.Parallel()
	one, two, three := plain("one"), plain("two"), plain("three")
	inner := list(descriptor(imageType, two))
	outer := list(descriptor(listType, inner), descriptor(imageType, one))
	images := []string{one, two, three, plainConfig}
	for name, c := range map[string]struct {
		all  []testhelpers.Member
		want []string
	}{
		"whole":           {members(flat(digest(outer), one, two), append(images, inner, outer)...), []string{digest(outer)}},
		"image went":      {members(flat(digest(outer), one), append(images, inner, outer)...), []string{digest(one)}},
		"image came":      {members(flat(digest(outer), one, two, three), append(images, inner, outer)...), []string{digest(one), digest(two), digest(three)}},
		"list went":       {members(flat(digest(outer), one, two), append(images, inner)...), []string{digest(one), digest(two)}},
		"inner list went": {members(flat(digest(outer), one, two), append(images, outer)...), []string{digest(one), digest(two)}},
		"no digest":       {members(flat("sha256:x", one, two), append(images, inner, outer)...), []string{digest(one), digest(two)}},
	} {
		for _, source := range []string{"oci-archive:" + write(t, c.all...), "oci:" + unpack(t, c.all...)} {
			var got []string
			for _, m := range unflattened(t, source) {
				got = append(got, m.Digest.String())
			}
			if strings.Join(got, " ") != strings.Join(c.want, " ") {
				t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		}
	}
	whole := unflattened(t, "oci-archive:"+write(t, members(flat(digest(outer), one, two), append(images, inner, outer)...)...))
	if len(whole) != 1 || string(whole[0].Raw) != outer || len(whole[0].Children) != 2 || len(whole[0].Children[0].Children) != 1 {
		t.Errorf("%d documents, the first %s", len(whole), whole[0].Raw)
	}
	// A name asks for what index.json itself has.
	named := transport(t, "oci-archive:"+write(t, members(flat(digest(outer), one, two), append(images, inner, outer)...)...)+":"+digest(two))
	if len(named) != 1 || named[0].Digest.String() != digest(two) {
		t.Errorf("by its digest come %d images, the first %s", len(named), named[0].Digest)
	}
}

func unflattened(t *testing.T, source string) []index.Manifest {
	t.Helper()
	found, err := layout.Transports{}.Resolve(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What is named as the list and is none is damage, or worse.
func TestListsOfFlatFilesThatAreNone(t *testing.T) {
	t.Parallel()
	one := plain("one")
	outer := list(descriptor(imageType, one))
	lie := members(flat(digest(outer), one), one, plainConfig)
	lie = append(lie, member("blobs/"+strings.Replace(digest(outer), ":", "/", 1), outer+" "))
	for want, all := range map[string][]testhelpers.Member{
		"has content of the digest": lie,
		"is no list":                members(flat(digest(one), one), one, plainConfig),
	} {
		refused(t, "oci:"+unpack(t, all...), index.ErrInvalid, want)
	}
	content := []string{list(descriptor(imageType, one))}
	for range 64 {
		content = append(content, list(descriptor(listType, content[len(content)-1])))
	}
	top := content[len(content)-1]
	refused(t, "oci:"+unpack(t, members(flat(digest(top), one), append(content, one, plainConfig)...)...), index.ErrInvalid, "more than 8 deep")
}
