package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestCreateKeepsAList(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	amd := l.image("acme/bp:amd", "linux/amd64")
	win := l.image("acme/bp:win", "windows/amd64:10.0.20348.1")
	l.reg.Reset()
	result := l.create("acme/all", index.V2S2, "acme/bp:win", "acme/bp:amd")
	entries := result.Index.Entries()
	wantEqual(t, "entries", platforms(entries), []string{"windows/amd64:10.0.20348.1", "linux/amd64"})
	if entries[0].Digest != win || entries[1].Digest != amd {
		t.Errorf("digests %s and %s", entries[0].Digest, entries[1].Digest)
	}
	wantEqual(t, "added", platforms(result.Diff.Added), platforms(entries))
	if want := l.at("acme/all@" + result.Index.Digest().String()); result.Reference() != want {
		t.Errorf("reference %s, want %s", result.Reference(), want)
	}
	raw := l.kept("acme/all:latest")
	if index.DigestOf([]byte(raw)) != result.Index.Digest() {
		t.Errorf("kept is another list: %s", raw)
	}
	wantEqual(t, "names", l.names(), []string{"acme/all:latest"})
	if n := l.reg.Writes(); n > 0 {
		t.Errorf("%d writes to the registry", n)
	}
}

// What is kept is an OCI layout with all that publishing needs but the layers
// that a registry has.
func TestCreateKeepsTheContentOfFiles(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	img := pack(t, "linux/arm64")
	file := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "bp.cnb"), img)
	result, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1")}); err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		if digest, err := layer.Digest(); err != nil || !l.reg.HasBlob("acme/bp", digest) {
			t.Errorf("the registry lacks %s, %v", digest, err)
		}
	}
	if raw, _, ok := l.reg.Manifest("acme/bp", "1"); !ok || index.DigestOf(raw) != result.Index.Digest() {
		t.Errorf("the registry has %q", raw)
	}
}

func TestCreateTakesEveryImageOfAList(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	images := []v1.Image{pack(t, "linux/amd64", "oci"), pack(t, "windows/amd64", "oci")}
	l.reg.PushIndex(t, "acme/bp:two", testhelpers.Attested(t, images...))
	l.image("acme/bp:arm", "linux/arm64", "oci")
	result := l.create("acme/bp:1", index.OCI, "acme/bp:arm", "acme/bp:two", "acme/bp:arm")
	wantEqual(t, "entries", platforms(result.Index.Entries()),
		[]string{"linux/arm64", "linux/amd64", "windows/amd64", "+unknown/unknown", "+unknown/unknown"})
	wantEqual(t, "given twice", platforms(result.Diff.Kept), []string{"linux/arm64"})
	wantEqual(t, "findings", l.findings(), []string{"windows-os-version note windows/amd64"})
}

// B17: the media type of an image's config says nothing as an artifactType, and a
// Docker list has no place for one. Any other is kept, or refused.
func TestArtifactTypes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	img := pack(t, "linux/amd64")
	for tag, artifactType := range map[string]string{"stray": "application/vnd.docker.container.image.v1+json", "real": "application/x.sbom"} {
		l.reg.PushIndex(t, "acme/bp:"+tag, mutate.AppendManifests(testhelpers.List(t), mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}, ArtifactType: artifactType},
		}))
	}
	for _, format := range []index.Format{index.V2S2, index.OCI} {
		result := l.create("acme/stray:"+format.String(), format, "acme/bp:stray")
		if got := result.Index.Entries()[0].ArtifactType; got != "" {
			t.Errorf("%s: artifactType %q", format, got)
		}
	}
	if got := l.create("acme/real:1", index.OCI, "acme/bp:real").Index.Entries()[0].ArtifactType; got != "application/x.sbom" {
		t.Errorf("artifactType %q", got)
	}
	_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/real:2"), Sources: l.all([]string{"acme/bp:real"})})
	wantRule(t, err, index.AnnotationsInV2S2, "linux/amd64")
}

func TestCreateAnnotatesTheList(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64", "oci")
	request := client.CreateRequest{
		Name: l.at("acme/bp:1"), Sources: []string{l.at("acme/bp:a")}, Format: index.OCI,
		Annotations: map[string]string{"b": "2", "a": "1"},
	}
	if _, err := l.Create(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	var list v1.IndexManifest
	if err := json.Unmarshal([]byte(l.kept("acme/bp:1")), &list); err != nil || !maps.Equal(list.Annotations, request.Annotations) {
		t.Errorf("annotations %v, %v", list.Annotations, err)
	}
	// buildx #2148: a Docker list cannot hold annotations, and drops none in silence.
	request.Name, request.Format = l.at("acme/bp:2"), index.V2S2
	_, err := l.Create(t.Context(), request)
	wantRule(t, err, index.AnnotationsInV2S2, "")
	request.Publish = true
	_, err = l.Create(t.Context(), request)
	wantRule(t, err, index.AnnotationsInV2S2, "")
	wantEqual(t, "names", l.names(), []string{"acme/bp:1"})
	if n := l.reg.Writes(); n > 0 {
		t.Errorf("%d writes", n)
	}
}

// H3: of a list that exists nothing is asked of any registry.
func TestCreateRefusesAListThatExists(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64")
	l.image("acme/bp:b", "linux/arm64")
	l.create("acme/bp:1", index.V2S2, "acme/bp:a")
	before := l.kept("acme/bp:1")
	l.reg.Reset()
	_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: []string{l.at("acme/bp:b")}})
	wantKind(t, err, index.ErrExists, `list "`+l.at("acme/bp:1")+`"`)
	if n := len(l.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
	if after := l.kept("acme/bp:1"); after != before {
		t.Errorf("it became %s", after)
	}
}

