package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func toText(n int64) string { return strconv.FormatInt(n, 10) }

func (l *lab) push(name string) (client.ListResult, error) {
	l.t.Helper()
	return l.Push(l.t.Context(), client.PushRequest{Name: l.at(name)})
}

// forget deletes content of a repository, as a registry's clean-up does.
func (l *lab) forget(repository, kind string, digest v1.Hash) {
	l.t.Helper()
	address := "http://" + l.at(repository)
	address = strings.Replace(address, l.reg.Host+"/", l.reg.Host+"/v2/", 1) + "/" + kind + "/" + digest.String()
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodDelete, address, http.NoBody)
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusAccepted {
		l.t.Fatalf("%s: %d, %v", address, resp.StatusCode, err)
	}
}

func TestPushPublishesChildrenThenTheListThenTags(t *testing.T) {
	t.Parallel()
	l, entries := listOf(t, index.V2S2)
	result, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Tags: []string{"latest", "1.0"}})
	if err != nil {
		t.Fatal(err)
	}
	raw := l.kept("acme/bp:1")
	for _, tag := range []string{"1", "latest", "1.0"} {
		if got, _, ok := l.reg.Manifest("acme/bp", tag); !ok || string(got) != raw {
			t.Errorf("%s is %q", tag, got)
		}
	}
	if result.Reference() != l.at("acme/bp@"+index.DigestOf([]byte(raw)).String()) {
		t.Errorf("reference %s", result.Reference())
	}
	steps := l.steps()
	at := slices.Index(steps, "child windows/amd64:10.0.17763.1")
	if at < 0 || !slices.Contains(steps[:at], "mount") {
		t.Errorf("no blob, or no child after it: %v", steps)
	}
	wantEqual(t, "the end", steps[len(steps)-4:], []string{"list 1", "verify 1", "tag latest", "tag 1.0"})
	for _, there := range []string{"child linux/amd64 skipped", "child linux/arm64 skipped"} {
		if !slices.Contains(steps, there) {
			t.Errorf("no %q in %v", there, steps)
		}
	}
	if _, _, ok := l.reg.Manifest("acme/bp", entries[2].Digest.String()); !ok {
		t.Error("the child of the other repository is missing")
	}
	// Again: nothing is written.
	l.reg.Reset()
	l.events = nil
	if _, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Tags: []string{"latest", "1.0"}}); err != nil {
		t.Fatal(err)
	}
	if n := l.reg.Writes(); n > 0 {
		t.Errorf("%d writes", n)
	}
	for _, step := range l.steps() {
		if !strings.HasSuffix(step, "skipped") {
			t.Errorf("step %s", step)
		}
	}
	wantEqual(t, "names", l.names(), []string{"acme/bp:1"})
}

// B3: push in another format could not convert, or changed what is kept.
func TestPushInAnotherFormat(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	before := l.kept("acme/bp:1")
	oci := index.OCI
	result, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Format: &oci})
	if err != nil {
		t.Fatal(err)
	}
	raw, mediaType, _ := l.reg.Manifest("acme/bp", "1")
	if mediaType != string(index.OCI.IndexType()) || index.DigestOf(raw) != result.Index.Digest() || !result.Diff.Index {
		t.Errorf("published %s %s", mediaType, raw)
	}
	if l.kept("acme/bp:1") != before {
		t.Error("what is kept changed")
	}
	published, err := index.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range published.Entries() {
		child, childType, ok := l.reg.Manifest("acme/bp", e.Digest.String())
		if !ok || childType != string(index.OCI.ImageType()) || index.DigestOf(child) != e.Digest {
			t.Errorf("child %s is %s: %s", e.Digest, childType, child)
		}
	}
	wantEqual(t, "findings", l.findings(), nil)
}

// With --preserve-digests the images stay as they are, with a warning.
func TestPushInAnotherFormatPreservesDigests(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	oci := index.OCI
	request := client.PushRequest{Name: l.at("acme/bp:1"), Format: &oci, PreserveDigests: true}
	if _, err := l.Push(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "findings", l.findings(), []string{
		"media-type-mixed warning linux/amd64", "media-type-mixed warning linux/arm64", "media-type-mixed warning windows/amd64:10.0.17763.1",
	})
}

