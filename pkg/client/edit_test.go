package client_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// listOf has three images and is kept as acme/bp:1.
func listOf(t *testing.T, format index.Format) (*lab, []index.Entry) {
	t.Helper()
	l := newLab(t)
	words := []string{}
	if format == index.OCI {
		words = append(words, "oci")
	}
	l.image("acme/bp:amd", "linux/amd64", words...)
	l.image("acme/bp:arm", "linux/arm64", words...)
	l.image("acme/other:win", "windows/amd64:10.0.17763.1", words...)
	result := l.create("acme/bp:1", format, "acme/bp:amd", "acme/bp:arm", "acme/other:win")
	l.reg.Reset()
	return l, result.Index.Entries()
}

func TestAdd(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.OCI)
	own := map[string]string{"own": "1", "k": "old"}
	l.reg.PushIndex(t, "acme/bp:v7", mutate.AppendManifests(testhelpers.List(t), mutate.IndexAddendum{
		Add:        pack(t, "linux/arm/v7", "oci"),
		Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, Annotations: own},
	}))
	result, err := l.Add(t.Context(), client.AddRequest{
		Name: l.at("acme/bp:1"), Sources: l.all([]string{"acme/bp:v7", "acme/bp:arm"}), Annotations: map[string]string{"k": "v"},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "entries", platforms(result.Index.Entries()),
		[]string{"linux/amd64", "linux/arm64", "windows/amd64:10.0.17763.1", "linux/arm/v7"})
	wantEqual(t, "added", platforms(result.Diff.Added), []string{"linux/arm/v7"})
	if got := result.Index.Entries()[3].Annotations; len(got) != 2 || got["own"] != "1" {
		t.Errorf("annotations %v", got)
	}
	for i, want := range []string{"", "v", "", "v"} {
		if got := result.Index.Entries()[i].Annotations["k"]; got != want {
			t.Errorf("entry %d has %q, want %q", i, got, want)
		}
	}
	if index.DigestOf([]byte(l.kept("acme/bp:1"))) != result.Index.Digest() {
		t.Error("another list is kept")
	}
}

func TestAddSetsThePlatformOfOneImage(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	before := l.kept("acme/bp:1")
	l.image("acme/bp:x", "linux/riscv64", "noarch")
	add := func(patch index.PlatformPatch, refs ...string) (client.ListResult, error) {
		return l.Add(t.Context(), client.AddRequest{Name: l.at("acme/bp:1"), Sources: l.all(refs), Platform: patch})
	}
	_, err := add(index.PlatformPatch{Architecture: new("riscv46")}, "acme/bp:x")
	wantKind(t, err, index.ErrUsage, "did you mean riscv64?")
	_, err = add(index.PlatformPatch{Architecture: new("riscv64")}, "acme/bp:x", "acme/bp:amd")
	wantKind(t, err, index.ErrUsage, "2 images are to be added")
	if l.kept("acme/bp:1") != before {
		t.Error("what failed changed the list")
	}
	features := []string{"a", "b"}
	result, err := add(index.PlatformPatch{
		OS: new("FreeBSD"), Architecture: new("arm32v6"), OSVersion: new("14"), OSFeatures: &features,
	}, "acme/bp:x")
	if err != nil {
		t.Fatal(err)
	}
	e := result.Diff.Added[0]
	if e.PlatformString() != "freebsd/arm/v6:14" {
		t.Errorf("platform %s", e.PlatformString())
	}
	wantEqual(t, "features", e.Platform.OSFeatures, features)
}

// An attestation is not what a platform or an annotation is for.
func TestAddLeavesAttestationsAlone(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.OCI)
	l.reg.PushIndex(t, "acme/bp:attested", testhelpers.Attested(t, pack(t, "linux/s390x", "oci")))
	result, err := l.Add(t.Context(), client.AddRequest{
		Name: l.at("acme/bp:1"), Sources: l.all([]string{"acme/bp:attested"}),
		Platform: index.PlatformPatch{OSVersion: new("9")}, Annotations: map[string]string{"k": "v"},
	})
	if err != nil {
		t.Fatal(err)
	}
	added := result.Diff.Added
	wantEqual(t, "added", platforms(added), []string{"linux/s390x:9", "+unknown/unknown"})
	if added[0].Annotations["k"] != "v" || added[1].Annotations["k"] != "" {
		t.Errorf("annotations %v and %v", added[0].Annotations, added[1].Annotations)
	}
}

