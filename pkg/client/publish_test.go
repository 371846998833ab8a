package client_test

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// planned returns the steps that a dry run told of.
func (l *lab) planned() []string {
	var texts []string
	for _, e := range l.events {
		if e.Planned != nil {
			texts = append(texts, stepText(*e.Planned))
		}
	}
	return texts
}

func TestPublishedResult(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	here, there := l.image("acme/bp:a", "linux/amd64"), l.image("other/bp:b", "linux/arm64")
	result, err := l.Create(t.Context(), client.CreateRequest{
		Name: l.at("acme/bp:1"), Sources: l.all([]string{"acme/bp:a", "other/bp:b"}), Format: index.OCI,
		Publish: true, Tags: []string{"latest", "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "tags", result.Tags, l.all([]string{"acme/bp:1", "acme/bp:latest"}))
	if want := (client.Package{Kind: "buildpack", ID: "acme/hello", Version: "1.2.3"}); result.Package != want {
		t.Errorf("it is %+v, want %+v", result.Package, want)
	}
	if len(result.Images) != 2 || result.Images[0].Converted != here || result.Images[1].Converted != there || !result.Images[1].Copied {
		t.Errorf("images %+v", result.Images)
	}
	if origin := result.Images[1].Origin; origin.Ref != l.at("other/bp:b") || origin.Pin != there {
		t.Errorf("it came from %+v", origin)
	}
	// What is there already is not copied again.
	v2s2, err := l.Create(t.Context(), client.CreateRequest{
		Name: l.at("acme/bp:2"), Sources: l.all([]string{"acme/bp:a", "other/bp:b"}), Publish: true, Validation: strictest(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if v2s2.Images[0].Copied || !v2s2.Images[1].Copied || v2s2.Images[0].Converted.Hex != "" {
		t.Errorf("images %+v", v2s2.Images)
	}
}

// strictest lets no warning pass.
func strictest() client.Validation {
	return client.Validation{Policy: index.Policy{Mode: index.Strict}}
}

// Findings that were let pass are in the result as they were told.
func TestPublishedResultHasTheFindings(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	oci := index.OCI
	result, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Format: &oci, PreserveDigests: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range result.Findings {
		got = append(got, strings.TrimSpace(string(f.Rule)+" "+f.Severity.String()+" "+f.Entry.PlatformString()))
	}
	if wantEqual(t, "findings", got, l.findings()); len(got) != 3 {
		t.Errorf("findings %q", got)
	}
}

func TestPushToDestinations(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	request := client.PushRequest{
		Name: l.at("acme/bp:1"), Tags: []string{"latest"},
		Destinations: l.all([]string{"acme/one:1", "acme/two:1", "acme/one:2", "acme/one:latest"}),
	}
	result, err := l.Push(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	raw := l.kept("acme/bp:1")
	digest := "@" + index.DigestOf([]byte(raw)).String()
	wantEqual(t, "references", result.References(), []string{l.at("acme/one") + digest, l.at("acme/two") + digest})
	wantEqual(t, "tags", result.Tags, l.all([]string{"acme/one:1", "acme/one:latest", "acme/two:1", "acme/two:latest", "acme/one:2"}))
	for _, tag := range result.Tags {
		repository, tag, _ := strings.Cut(strings.TrimPrefix(tag, l.reg.Host+"/"), ":")
		if got, _, ok := l.reg.Manifest(repository, tag); !ok || string(got) != raw {
			t.Errorf("%s:%s is %q", repository, tag, got)
		}
	}
	if _, _, ok := l.reg.Manifest("acme/bp", "1"); ok {
		t.Error("it is at its own name, too")
	}
	steps := l.steps()
	if first := slices.IndexFunc(steps, func(s string) bool { return strings.HasPrefix(s, "list") }); slices.ContainsFunc(steps[first:], func(s string) bool {
		return strings.HasPrefix(s, "child") || strings.HasPrefix(s, "mount") || strings.HasPrefix(s, "upload")
	}) {
		t.Errorf("content after the first list: %q", steps)
	}
}

func TestPushToDestinationsRefused(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	l.reg.Reset()
	for _, c := range []struct {
		request client.PushRequest
		texts   []string
	}{
		{client.PushRequest{Destinations: []string{"A B", "u:secret@h.example/x", l.at("a@sha256:1")}}, []string{"A B", "***@h.example/x", "a@sha256"}},
		{client.PushRequest{Tags: []string{"a b"}}, []string{`tag "a b"`}},
		{client.PushRequest{IfTag: "latest"}, []string{`expected tag "latest"`}},
		{client.PushRequest{IfTag: "latest", Tags: []string{"a b"}}, []string{`expected tag "latest"`, `tag "a b"`}},
	} {
		c.request.Name = l.at("acme/bp:1")
		_, err := l.Push(t.Context(), c.request)
		wantKind(t, err, index.ErrUsage, c.texts...)
	}
	if n := len(l.reg.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A list that is purged was published everywhere.
func TestPurgeAfterAllDestinations(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	l.reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/two/manifests/1$", Do: testhelpers.Status(http.StatusForbidden, nil, ""), Times: 1})
	request := client.PushRequest{Name: l.at("acme/bp:1"), Destinations: l.all([]string{"acme/one:1", "acme/two:1"}), Purge: true}
	_, err := l.Push(t.Context(), request)
	wantKind(t, err, index.ErrDenied, "acme/two:1")
	wantEqual(t, "lists", l.names(), []string{"acme/bp:1"})
	if _, err := l.Push(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "lists", l.names(), nil)
}

func TestDryRunsWriteNothing(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	before := l.kept("acme/bp:1")
	l.reg.Reset()
	l.events = nil
	pushed, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Tags: []string{"latest"}, DryRun: true, Purge: true})
	if err != nil {
		t.Fatal(err)
	}
	planned := l.planned()
	wantEqual(t, "the end", planned[len(planned)-3:], []string{"list 1", "verify 1", "tag latest"})
	_, err = l.Create(t.Context(), client.CreateRequest{
		Name: l.at("acme/bp:1"), Sources: l.all([]string{"acme/bp:amd64"}), Replace: true, DryRun: true,
	})
	wantKind(t, err, index.ErrNotFound, "acme/bp:amd64")
	created, err := l.Create(t.Context(), client.CreateRequest{
		Name: l.at("acme/bp:1"), Sources: []string{l.at("acme/bp@" + pushed.Index.Entries()[0].Digest.String())}, Replace: true, DryRun: true,
	})
	if err != nil || created.Index.Len() != 1 {
		t.Fatalf("%v, %d entries", err, created.Index.Len())
	}
	if n := l.reg.Writes(); n != 0 {
		t.Errorf("%d writes", n)
	}
	if n := len(l.steps()); n != 0 {
		t.Errorf("%d steps are told as done", n)
	}
	wantEqual(t, "lists", l.names(), []string{"acme/bp:1"})
	if l.kept("acme/bp:1") != before {
		t.Error("what is kept changed")
	}
	if _, _, ok := l.reg.Manifest("acme/bp", "1"); ok {
		t.Error("it was published")
	}
	published, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1")})
	if err != nil || published.Reference() != pushed.Reference() {
		t.Errorf("published %s, the dry run said %s (%v)", published.Reference(), pushed.Reference(), err)
	}
}

// A dry run of create goes without a registry that is not there, but not against
// one that refuses.
func TestDryRunWithoutTheRegistry(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := testhelpers.WriteCNB(t, t.TempDir()+"/a.cnb", pack(t, "linux/amd64"))
	request := client.CreateRequest{Name: "127.0.0.1:1/acme/bp:1", Sources: []string{file}, Publish: true, DryRun: true}
	result, err := l.Create(t.Context(), request)
	if err != nil || !strings.HasPrefix(result.Reference(), "127.0.0.1:1/acme/bp@sha256:") {
		t.Fatalf("%s, %v", result.Reference(), err)
	}
	unasked := slices.IndexFunc(l.events, func(e client.Event) bool { return e.Unasked != nil })
	if unasked < 0 {
		t.Fatal("nobody was told that the registry was not asked")
	}
	wantKind(t, l.events[unasked].Unasked, index.ErrUnreachable, "127.0.0.1:1")
	var kinds []string
	for _, e := range l.events[unasked+1:] {
		kinds = append(kinds, string(e.Planned.Kind))
	}
	wantEqual(t, "steps", kinds, []string{"upload", "upload", "child", "list", "verify"})
	request.IfTag = "absent"
	_, err = l.Create(t.Context(), request)
	wantKind(t, err, index.ErrUnreachable, "127.0.0.1:1")
	l.reg.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/v2/", Do: testhelpers.Status(http.StatusForbidden, nil, "")})
	l.reg.Inject(testhelpers.Fault{Method: http.MethodHead, Match: "/v2/", Do: testhelpers.Status(http.StatusForbidden, nil, "")})
	request.Name, request.IfTag = l.at("acme/bp:1"), ""
	_, err = l.Create(t.Context(), request)
	wantKind(t, err, index.ErrDenied, l.reg.Host, "403")
}

func TestIfTagOfTheRequest(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	request := client.PushRequest{Name: l.at("acme/bp:1"), IfTag: "absent"}
	first, err := l.Push(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Push(t.Context(), request); err != nil {
		t.Errorf("again: %v", err)
	}
	create := client.CreateRequest{
		Name: l.at("acme/bp:1"), Publish: true, IfTag: "absent",
		Sources: []string{l.at("acme/bp@" + first.Index.Entries()[0].Digest.String())},
	}
	l.reg.Reset()
	_, err = l.Create(t.Context(), create)
	wantKind(t, err, index.ErrConflict, "acme/bp:1", "expected to be absent, and names "+first.Index.Digest().String())
	if n := l.reg.Writes(); n != 0 {
		t.Errorf("%d writes", n)
	}
	create.IfTag = first.Index.Digest().String()
	if _, err := l.Create(t.Context(), create); err != nil {
		t.Error(err)
	}
}

// urls is a store whose lists were made by somebody who kept URLs as they were
// typed.
type urls struct{ client.Store }

func (u urls) Get(ctx context.Context, n index.Name) (index.Index, error) {
	ix, err := u.Store.Get(ctx, n)
	return ix.WithOrigins(func(_ int, e index.Entry) index.Origin {
		e.Origin.Ref = "https://user:secret@h.example/bp.cnb"
		return e.Origin
	}), err
}

// buildkit 2311: a password in a reference is in no result, whoever wrote it.
func TestPublishedResultHasNoPassword(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	c := client.Open(client.Settings{Home: l.home, Now: time.Now, Env: func(string) string { return "" }},
		client.WithStore(urls{store.New(store.Options{Root: filepath.Join(l.home, "manifests")})}))
	t.Cleanup(c.Close)
	oci := index.OCI
	result, err := c.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Format: &oci, PreserveDigests: true})
	if err != nil {
		t.Fatal(err)
	}
	var refs []string
	for _, i := range result.Images {
		refs = append(refs, i.Origin.Ref)
	}
	for _, f := range result.Findings {
		refs = append(refs, f.Entry.Origin.Ref)
	}
	wantEqual(t, "sources", refs, slices.Repeat([]string{"https://***@h.example/bp.cnb"}, 6))
}
