package client_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func (l *lab) inspect(ref string) (client.InspectResult, error) {
	l.t.Helper()
	return l.Inspect(l.t.Context(), client.InspectRequest{Reference: ref})
}

// B4: a name in a registry was shown as an empty list, existing or not.
func TestInspectARegistry(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	list := testhelpers.Attested(t, pack(t, "linux/amd64", "oci"), pack(t, "windows/amd64:10.0.1", "oci"))
	digest := l.reg.PushIndex(t, "acme/bp:1", list)
	image := l.image("acme/bp:a", "linux/amd64")
	raw, err := list.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"acme/bp:1", "acme/bp@" + digest.String()} {
		result, err := l.inspect(l.at(ref))
		if err != nil {
			t.Fatal(err)
		}
		if string(result.Raw) != string(raw) || result.Digest != digest || result.Local || result.Name != l.at(ref) ||
			result.MediaType != string(index.OCI.IndexType()) {
			t.Errorf("%+v", result)
		}
		wantEqual(t, "entries", platforms(result.Index.Entries()),
			[]string{"linux/amd64", "windows/amd64:10.0.1", "+unknown/unknown", "+unknown/unknown"})
	}
	// podman #12729: an image is shown, too
	result, err := l.inspect(l.at("acme/bp:a"))
	if err != nil || result.Index != nil || result.Digest != image || result.MediaType != string(index.V2S2.ImageType()) {
		t.Errorf("%+v, %v", result, err)
	}
	for _, ref := range []string{"acme/bp:none", "never/was:1"} {
		_, err := l.inspect(l.at(ref))
		wantKind(t, err, index.ErrNotFound, l.at(ref))
	}
	_, err = l.inspect("Not a reference")
	wantKind(t, err, index.ErrUsage, "Not a reference")
}

