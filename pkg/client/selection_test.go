package client_test

import (
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// converted returns the platforms of the images that were converted so far.
func (l *lab) converted() []string {
	var texts []string
	for _, e := range l.events {
		if e.Converted != nil {
			texts = append(texts, e.Converted.PlatformString())
		}
	}
	return texts
}

// skopeo #1617: of a list some platforms are taken, each with what attests it.
func TestCreateTakesThePlatformsThatAreAskedFor(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.reg.PushIndex(t, "acme/bp:all", testhelpers.Attested(t,
		pack(t, "linux/amd64", "oci"), pack(t, "linux/arm64", "oci"), pack(t, "windows/amd64:10.0.1", "oci")))
	create := func(name string, platforms ...string) (client.ListResult, error) {
		return l.Create(t.Context(), client.CreateRequest{
			Name: l.at(name), Sources: []string{l.at("acme/bp:all")}, Format: index.OCI, Selection: client.Selection{Platforms: platforms},
		})
	}
	// The order is the list's; what a platform leaves open may be anything.
	result, err := create("acme/bp:1", "windows/amd64", "linux/aarch64")
	if err != nil {
		t.Fatal(err)
	}
	entries := result.Index.Entries()
	wantEqual(t, "entries", platforms(entries), []string{"linux/arm64", "windows/amd64:10.0.1", "+unknown/unknown", "+unknown/unknown"})
	for i, e := range entries[2:] {
		if of, ok := e.Attests(); !ok || of != entries[i].Digest {
			t.Errorf("the attestation is of %s", of)
		}
	}
	_, err = create("acme/bp:2", "linux/amd64", "linux/s390x", "freebsd/amd64")
	wantKind(t, err, index.ErrNotFound, "linux/s390x, freebsd/amd64", "they are for linux/amd64, linux/arm64, windows/amd64:10.0.1")
	l.reg.Reset()
	_, err = create("acme/bp:2", "linux/amd64", "linux", "linux/armd64")
	wantKind(t, err, index.ErrUsage, `platform "linux"`, "did you mean")
	wantEqual(t, "names", l.names(), []string{"acme/bp:1"})
	if n := len(l.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// RFC 0124: a list can stay one entry that refers to it, and is published with
// all below it.
func TestNestedLists(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	inner := l.reg.PushIndex(t, "acme/inner:1", testhelpers.List(t, pack(t, "linux/amd64", "oci"), pack(t, "linux/arm64", "oci")))
	request := client.CreateRequest{
		Name: l.at("acme/outer:1"), Sources: []string{l.at("acme/inner:1")}, Format: index.OCI, Selection: client.Selection{Nested: true},
	}
	result, err := l.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	entries := result.Index.Entries()
	if len(entries) != 1 || entries[0].Digest != inner || !entries[0].MediaType.IsIndex() {
		t.Fatalf("entries %+v", entries)
	}
	if _, err := l.push("acme/outer:1"); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := l.reg.Manifest("acme/outer", inner.String()); !ok {
		t.Error("the inner list is missing")
	}
	request.Name, request.Platforms = l.at("acme/outer:2"), []string{"linux/amd64"}
	_, err = l.Create(t.Context(), request)
	wantKind(t, err, index.ErrUsage, "cannot be filtered by platform")
}

// docker/cli #3969: an image changes only where the format of the list asks for
// it, only its manifest does, and it is told.
func TestImagesAreConvertedToTheFormatOfTheList(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	docker := l.image("acme/bp:docker", "linux/amd64")
	oci := l.image("acme/bp:oci", "linux/arm64", "oci")
	refs := []string{"acme/bp:docker", "acme/bp:oci"}
	result := l.create("acme/bp:1", index.OCI, refs...)
	wantEqual(t, "converted", l.converted(), []string{"linux/amd64"})
	entries := result.Index.Entries()
	if entries[0].Digest == docker || entries[1].Digest != oci || entries[0].MediaType != index.OCI.ImageType() {
		t.Errorf("entries %+v", entries)
	}
	if got := entries[0].Origin; got.Pin != docker || got.Ref != l.at("acme/bp:docker") {
		t.Errorf("origin %+v", got)
	}
	if _, err := l.push("acme/bp:1"); err != nil {
		t.Fatal(err)
	}
	raw, mediaType, ok := l.reg.Manifest("acme/bp", entries[0].Digest.String())
	if !ok || mediaType != string(index.OCI.ImageType()) || index.DigestOf(raw) != entries[0].Digest {
		t.Errorf("published is %s %s", mediaType, raw)
	}
	// Back again it is what it was.
	back := l.create("acme/bp:2", index.V2S2, "acme/bp:1")
	if got := back.Index.Entries()[0].Digest; got != docker {
		t.Errorf("there and back it became %s", got)
	}

	l.events = nil
	kept, err := l.Create(t.Context(), client.CreateRequest{
		Name: l.at("acme/bp:3"), Sources: l.all(refs), Format: index.OCI, Selection: client.Selection{PreserveDigests: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "converted", l.converted(), nil)
	if entries := kept.Index.Entries(); entries[0].Digest != docker || entries[1].Digest != oci {
		t.Errorf("entries %+v", entries)
	}
}

// What has no equivalent in the other format is an error, and nothing is kept.
func TestWhatCannotBeConverted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.reg.PushIndex(t, "acme/bp:attested", testhelpers.Attested(t, pack(t, "linux/amd64", "oci")))
	_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: l.all([]string{"acme/bp:attested"})})
	wantKind(t, err, index.ErrInvalid, "attestation")
	wantEqual(t, "names", l.names(), nil)

	// Of upstream's lists nothing is there to convert, and that is said.
	img := pack(t, "linux/amd64", "oci")
	l.reg.Push(t, "acme/bp:a", img)
	l.theirs(strings.NewReplacer(":", "-", "/", "_").Replace(l.at("acme/bp:1")), string(index.OCI.IndexType()), described(t, img))
	l.reg.Reset()
	v2s2 := index.V2S2
	_, err = l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Format: &v2s2})
	if digest := described(t, img).Digest.String(); err == nil || !strings.Contains(err.Error(), digest) {
		t.Errorf("got %v", err)
	}
	if n := l.reg.Writes(); n > 0 {
		t.Errorf("%d writes", n)
	}
}

