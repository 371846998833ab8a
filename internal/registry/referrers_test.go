package registry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

const (
	sbomType      = "application/spdx+json"
	signatureType = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// signed is what a signer and a scanner left beside an image.
type signed struct {
	image           v1.Hash
	sbom, signature v1.Hash // the SBOM names the image, the signature the SBOM
	cosign          v1.Hash
	cosignTag       string
}

// all are the referrers.
func (s signed) all() []v1.Hash { return []v1.Hash{s.sbom, s.signature, s.cosign} }

// sign pushes an image with an SBOM, a signature of the SBOM, and a signature of
// cosign's.
func sign(t *testing.T, reg *testhelpers.Registry, repository string, i int) signed {
	t.Helper()
	img := image(t, i)
	s := signed{image: reg.Push(t, fmt.Sprintf("%s:%d", repository, i), img)}
	sbom := testhelpers.Artifact(t, testhelpers.Described(t, img), sbomType, fmt.Sprintf("packages of %d", i))
	s.sbom = pushByDigest(t, reg, repository, sbom)
	s.signature = pushByDigest(t, reg, repository, testhelpers.Artifact(t, testhelpers.Described(t, sbom), signatureType, "signed"))
	s.cosignTag = "sha256-" + s.image.Hex + ".sig"
	s.cosign = reg.Push(t, repository+":"+s.cosignTag, testhelpers.CosignSignature(t, s.image, "first"))
	return s
}

func pushByDigest(t *testing.T, reg *testhelpers.Registry, repository string, img v1.Image) v1.Hash {
	t.Helper()
	return reg.Push(t, repository+"@"+testhelpers.Described(t, img).Digest.String(), img)
}

// withReferrers is a publication that brings them along.
func withReferrers(t *testing.T, children []index.Manifest, to ...string) index.Publication {
	t.Helper()
	p := publication(t, children, to...)
	p.Referrers = true
	return p
}

// sameAs fails the test unless b/list of the other registry has the very bytes
// of the referrers.
func (s signed) sameAs(t *testing.T, from *testhelpers.Registry, fromRepository string, to *testhelpers.Registry) {
	t.Helper()
	names := []string{s.cosignTag}
	for _, h := range s.all() {
		names = append(names, h.String())
	}
	for _, n := range names {
		want, wantType, ok := from.Manifest(fromRepository, n)
		if !ok {
			t.Fatalf("%s is not in the source", n)
		}
		if got, gotType, _ := to.Manifest("b/list", n); string(got) != string(want) || gotType != wantType {
			t.Errorf("%s is %s of the type %s, want %s of the type %s", n, got, gotType, want, wantType)
		}
		if manifest, err := index.ParseImage(want, ""); err != nil || !to.HasBlob("b/list", manifest.Config.Digest) || !to.HasBlob("b/list", manifest.Layers[0].Digest) {
			t.Errorf("the content of %s is not all there (%v)", n, err)
		}
	}
}

// referring returns what a fallback tag lists.
func referring(t *testing.T, reg *testhelpers.Registry, repository string, to v1.Hash) []index.Entry {
	t.Helper()
	raw, _, ok := reg.Manifest(repository, "sha256-"+to.Hex)
	if !ok {
		return nil
	}
	ix, err := index.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return ix.Entries()
}

// TestReferrers: signatures and SBOMs come along, between repositories and
// registries, whoever keeps the lists of them at either end; and again nothing
// is written.
func TestReferrers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		from, to bool // the registry keeps lists of referrers
	}{{"both list", true, true}, {"only the source lists", true, false}, {"only the destination lists", false, true}, {"none lists", false, false}} {
		for _, other := range []bool{true, false} {
			if !other && c.from != c.to {
				continue
			}
			t.Run(fmt.Sprintf("%s, other registry %t", c.name, other), func(t *testing.T) {
				t.Parallel()
				from, to := lists(t, c.from), lists(t, c.to)
				if !other {
					to = from
				}
				one, two := sign(t, from, "a/source", 0), sign(t, from, "a/source", 1)
				cl := newClient(t)
				pub := withReferrers(t, resolve(t, cl, from.Host+"/a/source:0", from.Host+"/a/source:1"), to.Host+"/b/list:1")
				steps := mustPublish(t, cl, pub)
				has(t, to, "b/list", "1", pub.Index)
				one.sameAs(t, from, "a/source", to)
				two.sameAs(t, from, "a/source", to)
				if n := kinds(steps)["referrer"]; n != 6 {
					t.Errorf("%d referrers put, want 6: %v", n, kinds(steps))
				}
				for _, s := range []signed{one, two} {
					checkTagSchema(t, to, s, c.to)
				}
				last := slices.IndexFunc(steps, func(s index.Step) bool { return s.Kind == index.StepList })
				if slices.ContainsFunc(steps[last:], func(s index.Step) bool { return s.Kind == index.StepReferrer || s.Kind == index.StepReferrers }) {
					t.Error("a referrer was put after the list")
				}

				pub.Fresh = false
				to.Reset()
				again := mustPublish(t, newClient(t), pub)
				if n := to.Writes(); n != 0 {
					t.Errorf("again: %d writes: %v", n, to.Requests())
				}
				if n := kinds(again)["referrer skipped"]; n != 6 {
					t.Errorf("again: %v", kinds(again))
				}
			})
		}
	}
}

