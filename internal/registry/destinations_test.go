package registry_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestTwoDestinations: no list is written before the content is everywhere, no
// further tag before the list is.
func TestTwoDestinations(t *testing.T) {
	t.Parallel()
	one, two := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	one.Push(t, "a/source:0", image(t, 0))
	c := newClient(t)
	pub := publication(t, resolve(t, c, one.Host+"/a/source:0"), one.Host+"/a/list:1", two.Host+"/b/list:1", one.Host+"/a/list:2", two.Host+"/b/list:2")
	steps := mustPublish(t, c, pub)
	has(t, one, "a/list", "1", pub.Index)
	has(t, one, "a/list", "2", pub.Index)
	has(t, two, "b/list", "1", pub.Index)
	has(t, two, "b/list", "2", pub.Index)
	var order []string
	for _, s := range steps {
		if s.Tag != "" || s.Kind == index.StepChild {
			order = append(order, strings.TrimSpace(s.To.RepositoryStr()+" "+string(s.Kind)+" "+s.Tag))
		}
	}
	want := []string{
		"a/list child", "b/list child", "a/list list 1", "a/list verify 1", "b/list list 1", "b/list verify 1", "a/list tag 2", "b/list tag 2",
	}
	if !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
}

// TestNothingIsTaggedUntilAllIsEverywhere: what the second destination refuses
// leaves the first without a tag, and again only the rest is done.
func TestNothingIsTaggedUntilAllIsEverywhere(t *testing.T) {
	t.Parallel()
	one, two := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	one.Push(t, "a/source:0", image(t, 0))
	two.Inject(testhelpers.Fault{Method: http.MethodPost, Match: "/uploads/", Do: answering(http.StatusForbidden)})
	c := newClient(t)
	pub := publication(t, resolve(t, c, one.Host+"/a/source:0"), one.Host+"/a/list:1", two.Host+"/b/list:1")
	_, err := publish(t, c, pub)
	wants(t, err, index.ErrDenied, two.Host+"/b/list")
	if _, _, ok := one.Manifest("a/list", "1"); ok {
		t.Error("the first destination is tagged")
	}
	two.ClearFaults()
	one.Reset()
	pub.Fresh = false
	mustPublish(t, c, pub)
	has(t, one, "a/list", "1", pub.Index)
	has(t, two, "b/list", "1", pub.Index)
	if n := one.Writes(); n != 1 {
		t.Errorf("%d writes to what had all but the list: %v", n, one.Requests())
	}
}

// TestFaultsOfAllDestinations: what several destinations refuse is told together.
func TestFaultsOfAllDestinations(t *testing.T) {
	t.Parallel()
	one, two, three := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	one.Push(t, "a/source:0", image(t, 0))
	for _, reg := range []*testhelpers.Registry{two, three} {
		reg.Inject(testhelpers.Fault{Method: http.MethodHead, Match: "/manifests/", Do: answering(http.StatusForbidden)})
	}
	c := newClient(t)
	pub := publication(t, resolve(t, c, one.Host+"/a/source:0"), one.Host+"/a/list:1", two.Host+"/b/list:1", three.Host+"/c/list:1")
	_, err := publish(t, c, pub)
	wants(t, err, index.ErrDenied, two.Host, three.Host)
	if n := one.Writes() + two.Writes() + three.Writes(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

func TestIfTag(t *testing.T) {
	t.Parallel()
	nothing, other := v1.Hash{}, v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	for _, c := range []struct {
		name   string
		there  bool // something else is at the tag
		expect func(old v1.Hash) v1.Hash
		says   string // "" for nothing to complain of
	}{
		{"absent and is", false, func(v1.Hash) v1.Hash { return nothing }, ""},
		{"absent and is not", true, func(v1.Hash) v1.Hash { return nothing }, "the tag is expected to be absent, and names sha256:"},
		{"the old one and is", true, func(old v1.Hash) v1.Hash { return old }, ""},
		{"another one", true, func(v1.Hash) v1.Hash { return other }, "the tag is expected to name sha256:0000"},
		{"another one and absent", false, func(v1.Hash) v1.Hash { return other }, "and is absent"},
	} {
		for _, fresh := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				reg := testhelpers.NewRegistry(t)
				reg.Push(t, "a/source:0", image(t, 0))
				var old v1.Hash
				if c.there {
					old = reg.Push(t, "a/list:1", image(t, 1))
				}
				cl := newClient(t)
				pub := publication(t, resolve(t, cl, reg.Host+"/a/source:0"), reg.Host+"/a/list:1")
				expect := c.expect(old)
				pub.IfTag, pub.Fresh = &expect, fresh
				reg.Reset()
				_, err := publish(t, cl, pub)
				if c.says == "" {
					if err != nil {
						t.Fatal(err)
					}
					has(t, reg, "a/list", "1", pub.Index)
					// Once more: the tag names the list, so there is nothing to lose.
					if _, err := publish(t, cl, pub); err != nil {
						t.Errorf("again: %v", err)
					}
					return
				}
				wants(t, err, index.ErrConflict, "/a/list:1", c.says)
				if n := reg.Writes(); n != 0 {
					t.Errorf("%d writes", n)
				}
			})
		}
	}
}

// TestIfTagRightBeforeTheList: a tag that moved after the plan was made stays.
func TestIfTagRightBeforeTheList(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.Push(t, "a/source:0", image(t, 0))
	c := newClient(t)
	pub := publication(t, resolve(t, c, reg.Host+"/a/source:0"), reg.Host+"/a/list:1", reg.Host+"/a/list:2")
	pub.IfTag = &v1.Hash{}
	plan, err := c.Plan(t.Context(), pub)
	if err != nil {
		t.Fatal(err)
	}
	theirs := reg.Push(t, "a/list:1", image(t, 1))
	wants(t, c.Run(t.Context(), plan, index.Watch{}), index.ErrConflict, "/a/list:1", "expected to be absent, and names "+theirs.String())
	if raw, _, ok := reg.Manifest("a/list", "1"); !ok || index.DigestOf(raw) != theirs {
		t.Errorf("the tag is now %s", raw)
	}
	if _, _, ok := reg.Manifest("a/list", "2"); ok {
		t.Error("the further tag was written")
	}
}

// TestSentOnceToARegistry: the second repository of a registry mounts what was
// sent to the first, with a token that allows it; where the registry does not
// mount, it is sent again.
func TestSentOnceToARegistry(t *testing.T) {
	t.Parallel()
	for _, mounts := range []bool{true, false} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", canary))
			if !mounts {
				reg.Inject(testhelpers.Fault{Method: http.MethodPost, Match: "/uploads/", Do: withoutQuery()})
			}
			m, opened := local(t, image(t, 0))
			c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)))
			pub := publication(t, []index.Manifest{m}, reg.Host+"/a/one:1", reg.Host+"/a/two:1")
			n := kinds(mustPublish(t, c, pub))
			has(t, reg, "a/one", "1", pub.Index)
			has(t, reg, "a/two", "1", pub.Index)
			want := map[bool][2]int{true: {3, 3}, false: {0, 6}}[mounts] // the config and two layers each
			if got := [2]int{n["mount"], n["upload"]}; got != want {
				t.Errorf("mounted and sent %v, want %v", got, want)
			}
			for digest, times := range opened() {
				if want := map[bool]int{true: 1, false: 2}[mounts]; times != want {
					t.Errorf("%s was read %d times, want %d", digest, times, want)
				}
				if !reg.HasBlob("a/two", digest) {
					t.Errorf("%s is missing", digest)
				}
			}
		})
	}
}