// What is wrong with a list is the same whether it is kept, in a registry or not
// made yet, and to look writes nothing.
func TestValidate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64")
	l.image("acme/bp:b", "linux/arm64", "other")
	l.image("acme/bp:c", "linux/arm64", "noarch")
	l.create("acme/bp:kept", index.V2S2, "acme/bp:a", "acme/bp:b")
	l.reg.PushIndex(t, "acme/bp:there", testhelpers.List(t, pack(t, "linux/amd64", "oci"), pack(t, "linux/arm64", "oci", "other")))
	l.reg.Reset()
	l.events = nil
	validate := func(policy index.Policy, refs ...string) (client.ValidateResult, error) {
		return l.Validate(t.Context(), client.ValidateRequest{References: l.all(refs), Validation: client.Validation{Policy: policy}})
	}
	severity := func(result client.ValidateResult, rule index.RuleID) string {
		for _, f := range result.Findings {
			if f.Rule == rule {
				return f.Severity.String()
			}
		}
		return ""
	}
	for _, refs := range [][]string{{"acme/bp:kept"}, {"acme/bp:there"}, {"acme/bp:a", "acme/bp:b"}} {
		result, err := validate(index.Policy{}, refs...)
		if err != nil || result.Valid() || severity(result, "id-mismatch") != "error" {
			t.Errorf("%v: %+v, %v", refs, result.Findings, err)
		}
		wantEqual(t, "images", platforms(result.Index.Entries()), []string{"linux/amd64", "linux/arm64"})
		allowed, err := validate(index.Policy{Allow: []index.RuleID{"id-mismatch"}}, refs...)
		if err != nil || !allowed.Valid() || severity(allowed, "id-mismatch") != "note" {
			t.Errorf("%v: %+v, %v", refs, allowed.Findings, err)
		}
		off, err := validate(index.Policy{Mode: index.Off}, refs...)
		if err != nil || !off.Valid() || severity(off, "id-mismatch") != "" {
			t.Errorf("%v: %+v, %v", refs, off.Findings, err)
		}
	}
	// What nothing lets pass.
	result, err := validate(index.Policy{Mode: index.Strict}, "acme/bp:a", "acme/bp:c")
	if err != nil || result.Valid() || severity(result, index.PlatformMissing) != "error" {
		t.Errorf("%+v, %v", result.Findings, err)
	}
	_, err = validate(index.Policy{Allow: []index.RuleID{index.PlatformMissing}}, "acme/bp:a")
	wantKind(t, err, index.ErrUsage, string(index.PlatformMissing))
	_, err = validate(index.Policy{}, "acme/bp:none")
	wantKind(t, err, index.ErrNotFound, "acme/bp:none")
	if n := l.reg.Writes(); n > 0 || len(l.events) > 0 {
		t.Errorf("%d writes, %d events", n, len(l.events))
	}
	wantEqual(t, "names", l.names(), []string{"acme/bp:kept"})
}

// nodewright #643: the platforms that a list must have are said, not grepped for.
func TestRequiredPlatforms(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64")
	l.image("acme/bp:b", "linux/arm64")
	l.create("acme/bp:1", index.V2S2, "acme/bp:a", "acme/bp:b")
	l.reg.Reset()
	for text, ok := range map[string]bool{
		"linux/amd64,linux/arm64": true, "linux/arm64,linux/amd64": true, "linux/amd64,linux/arm64/v8": true, "linux/amd64+": true,
		"linux/amd64": false, "linux/amd64,linux/arm64,windows/amd64": false, "windows/amd64+": false,
	} {
		required, err := index.ParseRequired(text)
		if err != nil {
			t.Fatal(err)
		}
		validation := client.Validation{Require: &required}
		result, err := l.Validate(t.Context(), client.ValidateRequest{References: []string{l.at("acme/bp:1")}, Validation: validation})
		if err != nil || result.Valid() != ok {
			t.Errorf("%s: %+v, %v", text, result.Findings, err)
		}
		if _, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Validation: validation}); (err == nil) != ok {
			t.Errorf("push %s: %v", text, err)
		}
	}
	if got := l.reg.Count("PUT", "/manifests/1$"); got != 1 {
		t.Errorf("the list was written %d times", got)
	}
}