// lists is a registry that keeps lists of referrers, or does not.
func lists(t *testing.T, itself bool) *testhelpers.Registry {
	t.Helper()
	return testhelpers.NewRegistry(t, map[bool][]testhelpers.RegistryOption{false: {testhelpers.WithoutReferrers()}}[itself]...)
}

// checkTagSchema: where the registry keeps no lists, the tags have them, with
// what the manifests say of themselves; where it does there are no such tags.
func checkTagSchema(t *testing.T, reg *testhelpers.Registry, s signed, itself bool) {
	t.Helper()
	atTags := !itself
	for subject, want := range map[v1.Hash]struct {
		digest v1.Hash
		is     string
	}{s.image: {s.sbom, sbomType}, s.sbom: {s.signature, signatureType}} {
		got := referring(t, reg, "b/list", subject)
		if !atTags && len(got) != 0 {
			t.Errorf("the registry keeps lists, and there is a tag with %v", got)
		}
		if !atTags {
			continue
		}
		if len(got) != 1 || got[0].Digest != want.digest || got[0].ArtifactType != want.is || got[0].Annotations["org.example.content"] == "" {
			t.Errorf("what refers to %s is %v, want %s of the type %s", subject, got, want.digest, want.is)
		}
	}
}

// TestReferrersBudget: one request a child, and one for each of cosign's tags;
// without being asked for, none.
func TestReferrersBudget(t *testing.T) {
	t.Parallel()
	const n = 6
	for _, c := range []struct {
		name                  string
		registry              func(*testing.T) *testhelpers.Registry
		referrers, tags, head int
	}{
		{"it keeps lists", func(t *testing.T) *testhelpers.Registry { t.Helper(); return lists(t, true) }, n, 0, 3 * n},
		{"it does not", func(t *testing.T) *testhelpers.Registry { t.Helper(); return lists(t, false) }, 1, n, 3 * n},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			from, to := c.registry(t), testhelpers.NewRegistry(t)
			cl := newClient(t)
			var refs []string
			for i := range n {
				from.Push(t, fmt.Sprintf("a/source:%d", i), image(t, i))
				refs = append(refs, fmt.Sprintf("%s/a/source:%d", from.Host, i))
			}
			pub := withReferrers(t, resolve(t, cl, refs...), to.Host+"/b/list:1")
			from.Reset()
			if _, err := cl.Plan(t.Context(), pub); err != nil {
				t.Fatal(err)
			}
			if got := from.CountKind("referrers"); got != c.referrers {
				t.Errorf("%d requests for lists, want %d", got, c.referrers)
			}
			if got := from.Count(http.MethodGet, `/manifests/sha256-[0-9a-f]{64}$`); got != c.tags {
				t.Errorf("%d tags with lists read, want %d", got, c.tags)
			}
			if got := from.Count(http.MethodHead, `/manifests/sha256-[0-9a-f]{64}\.(sig|att|sbom)$`); got != c.head {
				t.Errorf("%d of cosign's tags asked for, want %d", got, c.head)
			}
			if got := len(from.Requests()); got != c.referrers+c.tags+c.head {
				t.Errorf("%d requests in all: %s", got, tally(from))
			}
			if got := to.CountKind("referrers"); got != 0 {
				t.Errorf("%d requests for lists of the destination, which has nothing to list", got)
			}
			from.Reset()
			pub.Referrers = false
			if _, err := cl.Plan(t.Context(), pub); err != nil || len(from.Requests()) != 0 {
				t.Errorf("without being asked for: %s (%v)", tally(from), err)
			}
		})
	}
}