// docker/cli #954: a list that exists can be added to or made anew.
func TestAmendAndReplaceAList(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64", "oci")
	l.image("acme/bp:b", "linux/arm64", "oci")
	create := func(request client.CreateRequest) client.ListResult {
		request.Name = l.at("acme/bp:1")
		result, err := l.Create(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	a, b := []string{l.at("acme/bp:a")}, []string{l.at("acme/bp:b")}
	// Where there is no list, both make one.
	create(client.CreateRequest{Sources: a, Format: index.OCI, Amend: true, Annotations: map[string]string{"k": "1"}})
	result := create(client.CreateRequest{Sources: b, Format: index.V2S2, Amend: true})
	wantEqual(t, "amended", platforms(result.Index.Entries()), []string{"linux/amd64", "linux/arm64"})
	wantEqual(t, "added", platforms(result.Diff.Added), []string{"linux/arm64"})
	if result.Index.Format() != index.OCI || result.Index.Annotations()["k"] != "1" {
		t.Errorf("amending made it %s with %v", result.Index.Format(), result.Index.Annotations())
	}
	again := create(client.CreateRequest{Sources: append(b, a...), Amend: true})
	wantEqual(t, "kept", platforms(again.Diff.Kept), []string{"linux/arm64", "linux/amd64"})
	if !again.Diff.IsZero() || again.Index.Digest() != result.Index.Digest() {
		t.Errorf("amending with the same changed %+v", again.Diff)
	}
	result = create(client.CreateRequest{Sources: b, Format: index.V2S2, Replace: true})
	wantEqual(t, "replaced", platforms(result.Index.Entries()), []string{"linux/arm64"})
	if result.Index.Format() != index.V2S2 || len(result.Index.Annotations()) > 0 {
		t.Errorf("replacing left %s with %v", result.Index.Format(), result.Index.Annotations())
	}
	if index.DigestOf([]byte(l.kept("acme/bp:1"))) != result.Index.Digest() {
		t.Error("another list is kept")
	}
}

// stackrox #22856: a create that failed left half a list, so every retry failed.
func TestCreateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64")
	l.image("acme/bp:b", "linux/amd64", "b")
	create := func(publish bool, refs ...string) error {
		_, err := l.Create(t.Context(), client.CreateRequest{
			Name: l.at("acme/bp:1"), Publish: publish, Sources: l.all(refs),
			Validation: client.Validation{Policy: index.Policy{Allow: []index.RuleID{index.IDMismatch}}},
		})
		return err
	}
	for _, publish := range []bool{false, true} {
		err := create(publish, "acme/bp:a", "acme/bp:none", "acme/never:1")
		wantKind(t, err, index.ErrNotFound, "acme/bp:none", "acme/never:1")
		err = create(publish, "acme/bp:a", "acme/bp:b")
		wantRule(t, err, index.PlatformDuplicate, "linux/amd64")
		wantKind(t, err, index.ErrInvalid, l.at("acme/bp:a"), l.at("acme/bp:b"))
	}
	wantEqual(t, "names", l.names(), nil)
	if n := l.reg.Writes(); n > 0 {
		t.Errorf("%d writes", n)
	}
	if err := create(false, "acme/bp:a"); err != nil {
		t.Errorf("the retry fails: %v", err)
	}
}

// buildpacks/pack #1678: "all manifests MUST have OS and architecture defined".
func TestPlatformsMustBeKnownToPublish(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64", "noarch")
	l.reg.Push(t, "acme/bp:b", scratch(t))
	l.image("acme/bp:c", "linux/arm64")
	refs := []string{"acme/bp:a", "acme/bp:b", "acme/bp:c"}
	result := l.create("acme/bp:1", index.V2S2, refs...)
	wantEqual(t, "entries", platforms(result.Index.Entries()), []string{"linux/?", "", "linux/arm64"})
	wantEqual(t, "findings", l.findings(), []string{"platform-missing warning linux/?", "platform-missing warning"})
	_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:2"), Publish: true, Sources: l.all(refs)})
	wantRule(t, err, index.PlatformMissing, "linux/?", "")
	_, err = l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1")})
	wantRule(t, err, index.PlatformMissing, "linux/?", "")
	if n := l.reg.Writes(); n > 0 {
		t.Errorf("%d writes", n)
	}
}

// What stops a verb is in its error, and the rest is told beside it.
func TestFindingsThatStopNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64", "noarch")
	l.image("acme/bp:b", "linux/arm64", "oci")
	_, err := l.Create(t.Context(), client.CreateRequest{
		Name: l.at("acme/bp:1"), Publish: true, Sources: l.all([]string{"acme/bp:a", "acme/bp:b"}),
		Selection: client.Selection{PreserveDigests: true},
	})
	wantRule(t, err, index.PlatformMissing, "linux/?")
	wantEqual(t, "findings", l.findings(), []string{"media-type-mixed warning linux/arm64"})
}