func TestPushRefusesWhatTheFormatCannotHold(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.OCI)
	request := client.AnnotateRequest{Name: l.at("acme/bp:1"), Entry: "linux/arm64", Annotations: map[string]string{"k": "v"}}
	if _, err := l.Annotate(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	v2s2 := index.V2S2
	_, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Format: &v2s2})
	wantRule(t, err, index.AnnotationsInV2S2, "linux/arm64")
	_, err = l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Tags: []string{"a b"}})
	wantKind(t, err, index.ErrUsage, `tag "a b"`)
	if n := len(l.reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

// B14: the list is deleted once it is published and verified, never before.
func TestPurge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   testhelpers.Action
	}{
		{"R12 201 and nothing stored", testhelpers.Lie()},
		{"R14 altered bytes stored", testhelpers.Alter()},
		{"R13 another digest", testhelpers.Header("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))},
		{"R17 denied", testhelpers.Status(403, nil, `{"errors":[{"code":"DENIED","message":"quota exceeded"}]}`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, _ := listOf(t, index.V2S2)
			l.reg.Inject(testhelpers.Fault{Method: "PUT", Match: "/manifests/1$", Do: c.do})
			_, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Purge: true, Tags: []string{"latest"}})
			if err == nil || l.reg.Faulted() == 0 {
				t.Fatalf("got %v after %d faults", err, l.reg.Faulted())
			}
			if !strings.Contains(err.Error(), l.at("acme/bp")) {
				t.Errorf("%v does not say what it is about", err)
			}
			if _, _, ok := l.reg.Manifest("acme/bp", "latest"); ok {
				t.Error("a further tag was written")
			}
			wantEqual(t, "names", l.names(), []string{"acme/bp:1"})
		})
	}
	l, _ := listOf(t, index.V2S2)
	if _, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Purge: true}); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "names", l.names(), nil)
	if _, _, ok := l.reg.Manifest("acme/bp", "1"); !ok {
		t.Error("it is nowhere now")
	}
}

// R21: a child that the registry deleted after create is put again if its blobs
// are there; otherwise the error names it and no tag is written.
func TestPushOfAListWhoseChildIsGone(t *testing.T) {
	t.Parallel()
	l, entries := listOf(t, index.V2S2)
	arm := entries[1].Digest
	l.forget("acme/bp", "manifests", arm)
	if _, err := l.push("acme/bp:1"); err != nil {
		t.Fatalf("with its blobs there: %v", err)
	}
	if _, _, ok := l.reg.Manifest("acme/bp", arm.String()); !ok {
		t.Error("the list refers to nothing")
	}

	l, _ = listOf(t, index.V2S2)
	config, layers := blobsOf(t, pack(t, "linux/arm64"))
	l.forget("acme/bp", "manifests", arm)
	for _, blob := range append(layers, config) {
		l.forget("acme/bp", "blobs", blob)
	}
	_, err := l.push("acme/bp:1")
	wantKind(t, err, index.ErrNotFound, l.at("acme/bp"), " of "+arm.String()+" (linux/arm64)", "BLOB_UNKNOWN")
	if _, _, ok := l.reg.Manifest("acme/bp", "1"); ok {
		t.Error("the tag was written")
	}
}

func blobsOf(t *testing.T, img v1.Image) (config v1.Hash, layers []v1.Hash) {
	t.Helper()
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range manifest.Layers {
		layers = append(layers, layer.Digest)
	}
	return manifest.Config.Digest, layers
}

// Of a list that upstream pack left only the descriptors are there.
func TestPushOfUpstreamsList(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	amd, arm := pack(t, "linux/amd64", "oci"), pack(t, "linux/arm64", "oci")
	entries := []v1.Descriptor{described(t, amd), described(t, arm)}
	l.reg.Push(t, "acme/bp:amd", amd)
	l.reg.Push(t, "acme/elsewhere:arm", arm)
	dir := strings.NewReplacer(":", "-", "/", "_").Replace(l.at("acme/bp:1"))
	l.theirs(dir, string(index.OCI.IndexType()), entries...)

	wantEqual(t, "names", l.names(), []string{"acme/bp:1"})
	before := l.kept("acme/bp:1")
	_, err := l.push("acme/bp:1")
	if err == nil || !strings.Contains(err.Error(), entries[1].Digest.String()) || !strings.Contains(err.Error(), "linux/arm64") {
		t.Errorf("it lacks a child: %v", err)
	}
	if _, _, ok := l.reg.Manifest("acme/bp", "1"); ok {
		t.Error("the tag was written")
	}
	l.reg.Push(t, "acme/bp:arm", arm)
	if _, err := l.push("acme/bp:1"); err != nil {
		t.Fatal(err)
	}
	if raw, _, _ := l.reg.Manifest("acme/bp", "1"); string(raw) != before {
		t.Errorf("published is\n%s", raw)
	}
	// The first change takes it over.
	if _, err := l.RemoveEntries(t.Context(), client.RemoveEntriesRequest{Name: l.at("acme/bp:1"), Entries: []string{"linux/amd64"}}); err != nil {
		t.Fatal(err)
	}
	result, err := l.push("acme/bp:1")
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "entries", platforms(result.Index.Entries()), []string{"linux/arm64"})
}

func described(tb testing.TB, img v1.Image) v1.Descriptor {
	tb.Helper()
	raw, err := img.RawManifest()
	if err != nil {
		tb.Fatal(err)
	}
	mediaType, err := img.MediaType()
	if err != nil {
		tb.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		tb.Fatal(err)
	}
	return v1.Descriptor{MediaType: mediaType, Size: int64(len(raw)), Digest: index.DigestOf(raw), Platform: config.Platform()}
}

// hang lets requests wait for ever, and tells of the first one.
func hang() (testhelpers.Action, <-chan struct{}) {
	asked := make(chan struct{})
	var once sync.Once
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		// Only a server that has read the body notices that a client leaves.
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		once.Do(func() { close(asked) })
		testhelpers.Hang()(w, r, next)
	}, asked
}

var errSignal = errors.New("a signal")