// TestReferrersInTheSameRepository: they are there, so nobody asks.
func TestReferrersInTheSameRepository(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	sign(t, reg, "a/list", 0)
	cl := newClient(t)
	pub := withReferrers(t, resolve(t, cl, reg.Host+"/a/list:0"), reg.Host+"/a/list:1")
	reg.Reset()
	steps := mustPublish(t, cl, pub)
	has(t, reg, "a/list", "1", pub.Index)
	if n := len(reg.Requests()); n != 2 || len(steps) != 3 {
		t.Errorf("%d requests for %v", n, kinds(steps))
	}
}

// TestReferrersToTwoDestinations: one of them is where the image is.
func TestReferrersToTwoDestinations(t *testing.T) {
	t.Parallel()
	reg, other := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t, testhelpers.WithoutReferrers())
	s := sign(t, reg, "a/list", 0)
	cl := newClient(t)
	pub := withReferrers(t, resolve(t, cl, reg.Host+"/a/list:0"), reg.Host+"/a/list:1", other.Host+"/b/list:1")
	steps := mustPublish(t, cl, pub)
	s.sameAs(t, reg, "a/list", other)
	checkTagSchema(t, other, s, false)
	for _, step := range steps {
		if step.Kind == index.StepReferrer && step.To.RegistryStr() != other.Host {
			t.Errorf("%s was put where it was", step.Digest)
		}
	}
}

// TestReferrersOfAConvertedChild: what refers to the image as it was is not lost
// in silence, and where nothing does, nothing is.
func TestReferrersOfAConvertedChild(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{false, true} {
		t.Run(fmt.Sprintf("kept %t", kept), func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			s := sign(t, reg, "a/source", 0)
			reg.Push(t, "a/source:1", image(t, 1))
			cl := newClient(t)
			convert := func(ref string) []index.Manifest {
				ms, err := index.ConvertAll(resolve(t, cl, ref), index.V2S2)
				if err != nil {
					t.Fatal(err)
				}
				if kept {
					ms[0].Converted = v1.Hash{} // as a store returns it
				}
				return ms
			}
			pub := withReferrers(t, convert(reg.Host+"/a/source:0"), reg.Host+"/b/list:1")
			pub.Fresh = !kept
			reg.Reset()
			_, err := publish(t, cl, pub)
			wants(t, err, index.ErrInvalid, "2 signature(s) or other referrers", s.image.String())
			var rejected *index.Rejection
			if !asRejection(err, &rejected) || rejected.Findings[0].Rule != index.NotConvertible || rejected.Findings[0].Entry.Digest != pub.Children[0].Digest {
				t.Errorf("it does not name the child: %v", err)
			}
			if reg.Writes() != 0 {
				t.Error("something was written")
			}
			unsigned := withReferrers(t, convert(reg.Host+"/a/source:1"), reg.Host+"/b/list:1")
			unsigned.Fresh = !kept
			mustPublish(t, cl, unsigned)
			has(t, reg, "b/list", "1", unsigned.Index)
		})
	}
}

func asRejection(err error, target **index.Rejection) bool {
	r, ok := err.(*index.Rejection) //nolint:errorlint // it is returned as it is
	*target = r
	return ok
}

// TestReferrersOfTheList: what refers to the list that images are taken from
// comes along where the list stays what it is; else it is told of.
func TestReferrersOfTheList(t *testing.T) {
	t.Parallel()
	from, to := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	cl := newClient(t)
	from.Push(t, "a/source:0", image(t, 0))
	from.Push(t, "a/source:1", image(t, 1))
	pub := publication(t, resolve(t, cl, from.Host+"/a/source:0", from.Host+"/a/source:1"), from.Host+"/a/source:list")
	mustPublish(t, cl, pub)
	list := pub.Index.Digest()
	signature := from.Push(t, "a/source:sha256-"+list.Hex+".sig", testhelpers.CosignSignature(t, list, "first"))

	children := resolve(t, cl, from.Host+"/a/source:list")
	same := withReferrers(t, children, to.Host+"/b/list:1")
	if same.Index.Digest() != list {
		t.Fatal("it is another list")
	}
	plan, err := cl.Plan(t.Context(), same)
	if err != nil || len(plan.Lost) != 0 {
		t.Errorf("lost %v (%v)", plan.Lost, err)
	}
	mustPublish(t, cl, same)
	if raw, _, ok := to.Manifest("b/list", "sha256-"+list.Hex+".sig"); !ok || index.DigestOf(raw) != signature {
		t.Errorf("the signature of the list is %s", raw)
	}

	part := withReferrers(t, children[:1], to.Host+"/b/part:1")
	plan, err = cl.Plan(t.Context(), part)
	if want := []index.Lost{{List: from.Host + "/a/source@" + list.String(), Referrers: 1}}; err != nil || !slices.Equal(plan.Lost, want) {
		t.Errorf("lost %v (%v), want %v", plan.Lost, err, want)
	}
}

