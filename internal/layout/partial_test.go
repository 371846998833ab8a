package layout_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// partial writes a list of two images, without some of the content.
func partial(t *testing.T, without ...string) string {
	t.Helper()
	a, b := manifest(descriptor(confType, `{"os":"linux"}`)), manifest(descriptor(confType, `{"os":"aix"}`))
	nested := list(descriptor(imageType, a), descriptor(imageType, b))
	all := []string{a, b, nested, `{"os":"linux"}`, `{"os":"aix"}`}
	all = slices.DeleteFunc(all, func(s string) bool { return slices.Contains(without, s) })
	return write(t, members(list(descriptor(listType, nested)), all...)...)
}

func TestPartial(t *testing.T) {
	t.Parallel()
	a, b := manifest(descriptor(confType, `{"os":"linux"}`)), manifest(descriptor(confType, `{"os":"aix"}`))
	for _, c := range []struct {
		without []string
		want    []string
	}{
		{nil, []string{a, b}},
		{[]string{a}, []string{b}},
		{[]string{`{"os":"aix"}`}, []string{a}},
	} {
		got, err := layout.Partial{}.Resolve(t.Context(), partial(t, c.without...))
		if err != nil {
			t.Fatal(err)
		}
		var raws []string
		for _, m := range got {
			raws = append(raws, string(m.Raw))
		}
		if !slices.Equal(raws, c.want) {
			t.Errorf("without %q: %q, want %q", c.without, raws, c.want)
		}
	}
	got, err := layout.Partial{}.Resolve(t.Context(), partial(t, a, `{"os":"aix"}`))
	if len(got) > 0 || !errors.Is(err, index.ErrInvalid) {
		t.Fatalf("%d images, %v", len(got), err)
	}
	for _, text := range []string{"it has all of no image: manifest " + digest(a) + " is missing", "config " + digest(`{"os":"aix"}`)} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q\ndoes not say %q", err, text)
		}
	}
}

// What is there is judged as ever.
func TestPartialIsStrict(t *testing.T) {
	t.Parallel()
	lies := blob(`{"os":"aix"}`)
	lies.Body = []byte(`{"os":"XIA"}`)
	a := manifest(descriptor(confType, `{"os":"aix"}`))
	path := write(t, append(members(list(descriptor(imageType, a)), a), lies)...)
	if _, err := (layout.Partial{}).Resolve(t.Context(), path); !errors.Is(err, index.ErrInvalid) || !strings.Contains(err.Error(), "has content of the digest") {
		t.Errorf("error %v", err)
	}
	if _, err := (layout.Archives{}).Resolve(t.Context(), partial(t, a)); err == nil {
		t.Error("other archives may lack content, too")
	}
}