// Sources are read side by side, by as many requests as are allowed.
func TestSourcesAreReadSideBySide(t *testing.T) {
	t.Parallel()
	for jobs, most := range map[int]int{0: client.DefaultJobs, 3: 3} {
		l := newLab(t, testhelpers.WithDelay(30*time.Millisecond))
		var refs []string
		for i := range 9 {
			refs = append(refs, fmt.Sprintf("acme/bp:%d", i))
			l.image(refs[i], fmt.Sprintf("linux/amd64:%d", i))
		}
		c := client.Open(client.Settings{Home: l.home, Env: func(string) string { return "" }, Jobs: jobs})
		t.Cleanup(c.Close)
		if _, err := c.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:list"), Sources: l.all(refs)}); err != nil {
			t.Fatal(err)
		}
		if n := l.reg.MaxInFlight(); n < (min(most, len(refs))+1)/2 || n > most {
			t.Errorf("%d requests at once with --jobs %d", n, jobs)
		}
	}
}

func TestCreateAndPublish(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64", "oci")
	l.image("acme/other:b", "linux/arm64", "oci")
	request := client.CreateRequest{
		Name: l.at("acme/bp:1.2.3"), Sources: l.all([]string{"acme/bp:a", "acme/other:b"}), Format: index.OCI, Publish: true,
		Tags: []string{"1.2", "latest", "1.2", "1.2.3"},
	}
	result, err := l.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := result.Index.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"1.2.3", "1.2", "latest", result.Index.Digest().String()} {
		if got, mediaType, ok := l.reg.Manifest("acme/bp", tag); !ok || string(got) != string(raw) || mediaType != string(index.OCI.IndexType()) {
			t.Errorf("%s is %s %s", tag, mediaType, got)
		}
	}
	wantEqual(t, "names", l.names(), nil)
	steps := l.steps()
	// What was read just now is not asked for again: performance.md's budget.
	if n := l.reg.Count(http.MethodHead, "/acme/bp/manifests/"); n > 0 {
		t.Errorf("%d questions for children of the destination", n)
	}
	wantEqual(t, "steps in the end", steps[len(steps)-5:], []string{"child linux/arm64", "list 1.2.3", "verify 1.2.3", "tag 1.2", "tag latest"})

	request.Tags = []string{"ok", "not a tag", "a/b", ""}
	l.reg.Reset()
	_, err = l.Create(t.Context(), request)
	wantKind(t, err, index.ErrUsage, `tag "not a tag"`)
	if n := len(l.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// A token is asked for once for each repository, and with all that the whole
// command needs.
func TestTokens(t *testing.T) {
	t.Parallel()
	l := newLab(t, testhelpers.WithBearer("user", "secret"))
	l.env["CNB_REGISTRY_AUTH"] = `{"` + l.reg.Host + `":"Basic dXNlcjpzZWNyZXQ="}`
	l.image("acme/bp:a", "linux/amd64")
	l.image("acme/other:b", "linux/arm64")
	for _, c := range []struct {
		what string
		do   func() error
		most int
	}{
		{"create --publish", func() error {
			_, err := l.Create(t.Context(), client.CreateRequest{
				Name: l.at("acme/bp:1"), Sources: l.all([]string{"acme/bp:a", "acme/other:b"}), Publish: true,
			})
			return err
		}, 2},
		{"create", func() error {
			_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/new:2"), Sources: l.all([]string{"acme/bp:a", "acme/other:b"})})
			return err
		}, 2},
		{"push", func() error {
			_, err := l.open().Push(t.Context(), client.PushRequest{Name: l.at("acme/new:2")})
			return err
		}, 1},
	} {
		l.reg.Reset()
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if n := l.reg.CountKind("token"); n > c.most {
			t.Errorf("%s asks for %d tokens: %v", c.what, n, l.reg.Requests())
		}
	}
}

// B15: a list that is kept is in the way of nothing that is published.
func TestPublishBesideAListThatIsKept(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64")
	l.image("acme/bp:b", "linux/arm64")
	l.create("acme/bp:1", index.V2S2, "acme/bp:a")
	before := l.kept("acme/bp:1")
	if _, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: l.all([]string{"acme/bp:b"}), Publish: true}); err != nil {
		t.Fatal(err)
	}
	if l.kept("acme/bp:1") != before {
		t.Error("the list that is kept changed")
	}
}

// Of many that make one list one wins, and the others are told.
func TestOneOfManyCreates(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64")
	const many = 8
	faults := make(chan error, many)
	for range many {
		c := l.open()
		go func() {
			_, err := c.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: []string{l.at("acme/bp:a")}})
			faults <- err
		}()
	}
	won := 0
	for range many {
		switch err := <-faults; {
		case err == nil:
			won++
		case !errors.Is(err, index.ErrExists):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
}