// TestCosignTagsThatDiffer: signatures that only the destination has are not
// overwritten; those that were added to are.
func TestCosignTagsThatDiffer(t *testing.T) {
	t.Parallel()
	for there, ok := range map[string]bool{"first": true, "another": false} {
		t.Run(there, func(t *testing.T) {
			t.Parallel()
			from, to := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
			img := image(t, 0)
			digest := from.Push(t, "a/source:0", img)
			tag := "sha256-" + digest.Hex + ".sig"
			from.Push(t, "a/source:"+tag, testhelpers.CosignSignature(t, digest, "first", "second"))
			before := to.Push(t, "b/list:"+tag, testhelpers.CosignSignature(t, digest, there))
			cl := newClient(t)
			pub := withReferrers(t, resolve(t, cl, from.Host+"/a/source:0"), to.Host+"/b/list:1")
			_, err := publish(t, cl, pub)
			raw, _, _ := to.Manifest("b/list", tag)
			if ok {
				if err != nil || index.DigestOf(raw) == before {
					t.Errorf("it is not replaced: %v", err)
				}
				return
			}
			wants(t, err, index.ErrConflict, "/b/list:"+tag, "would be lost")
			if index.DigestOf(raw) != before {
				t.Error("it was overwritten")
			}
		})
	}
}

// TestCosignTagsThatMove: what somebody signs after the plan was made is not
// overwritten.
func TestCosignTagsThatMove(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{true, false} {
		from, to := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
		img := image(t, 0)
		digest := from.Push(t, "a/source:0", img)
		tag := "sha256-" + digest.Hex + ".sig"
		from.Push(t, "a/source:"+tag, testhelpers.CosignSignature(t, digest, "first", "second"))
		if there {
			to.Push(t, "b/list:"+tag, testhelpers.CosignSignature(t, digest, "first"))
		}
		cl := newClient(t)
		plan, err := cl.Plan(t.Context(), withReferrers(t, resolve(t, cl, from.Host+"/a/source:0"), to.Host+"/b/list:1"))
		if err != nil {
			t.Fatal(err)
		}
		later := to.Push(t, "b/list:"+tag, testhelpers.CosignSignature(t, digest, "first", "another"))
		wants(t, cl.Run(t.Context(), plan, index.Watch{}), index.ErrConflict, "/b/list:"+tag, "names "+later.String())
		if raw, _, _ := to.Manifest("b/list", tag); index.DigestOf(raw) != later {
			t.Errorf("there %t: it was overwritten", there)
		}
	}
}

// TestTagSchemaKeepsWhatIsThere: the list at the tag is added to.
func TestTagSchemaKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	from, to := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t, testhelpers.WithoutReferrers())
	s := sign(t, from, "a/source", 0)
	img := image(t, 0)
	to.Push(t, "b/list:0", img)
	theirs := pushByDigest(t, to, "b/list", testhelpers.Artifact(t, testhelpers.Described(t, img), sbomType, "theirs"))
	if got := referring(t, to, "b/list", s.image); len(got) != 1 {
		t.Fatalf("the other tool left %v", got)
	}
	cl := newClient(t)
	pub := withReferrers(t, resolve(t, cl, from.Host+"/a/source:0"), to.Host+"/b/list:1")
	plan, err := cl.Plan(t.Context(), pub)
	if err != nil {
		t.Fatal(err)
	}
	later := pushByDigest(t, to, "b/list", testhelpers.Artifact(t, testhelpers.Described(t, img), sbomType, "later"))
	if err := cl.Run(t.Context(), plan, index.Watch{}); err != nil {
		t.Fatal(err)
	}
	var got []v1.Hash
	for _, e := range referring(t, to, "b/list", s.image) {
		got = append(got, e.Digest)
	}
	if len(got) != 3 {
		t.Fatalf("the list has %v", got)
	}
	slices.SortFunc(got[:2], func(a, b v1.Hash) int { return strings.Compare(a.Hex, b.Hex) }) // as the other tool left them
	want := []v1.Hash{theirs, later, s.sbom}
	slices.SortFunc(want[:2], func(a, b v1.Hash) int { return strings.Compare(a.Hex, b.Hex) })
	if !slices.Equal(got, want) {
		t.Errorf("the list has %v, want %v", got, want)
	}
}