func TestInspectPrefersWhatIsKept(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64")
	l.reg.PushIndex(t, "acme/bp:1", testhelpers.List(t, pack(t, "linux/arm64", "oci")))
	kept := l.create("acme/bp:1", index.V2S2, "acme/bp:a")
	l.reg.Reset()
	result, err := l.inspect(l.at("acme/bp:1"))
	if err != nil || !result.Local || result.Digest != kept.Index.Digest() || result.MediaType != string(index.V2S2.IndexType()) {
		t.Fatalf("%+v, %v", result, err)
	}
	if got := result.Index.Entries()[0].Origin.Ref; got != l.at("acme/bp:a") {
		t.Errorf("the origin is %q", got)
	}
	if n := len(l.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
	if _, err := l.Delete(t.Context(), client.DeleteRequest{Names: []string{l.at("acme/bp:1")}}); err != nil {
		t.Fatal(err)
	}
	if result, err = l.inspect(l.at("acme/bp:1")); err != nil || result.Local || result.Digest == kept.Index.Digest() {
		t.Errorf("%+v, %v", result, err)
	}
}

// L7: what cannot be read is no reason to look elsewhere, to start anew or to
// hide the other lists.
func TestACorruptListIsAnError(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.image("acme/bp:a", "linux/amd64")
	l.reg.PushIndex(t, "acme/bad:1", testhelpers.List(t, pack(t, "linux/arm64", "oci")))
	l.create("acme/bad:1", index.V2S2, "acme/bp:a")
	l.create("acme/good:1", index.V2S2, "acme/bp:a")
	heads, err := filepath.Glob(filepath.Join(l.home, "manifests", "v1", "*bad*", "index.json"))
	if err != nil || len(heads) != 1 {
		t.Fatalf("%v, %v", heads, err)
	}
	if err := os.WriteFile(heads[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.reg.Reset()
	ctx, name, source := t.Context(), l.at("acme/bad:1"), []string{l.at("acme/bp:a")}
	for what, do := range map[string]func() error{
		"inspect": func() error { _, err := l.inspect(name); return err },
		"create": func() error {
			_, err := l.Create(ctx, client.CreateRequest{Name: name, Sources: source})
			return err
		},
		"amend": func() error {
			_, err := l.Create(ctx, client.CreateRequest{Name: name, Sources: source, Amend: true})
			return err
		},
		"replace": func() error {
			_, err := l.Create(ctx, client.CreateRequest{Name: name, Sources: source, Replace: true})
			return err
		},
		"add": func() error { _, err := l.Add(ctx, client.AddRequest{Name: name, Sources: source}); return err },
		"annotate": func() error {
			_, err := l.Annotate(ctx, client.AnnotateRequest{Name: name, Entry: "linux/amd64", Platform: index.PlatformPatch{OSVersion: new("1")}})
			return err
		},
		"rm": func() error {
			_, err := l.RemoveEntries(ctx, client.RemoveEntriesRequest{Name: name, Entries: []string{"linux/amd64"}})
			return err
		},
		"push": func() error { _, err := l.Push(ctx, client.PushRequest{Name: name}); return err },
	} {
		t.Run(what, func(t *testing.T) { //nolint:paralleltest // what follows counts on the end of these
			wantKind(t, do(), index.ErrCorrupt, name)
		})
	}
	if raw, err := os.ReadFile(heads[0]); err != nil || string(raw) != "{" {
		t.Errorf("the evidence became %q, %v", raw, err)
	}
	if n := l.reg.Writes(); n > 0 {
		t.Errorf("%d writes", n)
	}
	lists, err := l.List(ctx)
	if err != nil || len(lists) != 2 {
		t.Fatalf("%v, %v", lists, err)
	}
	wantKind(t, lists[0].Err, index.ErrCorrupt)
	if lists[0].Name.String() != name || lists[1].Err != nil || lists[1].Index.Len() != 1 {
		t.Errorf("%+v", lists)
	}
	if _, err := l.Delete(ctx, client.DeleteRequest{Names: []string{name}}); err != nil {
		t.Error(err)
	}
	wantEqual(t, "names", l.names(), []string{"acme/good:1"})
}

func TestListIsSorted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	wantEqual(t, "names", l.names(), nil)
	l.image("acme/bp:a", "linux/amd64")
	for _, name := range []string{"b/x:1", "a/x:2", "a/x:10", "a/x:A"} {
		l.create(name, index.V2S2, "acme/bp:a")
	}
	names := l.names()
	if len(names) != 4 || !slices.IsSorted(names) {
		t.Errorf("%v", names)
	}
}

// CVE-2021-41190: a document that is a list to one and an image to another is
// neither here.
func TestInspectRefusesWhatCanBeReadInTwoWays(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	digest := l.image("acme/bp:a", "linux/amd64")
	descriptor := `{"mediaType":"` + string(index.V2S2.ImageType()) + `","digest":"` + digest.String() + `","size":1}`
	both := `{"schemaVersion":2,"mediaType":"` + string(index.V2S2.IndexType()) + `","manifests":[` + descriptor + `],"config":` + descriptor + `}`
	l.reg.Inject(testhelpers.Fault{Method: "GET", Match: "/manifests/both", Do: answer(string(index.V2S2.IndexType()), both)})
	for _, do := range []func() error{
		func() error { _, err := l.inspect(l.at("acme/bp:both")); return err },
		func() error {
			_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: []string{l.at("acme/bp:both")}})
			return err
		},
	} {
		err := do()
		wantKind(t, err, index.ErrInvalid, l.at("acme/bp:both"), "two kinds of document")
	}
	if l.reg.Faulted() < 2 {
		t.Error("the document was not asked for")
	}
}

func answer(mediaType, body string) testhelpers.Action {
	return testhelpers.Status(200, map[string]string{
		"Content-Type": mediaType, "Docker-Content-Digest": index.DigestOf([]byte(body)).String(),
	}, body)
}

// theirs writes a list as upstream pack leaves it: no blobs, an index.json that
// is the list itself, modes 0755.
func (l *lab) theirs(dir, format string, entries ...v1.Descriptor) {
	l.t.Helper()
	path := filepath.Join(l.home, "manifests", dir)
	if err := os.MkdirAll(path, 0o755); err != nil {
		l.t.Fatal(err)
	}
	var lines []string
	for _, e := range entries {
		lines = append(lines, `      {
         "mediaType": "`+string(e.MediaType)+`",
         "size": `+toText(e.Size)+`,
         "digest": "`+e.Digest.String()+`",
         "platform": {
            "architecture": "`+e.Platform.Architecture+`",
            "os": "`+e.Platform.OS+`",
            "os.version": "`+e.Platform.OSVersion+`"
         }
      }`)
	}
	list := "{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"" + format + "\",\n   \"manifests\": [\n" + strings.Join(lines, ",\n") + "\n   ]\n}"
	for name, content := range map[string]string{"oci-layout": "{\n    \"imageLayoutVersion\": \"1.0.0\"\n}", "index.json": list} {
		if err := os.WriteFile(filepath.Join(path, name), []byte(content), 0o755); err != nil {
			l.t.Fatal(err)
		}
	}
}