// H6, S1: whatever hangs, the end of the context ends it, and the error says how
// far it came.
func TestTheEndOfTheContextEndsEveryVerb(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, match string
		do          func(ctx context.Context, l *lab) error
		done        int // steps of publishing, of which a list's own is none
	}{
		{"create", "/manifests/", func(ctx context.Context, l *lab) error {
			_, err := l.Create(ctx, client.CreateRequest{Name: l.at("acme/bp:2"), Sources: l.all([]string{"acme/bp:amd", "acme/bp:arm"})})
			return err
		}, 0},
		{"add", "/blobs/", func(ctx context.Context, l *lab) error {
			_, err := l.Add(ctx, client.AddRequest{Name: l.at("acme/bp:1"), Sources: l.all([]string{"acme/bp:amd"})})
			return err
		}, 0},
		{"inspect", "", func(ctx context.Context, l *lab) error {
			_, err := l.Inspect(ctx, client.InspectRequest{Reference: l.at("acme/bp:amd")})
			return err
		}, 0},
		{"push, planning", "/manifests/sha256", func(ctx context.Context, l *lab) error {
			_, err := l.Push(ctx, client.PushRequest{Name: l.at("acme/bp:1"), Purge: true})
			return err
		}, 0},
		{"push, writing", "/acme/bp/manifests/1$", func(ctx context.Context, l *lab) error {
			v2s2 := index.V2S2
			_, err := l.Push(ctx, client.PushRequest{Name: l.at("acme/bp:1"), Purge: true, Format: &v2s2})
			return err
		}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, _ := listOf(t, index.V2S2)
			do, asked := hang()
			fault := testhelpers.Fault{Match: c.match, Do: do}
			if c.done > 0 {
				fault.Method = http.MethodPut
			}
			l.reg.Inject(fault)
			ctx, cancel := context.WithCancelCause(t.Context())
			result := make(chan error, 1)
			go func() { result <- c.do(ctx, l) }()
			<-asked
			began := time.Now()
			cancel(errSignal)
			err := <-result
			if waited := time.Since(began); waited > time.Second {
				t.Errorf("it took %s", waited)
			}
			resolves := c.name == "create" || c.name == "add"
			if !errors.Is(err, errSignal) && (resolves || !errors.Is(err, context.Canceled)) {
				t.Errorf("got %v", err)
			}
			wantEqual(t, "names", l.names(), []string{"acme/bp:1"})
			if c.done == 0 {
				return
			}
			var unfinished *index.Unfinished
			if !errors.As(err, &unfinished) || len(unfinished.Done) < c.done || unfinished.Left[0].Kind != index.StepList {
				t.Fatalf("got %#v", err)
			}
			if got := unfinished.Summary(); !strings.Contains(got, "whether the list was written is not known") {
				t.Errorf("summary %q", got)
			}
		})
	}
}

// What stops publishing says what was done before.
func TestWhatStopsPublishingSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	l.reg.Inject(testhelpers.Fault{Method: "PUT", Match: "/manifests/latest$", Do: testhelpers.Status(403, nil, "")})
	_, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Tags: []string{"1.0", "latest", "2"}})
	var unfinished *index.Unfinished
	if !errors.As(err, &unfinished) {
		t.Fatalf("got %v", err)
	}
	wantKind(t, err, index.ErrDenied, l.at("acme/bp:latest"))
	var left []string
	for _, s := range unfinished.Left {
		left = append(left, stepText(s))
	}
	wantEqual(t, "left", left, []string{"tag latest", "tag 2"})
	if got, want := unfinished.Summary(), "the list was written, 2 of"; !strings.HasPrefix(got, want) {
		t.Errorf("summary %q, want %q", got, want)
	}
	// The same again does the rest.
	l.reg.ClearFaults()
	l.events = nil
	if _, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Tags: []string{"1.0", "latest", "2"}}); err != nil {
		t.Fatal(err)
	}
	steps := l.steps()
	wantEqual(t, "the end", steps[len(steps)-5:], []string{"list 1 skipped", "verify 1 skipped", "tag 1.0 skipped", "tag latest", "tag 2"})
}

// A change that was made while the list was published is not purged with it.
func TestPurgeKeepsWhatChangedInTheMeantime(t *testing.T) {
	t.Parallel()
	l, _ := listOf(t, index.V2S2)
	change := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if _, err := l.RemoveEntries(t.Context(), client.RemoveEntriesRequest{Name: l.at("acme/bp:1"), Entries: []string{"linux/arm64"}}); err != nil {
			t.Error(err)
		}
		next.ServeHTTP(w, r)
	}
	l.reg.Inject(testhelpers.Fault{Method: "PUT", Match: "/manifests/1$", Times: 1, Do: change})
	_, err := l.Push(t.Context(), client.PushRequest{Name: l.at("acme/bp:1"), Purge: true})
	wantKind(t, err, index.ErrConflict, "changed here in the meantime")
	wantEqual(t, "names", l.names(), []string{"acme/bp:1"})
	if _, _, ok := l.reg.Manifest("acme/bp", "1"); !ok {
		t.Error("the list was not published")
	}
}