// TestTagSchemaOfOthers: a line that another tool wrote in its own way is there,
// and is not written twice.
func TestTagSchemaOfOthers(t *testing.T) {
	t.Parallel()
	from, to := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t, testhelpers.WithoutReferrers())
	s := sign(t, from, "a/source", 0)
	cl := newClient(t)
	pub := withReferrers(t, resolve(t, cl, from.Host+"/a/source:0"), to.Host+"/b/list:1")
	mustPublish(t, cl, pub)
	raw, _, _ := from.Manifest("a/source", s.sbom.String())
	theirs := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":%d,"digest":%q,"platform":{"os":"unknown","architecture":"unknown"}}]}`,
		ociIndex, len(raw), s.sbom)
	put(t, to, "/v2/b/list/manifests/sha256-"+s.image.Hex, theirs)
	pub.Fresh = false
	to.Reset()
	mustPublish(t, newClient(t), pub)
	if got, _, _ := to.Manifest("b/list", "sha256-"+s.image.Hex); string(got) != theirs || to.Writes() != 0 {
		t.Errorf("%d writes made %s", to.Writes(), got)
	}
}

func put(t *testing.T, reg *testhelpers.Registry, path, list string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+reg.Host+path, strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", ociIndex)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err == nil {
		err = resp.Body.Close()
	}
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("put %s: %v", path, err)
	}
}

// TestReferrersFromAFile: what lies beside an image in a file comes along, and
// what does not fit is told of.
func TestReferrersFromAFile(t *testing.T) {
	t.Parallel()
	to := testhelpers.NewRegistry(t, testhelpers.WithoutReferrers())
	img := image(t, 0)
	m, _ := local(t, img)
	sbom := testhelpers.Artifact(t, testhelpers.Described(t, img), sbomType, "packages")
	attach := func(img v1.Image, tag string) index.Attached {
		a, _ := local(t, img)
		return index.Attached{Manifest: a, Tag: tag}
	}
	tag := "sha256-" + m.Digest.Hex + ".sig"
	withSBOM := attach(sbom, "")
	withSBOM.Referrers = []index.Attached{attach(testhelpers.Artifact(t, testhelpers.Described(t, sbom), signatureType, "signed"), "")}
	m.Referrers = []index.Attached{withSBOM, attach(testhelpers.CosignSignature(t, m.Digest, "first"), tag)}
	from := index.Manifest{Entry: index.Entry{Descriptor: v1.Descriptor{Digest: index.DigestOf([]byte("a list"))}}}
	from.Referrers = []index.Attached{attach(testhelpers.CosignSignature(t, from.Digest, "list"), "sha256-"+from.Digest.Hex+".sig")}
	m.From = &from

	cl := newClient(t)
	pub := withReferrers(t, []index.Manifest{m}, to.Host+"/b/list:1")
	plan, err := cl.Plan(t.Context(), pub)
	if want := []index.Lost{{List: "bp.cnb@" + from.Digest.String(), Referrers: 1}}; err != nil || !slices.Equal(plan.Lost, want) {
		t.Errorf("lost %v (%v), want %v", plan.Lost, err, want)
	}
	mustPublish(t, cl, pub)
	checkTagSchema(t, to, signed{
		image: m.Digest, sbom: withSBOM.Digest, signature: withSBOM.Referrers[0].Digest,
	}, false)
	if raw, _, ok := to.Manifest("b/list", tag); !ok || index.DigestOf(raw) != m.Referrers[1].Digest {
		t.Errorf("cosign's tag names %s", raw)
	}

	// The list itself, with the bytes that it has in the file.
	from.Digest = pub.Index.Digest()
	listTag := "sha256-" + from.Digest.Hex + ".sig"
	from.Referrers = []index.Attached{attach(testhelpers.CosignSignature(t, from.Digest, "list"), listTag)}
	mustPublish(t, cl, pub)
	if _, _, ok := to.Manifest("b/list", listTag); !ok {
		t.Error("the signature of the list is left out")
	}

	converted, err := index.ConvertAll([]index.Manifest{m}, index.V2S2)
	if err != nil {
		t.Fatal(err)
	}
	_, err = publish(t, cl, withReferrers(t, converted, to.Host+"/b/list:1"))
	wants(t, err, index.ErrInvalid, "2 signature(s) or other referrers", m.Digest.String())

	other, _ := local(t, image(t, 1))
	other.Referrers = []index.Attached{withSBOM}
	_, err = publish(t, cl, withReferrers(t, []index.Manifest{other}, to.Host+"/b/list:1"))
	wants(t, err, index.ErrInvalid, "bp.cnb@"+withSBOM.Digest.String(), "does not name "+other.Digest.String())
}