// linuxkit #4117: the attestations of an image that is replaced go with it.
func TestAddReplacesInPlace(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	old := []v1.Image{pack(t, "linux/amd64", "oci"), pack(t, "linux/arm64", "oci")}
	l.reg.PushIndex(t, "acme/bp:old", testhelpers.Attested(t, old...))
	l.create("acme/bp:1", index.OCI, "acme/bp:old")
	l.reg.PushIndex(t, "acme/bp:new", testhelpers.Attested(t, pack(t, "linux/amd64", "oci", "new")))
	add := func(replace bool) (client.ListResult, error) {
		return l.Add(t.Context(), client.AddRequest{Name: l.at("acme/bp:1"), Sources: l.all([]string{"acme/bp:new"}), Replace: replace})
	}
	_, err := add(false)
	wantRule(t, err, index.PlatformDuplicate, "linux/amd64")
	result, err := add(true)
	if err != nil {
		t.Fatal(err)
	}
	entries := result.Index.Entries()
	wantEqual(t, "entries", platforms(entries), []string{"linux/amd64", "linux/arm64", "+unknown/unknown", "+unknown/unknown"})
	wantEqual(t, "removed", platforms(result.Diff.Removed), []string{"linux/amd64", "+unknown/unknown"})
	wantEqual(t, "added", platforms(result.Diff.Added), []string{"linux/amd64", "+unknown/unknown"})
	attested := map[v1.Hash]bool{}
	for _, e := range entries {
		if of, ok := e.Attests(); ok {
			attested[of] = true
		}
	}
	if !attested[entries[0].Digest] || !attested[entries[1].Digest] {
		t.Errorf("the attestations are of %v", attested)
	}
}

// Whatever stops an edit, the list is as it was and no registry was written to.
func TestEditsAreAllOrNothing(t *testing.T) {
	t.Parallel()
	l, entries := listOf(t, index.V2S2)
	l.image("acme/bp:b", "linux/s390x")
	l.image("acme/bp:dup", "linux/arm64", "dup")
	before := l.kept("acme/bp:1")
	ctx, name := t.Context(), l.at("acme/bp:1")
	add := func(refs ...string) error {
		_, err := l.Add(ctx, client.AddRequest{Name: name, Sources: l.all(refs)})
		return err
	}
	annotate := func(entry string, patch index.PlatformPatch, annotations map[string]string) error {
		_, err := l.Annotate(ctx, client.AnnotateRequest{Name: name, Entry: entry, Platform: patch, Annotations: annotations})
		return err
	}
	rm := func(entries ...string) error {
		_, err := l.RemoveEntries(ctx, client.RemoveEntriesRequest{Name: name, Entries: entries})
		return err
	}
	wantKind(t, add("acme/bp:b", "acme/bp:none"), index.ErrNotFound, "acme/bp:none")
	wantRule(t, add("acme/bp:b", "acme/bp:dup"), index.PlatformDuplicate, "linux/arm64")
	wantKind(t, annotate("linux/amd64", index.PlatformPatch{Architecture: new("armd64")}, nil), index.ErrUsage, "did you mean")
	wantRule(t, annotate("linux/amd64", index.PlatformPatch{Architecture: new("arm64")}, nil), index.PlatformDuplicate, "linux/arm64")
	wantRule(t, annotate("linux/amd64", index.PlatformPatch{OSVersion: new("1")}, map[string]string{"k": "v"}), index.AnnotationsInV2S2, "linux/amd64")
	wantRule(t, annotate("", index.PlatformPatch{}, map[string]string{"k": "v"}), index.AnnotationsInV2S2, "")
	wantKind(t, annotate("linux/s390x", index.PlatformPatch{OS: new("linux")}, nil), index.ErrNotFound, `entry "linux/s390x"`, entries[0].Digest.String())
	wantKind(t, rm("linux/amd64", "linux/s390x", "sha256:000000"), index.ErrNotFound, `"linux/s390x"`, `"sha256:000000"`)
	wantKind(t, rm("linux/amd64", ""), index.ErrUsage, `entry ""`)
	if after := l.kept("acme/bp:1"); after != before {
		t.Errorf("it became\n%s", after)
	}
	if n := l.reg.Writes(); n > 0 {
		t.Errorf("%d writes", n)
	}
}

// A list that is not there is found out before any registry is asked.
func TestEditsOfAListThatIsNotThere(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ctx, name := t.Context(), l.at("acme/none:1")
	_, addErr := l.Add(ctx, client.AddRequest{Name: name, Sources: l.all([]string{"acme/bp:a"})})
	_, annotateErr := l.Annotate(ctx, client.AnnotateRequest{Name: name, Entry: "linux/amd64", Platform: index.PlatformPatch{OS: new("linux")}})
	_, rmErr := l.RemoveEntries(ctx, client.RemoveEntriesRequest{Name: name, Entries: []string{"linux/amd64"}})
	_, pushErr := l.Push(ctx, client.PushRequest{Name: name})
	_, removeErr := l.Delete(ctx, client.DeleteRequest{Names: []string{name}})
	for _, err := range []error{addErr, annotateErr, rmErr, pushErr, removeErr} {
		wantKind(t, err, index.ErrNotFound, `list "`+name+`"`, "not in local storage")
	}
	wantEqual(t, "names", l.names(), nil)
	if n := len(l.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// B1, B12, B13: annotate needs no registry, and changes nothing but what it is
// told to.
func TestAnnotateAnEntry(t *testing.T) {
	t.Parallel()
	l, entries := listOf(t, index.OCI)
	result, err := l.Annotate(t.Context(), client.AnnotateRequest{
		Name: l.at("acme/bp:1"), Entry: "linux/arm64",
		Platform: index.PlatformPatch{Variant: new("8")}, Annotations: map[string]string{"k": "v"},
	})
	if err != nil {
		t.Fatal(err)
	}
	after := result.Index.Entries()
	wantEqual(t, "entries", platforms(after), []string{"linux/amd64", "linux/arm64/v8", "windows/amd64:10.0.17763.1"})
	for i, e := range after {
		if e.Digest != entries[i].Digest || e.MediaType != entries[i].MediaType || e.ArtifactType != entries[i].ArtifactType || e.Origin != entries[i].Origin {
			t.Errorf("entry %d became %+v", i, e)
		}
	}
	changed := result.Diff.Changed
	if last := changed[len(changed)-1]; last.After.Annotations["k"] != "v" || last.After.PlatformString() != "linux/arm64/v8" || result.Diff.Index {
		t.Errorf("changed %+v", result.Diff)
	}
	again, err := l.Annotate(t.Context(), client.AnnotateRequest{
		Name: l.at("acme/bp:1"), Entry: "linux/arm64", Annotations: map[string]string{"k": "v"},
	})
	if err != nil || !again.Diff.IsZero() || again.Index.Digest() != result.Index.Digest() {
		t.Errorf("the same again: %+v, %v", again.Diff, err)
	}
	if n := len(l.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

func TestAnnotateTheList(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.OCI)
	result, err := l.Annotate(t.Context(), client.AnnotateRequest{Name: l.at("acme/bp:1"), Annotations: map[string]string{"k": "v"}})
	if err != nil || !result.Diff.Index || len(result.Diff.Changed) > 0 {
		t.Fatalf("%+v, %v", result.Diff, err)
	}
	var list v1.IndexManifest
	if err := json.Unmarshal([]byte(l.kept("acme/bp:1")), &list); err != nil || list.Annotations["k"] != "v" {
		t.Errorf("annotations %v, %v", list.Annotations, err)
	}
}

// B11: an entry could be named by its digest only, and its repository counted
// for nothing.
func TestRemoveEntriesByWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		entry func(l *lab, e []index.Entry) string
		gone  int // -1 for none
	}{
		{"digest", func(_ *lab, e []index.Entry) string { return e[1].Digest.String() }, 1},
		{"digits of the digest", func(_ *lab, e []index.Entry) string { return e[1].Digest.Hex }, 1},
		{"the beginning of the digest", func(_ *lab, e []index.Entry) string { return e[1].Digest.String()[:20] }, 1},
		{"the first digits", func(_ *lab, e []index.Entry) string { return e[1].Digest.Hex[:8] }, 1},
		{"too few digits", func(_ *lab, e []index.Entry) string { return e[1].Digest.Hex[:3] }, -1},
		{"repository and digest", func(l *lab, e []index.Entry) string { return l.at("acme/bp@" + e[1].Digest.String()) }, 1},
		{"another repository and the digest", func(l *lab, e []index.Entry) string { return l.at("acme/none@" + e[1].Digest.String()) }, -1},
		{"platform", func(*lab, []index.Entry) string { return "linux/arm64" }, 1},
		{"platform by another name", func(*lab, []index.Entry) string { return "linux/aarch64" }, 1},
		{"platform with its variant", func(*lab, []index.Entry) string { return "linux/arm64/v8" }, 1},
		{"platform without its version", func(*lab, []index.Entry) string { return "windows/amd64" }, 2},
		{"platform with its version", func(*lab, []index.Entry) string { return "windows/amd64:10.0.17763.1" }, 2},
		{"platform with another version", func(*lab, []index.Entry) string { return "windows/amd64:10.0.1" }, -1},
		{"source", func(l *lab, _ []index.Entry) string { return l.at("acme/other:win") }, 2},
		{"source with its transport", func(l *lab, _ []index.Entry) string { return "docker://" + l.at("acme/other:win") }, 2},
		{"another tag of the source", func(l *lab, _ []index.Entry) string { return l.at("acme/other:1") }, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, entries := listOf(t, index.V2S2)
			result, err := l.RemoveEntries(t.Context(), client.RemoveEntriesRequest{Name: l.at("acme/bp:1"), Entries: []string{c.entry(l, entries)}})
			if c.gone < 0 {
				wantKind(t, err, index.ErrNotFound, "no entry of the list is meant by it")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "removed", platforms(result.Diff.Removed), platforms(entries[c.gone:c.gone+1]))
			if n := result.Index.Len(); n != 2 {
				t.Errorf("%d entries are left", n)
			}
			if n := len(l.reg.Requests()); n > 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestRemoveEntriesTogether(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.reg.PushIndex(t, "acme/bp:a", testhelpers.Attested(t, pack(t, "linux/amd64", "oci"), pack(t, "linux/arm64", "oci")))
	l.create("acme/bp:1", index.OCI, "acme/bp:a")
	rm := func(entries ...string) (client.ListResult, error) {
		return l.RemoveEntries(t.Context(), client.RemoveEntriesRequest{Name: l.at("acme/bp:1"), Entries: entries})
	}
	result, err := rm("linux/arm64", "linux/arm64") // the same word twice is one entry
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "left", platforms(result.Index.Entries()), []string{"linux/amd64", "+unknown/unknown"})
	wantEqual(t, "removed", platforms(result.Diff.Removed), []string{"linux/arm64", "+unknown/unknown"})
	if result, err = rm("linux/amd64"); err != nil || result.Index.Len() != 0 {
		t.Errorf("%v are left, %v", platforms(result.Index.Entries()), err)
	}
	// An empty list is kept, and not published.
	wantEqual(t, "names", l.names(), []string{"acme/bp:1"})
	_, err = l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1")})
	wantRule(t, err, index.EmptyList, "")
}

// C1, podman #14667: none of many that edit one list at a time is lost.
func TestParallelEditsAreAllThere(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:0", "linux/amd64:0")
	l.create("acme/bp:1", index.V2S2, "acme/bp:0")
	const many = 12
	faults := make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		ref := fmt.Sprintf("acme/bp:n%d", i)
		l.image(ref, fmt.Sprintf("linux/amd64:%d", i+1))
		c := l.open()
		all.Go(func() {
			_, faults[i] = c.Add(t.Context(), client.AddRequest{Name: l.at("acme/bp:1"), Sources: []string{l.at(ref)}})
		})
	}
	all.Wait()
	for _, err := range faults {
		if err != nil {
			t.Error(err)
		}
	}
	result, err := l.Inspect(t.Context(), client.InspectRequest{Reference: l.at("acme/bp:1")})
	if err != nil || result.Index.Len() != many+1 {
		t.Errorf("%v, %v", platforms(result.Index.Entries()), err)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64")
	for _, name := range []string{"acme/bp:1", "acme/bp:2", "acme/bp:3"} {
		l.create(name, index.V2S2, "acme/bp:a")
	}
	l.reg.Reset()
	remove := func(ignore bool, refs ...string) ([]index.Name, error) {
		return l.Delete(t.Context(), client.DeleteRequest{Names: l.all(refs), Ignore: ignore})
	}
	// What is not there stops nothing but the success.
	deleted, err := remove(false, "acme/bp:1", "acme/bp:none", "acme/bp:2", "acme/bp:gone")
	wantKind(t, err, index.ErrNotFound, "acme/bp:none", "acme/bp:gone")
	if len(deleted) != 2 || deleted[0].String() != l.at("acme/bp:1") || deleted[1].String() != l.at("acme/bp:2") {
		t.Errorf("deleted %v", deleted)
	}
	wantEqual(t, "names", l.names(), []string{"acme/bp:3"})
	if deleted, err := remove(true, "acme/bp:none", "acme/bp:3"); err != nil || len(deleted) != 1 {
		t.Errorf("deleted %v, %v", deleted, err)
	}
	if deleted, err := remove(true, "acme/bp:none"); err != nil || len(deleted) != 0 {
		t.Errorf("deleted %v, %v", deleted, err)
	}
	if n := len(l.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}