// TestReferrersPages: lists go on where the Link header says, in the same
// registry only.
func TestReferrersPages(t *testing.T) {
	t.Parallel()
	from, to := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	img := image(t, 0)
	from.Push(t, "a/source:0", img)
	var want []v1.Hash
	for i := range 5 {
		want = append(want, pushByDigest(t, from, "a/source", testhelpers.Artifact(t, testhelpers.Described(t, img), sbomType, strconv.Itoa(i))))
	}
	from.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/referrers/" + testhelpers.Described(t, img).Digest.String(), Do: inPages(2, "")})
	cl := newClient(t)
	pub := withReferrers(t, resolve(t, cl, from.Host+"/a/source:0"), to.Host+"/b/list:1")
	mustPublish(t, cl, pub)
	for _, h := range want {
		if _, _, ok := to.Manifest("b/list", h.String()); !ok {
			t.Errorf("%s was left out", h)
		}
	}
	if n := from.Count(http.MethodGet, "/referrers/"+testhelpers.Described(t, img).Digest.String()); n != 3 {
		t.Errorf("%d pages, want 3", n)
	}
	from.ClearFaults()
	from.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/referrers/", Do: inPages(2, "http://"+to.Host)})
	_, err := publish(t, newClient(t), pub)
	wants(t, err, index.ErrRefused, "goes on elsewhere")
}

// TestReferrersPagesThatFail: what is on a later page is not lost without a word,
// whatever stands in its place.
func TestReferrersPagesThatFail(t *testing.T) {
	t.Parallel()
	html := testhelpers.Status(200, map[string]string{"Content-Type": "text/html"}, "<html>")
	for what, row := range map[string]struct {
		do   testhelpers.Action
		kind error
	}{
		"gone":              {testhelpers.Status(404, nil, ""), index.ErrNotFound},
		"refused":           {testhelpers.Status(400, nil, ""), index.ErrRefused},
		"a page for people": {html, index.ErrInvalid},
	} {
		from, to := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
		img := image(t, 0)
		from.Push(t, "a/source:0", img)
		for i := range 3 {
			pushByDigest(t, from, "a/source", testhelpers.Artifact(t, testhelpers.Described(t, img), sbomType, strconv.Itoa(i)))
		}
		first := inPages(2, "")
		from.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/referrers/", Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.RawQuery != "" {
				row.do(w, r, next)
				return
			}
			first(w, r, next)
		}})
		c := newClient(t)
		_, err := publish(t, c, withReferrers(t, resolve(t, c, from.Host+"/a/source:0"), to.Host+"/b/list:1"))
		if err == nil {
			t.Errorf("%s: published without what is on the second page", what)
			continue
		}
		wants(t, err, row.kind, "referrers of "+from.Host+"/a/source@")
	}
}

// inPages answers with so many at once; the next page is at the host.
func inPages(size int, host string) testhelpers.Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var ix v1.IndexManifest
		if err := json.Unmarshal(rec.Body.Bytes(), &ix); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		slices.SortFunc(ix.Manifests, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.Hex, b.Digest.Hex) })
		from := 0
		if _, err := fmt.Sscan(r.URL.Query().Get("from"), &from); err != nil {
			from = 0
		}
		if more := from + size; more < len(ix.Manifests) {
			ix.Manifests = ix.Manifests[:more]
			w.Header().Set("Link", fmt.Sprintf(`<%s%s>; rel="first", <%s%s?from=%d&a=b,c>; rel="next"`, host, r.URL.Path, host, r.URL.Path, more))
		}
		ix.Manifests = ix.Manifests[from:]
		w.Header().Set("Content-Type", ociIndex)
		if err := json.NewEncoder(w).Encode(ix); err != nil {
			return
		}
	}
}

// TestReferrersThatAreNone: what a registry says is checked.
func TestReferrersThatAreNone(t *testing.T) {
	t.Parallel()
	gone := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("1", 64)}
	for _, c := range []struct {
		name string
		body func(size int, other v1.Hash) string
		kind error
		says string
	}{
		{"an image without a subject", line, index.ErrInvalid, "does not name what it is said to refer to"},
		{"another size", func(size int, other v1.Hash) string { return line(size+1, other) }, index.ErrInvalid, "is said to have"},
		{"one that is gone", func(size int, _ v1.Hash) string { return line(size, gone) }, index.ErrNotFound, gone.String()},
		{"no list", func(int, v1.Hash) string { return `{"schemaVersion":2,"mediaType":"` + ociIndex + `","layers":[]}` }, index.ErrInvalid, "referrers of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			from := testhelpers.NewRegistry(t)
			digest := from.Push(t, "a/source:0", image(t, 0))
			other := from.Push(t, "a/source:1", image(t, 1))
			raw, _, _ := from.Manifest("a/source", other.String())
			from.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/referrers/", Do: testhelpers.Body([]byte(c.body(len(raw), other)))})
			cl := newClient(t)
			_, err := publish(t, cl, withReferrers(t, resolve(t, cl, from.Host+"/a/source:0"), from.Host+"/b/list:1"))
			wants(t, err, c.kind, c.says, digest.String())
		})
	}
}

// line is a list of one referrer.
func line(size int, digest v1.Hash) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":%d,"digest":%q}]}`,
		ociIndex, size, digest)
}

// TestCyclesOfCosignTags: tags can lead back to where they began.
func TestCyclesOfCosignTags(t *testing.T) {
	t.Parallel()
	from, to := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	digest := from.Push(t, "a/source:0", image(t, 0))
	signature := testhelpers.CosignSignature(t, digest, "first")
	h := from.Push(t, "a/source:sha256-"+digest.Hex+".sig", signature)
	from.Push(t, "a/source:sha256-"+h.Hex+".sig", signature)   // of itself
	from.Push(t, "a/source:sha256-"+h.Hex+".att", image(t, 0)) // of the image
	cl := newClient(t)
	pub := withReferrers(t, resolve(t, cl, from.Host+"/a/source:0"), to.Host+"/b/list:1")
	mustPublish(t, cl, pub)
	for _, tag := range []string{digest.Hex + ".sig", h.Hex + ".sig", h.Hex + ".att"} {
		if _, _, ok := to.Manifest("b/list", "sha256-"+tag); !ok {
			t.Errorf("sha256-%s is missing", tag)
		}
	}
}

// TestReferrersAreBounded: a chain that does not end is an error, and so is what
// refers to what is in the list too often.
func TestReferrersAreBounded(t *testing.T) {
	t.Parallel()
	from, to := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	img := image(t, 0)
	from.Push(t, "a/source:0", img)
	for i := range 10 {
		img = testhelpers.Artifact(t, testhelpers.Described(t, img), signatureType, strconv.Itoa(i))
		pushByDigest(t, from, "a/source", img)
	}
	cl := newClient(t)
	_, err := publish(t, cl, withReferrers(t, resolve(t, cl, from.Host+"/a/source:0"), to.Host+"/b/list:1"))
	wants(t, err, index.ErrInvalid, "referrers of referrers, more than 8 deep")
}

// TestRegistryThatSaysItKeepsLists: OCI-Subject in the answer to a PUT saves the
// question (distribution-spec, "Pushing Manifests with Subject").
func TestRegistryThatSaysItKeepsLists(t *testing.T) {
	t.Parallel()
	from, to := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	s := sign(t, from, "a/source", 0)
	to.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/manifests/sha256:", Do: testhelpers.Header("OCI-Subject", s.image.String())})
	cl := newClient(t)
	mustPublish(t, cl, withReferrers(t, resolve(t, cl, from.Host+"/a/source:0"), to.Host+"/b/list:1"))
	checkTagSchema(t, to, s, true)
	s.sameAs(t, from, "a/source", to)
	// The plan asked for both subjects, since there was no repository yet.
	if n := to.CountKind("referrers"); n != 2 {
		t.Errorf("it was asked %d times", n)
	}
}
