package client_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// moved checks the events of transfers since the last call, and returns what was
// announced, and of each blob to where it got, as "PLATFORM to TO" and bytes.
func (l *lab) moved() (client.Transfers, map[string]int64) {
	l.t.Helper()
	var announced *client.Transfers
	at := map[string]int64{}
	sizes := map[string]int64{}
	ended := false
	for _, e := range l.events {
		switch {
		case e.Begin != nil:
			if announced != nil {
				l.t.Error("it begins twice")
			}
			announced = e.Begin
		case e.Sent != nil || e.Saved != nil:
			t := e.Sent
			if t == nil {
				t = e.Saved
			}
			if announced == nil || ended || t.Bytes > t.Size || t.Entry == nil {
				l.t.Errorf("told of %+v", t)
				continue
			}
			key := fmt.Sprintf("%s %s to %s", t.Digest.Hex[:4], t.Entry.PlatformString(), strings.TrimPrefix(t.To, l.reg.Host+"/"))
			if t.Unplanned {
				key += ", unplanned"
			}
			at[key], sizes[key] = t.Bytes, t.Size
		case e.End:
			ended = true
		}
	}
	for key, size := range sizes {
		if at[key] != size {
			l.t.Errorf("%s: %d of %d bytes", key, at[key], size)
		}
	}
	if announced == nil || !ended {
		l.t.Fatalf("it did not begin and end: %+v", l.events)
	}
	l.events = nil
	return *announced, at
}

func sum(at map[string]int64) int64 {
	all := int64(0)
	for _, n := range at {
		all += n
	}
	return all
}

func TestEventsOfWhatIsSent(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{LayerSizes: []int64{200_000, 300_000}})
	file := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "a.cnb"), img)
	l.image("acme/arm:1", "linux/arm64")
	_, layers := blobsOf(t, img)
	publish := func(list string) {
		t.Helper()
		_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at(list), Sources: []string{file, l.at("acme/arm:1")}, Publish: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	publish("acme/bp:1")
	announced, at := l.moved()
	// A config and two layers of the file; a config and a layer are mounted.
	if announced.Blobs != 5 || len(at) != 3 || announced.Bytes < 500_000 || sum(at) != announced.Bytes {
		t.Errorf("announced %+v, sent %v", announced, at)
	}
	if key := layers[0].Hex[:4] + " linux/amd64 to acme/bp"; at[key] < 200_000 {
		t.Errorf("no %s in %v", key, at)
	}

	publish("acme/bp:2") // it is all there, and what can be mounted is not asked for
	if announced, at := l.moved(); announced != (client.Transfers{Blobs: 2}) || len(at) > 0 {
		t.Errorf("announced %+v, sent %v", announced, at)
	}

	l.reg.Inject(testhelpers.Fault{Method: http.MethodPost, Match: "/acme/new/", Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.URL.RawQuery = "" // without a mount
		next.ServeHTTP(w, r)
	}})
	publish("acme/new:1")
	announced, at = l.moved()
	unplanned := 0
	for key := range at {
		if strings.HasSuffix(key, "linux/arm64 to acme/new, unplanned") {
			unplanned++
		}
	}
	if announced.Blobs != 5 || len(at) != 5 || unplanned != 2 || sum(at) <= announced.Bytes {
		t.Errorf("announced %+v, sent %v", announced, at)
	}
}

func TestEventsEndWithAFailure(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "a.cnb"), pack(t, "linux/amd64"))
	l.reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/blobs/", Do: testhelpers.Status(http.StatusForbidden, nil, "")})
	_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: []string{file}, Publish: true})
	wantKind(t, err, index.ErrDenied, "403")
	if !l.events[len(l.events)-1].End {
		t.Errorf("the last event is %+v", l.events[len(l.events)-1])
	}
	l.moved()
}

func TestADryRunSendsNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "a.cnb"), pack(t, "linux/amd64"))
	_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: []string{file}, Publish: true, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	planned := 0
	for _, e := range l.events {
		if e.Planned != nil {
			planned++
		}
		if e.Begin != nil || e.Sent != nil || e.End {
			t.Errorf("told of %+v", e)
		}
	}
	if planned == 0 {
		t.Error("nothing is planned")
	}
}

func TestEventsOfWhatIsSaved(t *testing.T) {
	t.Parallel()
	l, list := mixed(t, index.V2S2)
	big := testhelpers.Buildpackage(t, testhelpers.PackageSpec{
		Platform: mustPlatform(t, "linux/s390x"), LayerSizes: []int64{200_000},
	})
	l.reg.Push(t, "acme/big:1", big)
	if _, err := l.Add(t.Context(), client.AddRequest{Name: l.at("acme/bp:1"), Sources: []string{l.at("acme/big:1")}}); err != nil {
		t.Fatal(err)
	}
	var want []v1.Hash
	for _, img := range []v1.Image{big, pack(t, "linux/arm64"), pack(t, "windows/amd64")} {
		config, layers := blobsOf(t, img)
		want = append(append(want, config), layers...)
	}
	for _, file := range []string{"bp.tar", "bp.cnb", "bp"} {
		l.events = nil
		path := l.mustSave("acme/bp:1", file)
		var saved []v1.Hash
		for _, e := range l.events {
			if e.Saved != nil {
				saved = append(saved, e.Saved.Digest)
			}
		}
		steps := 0
		for _, e := range l.events {
			if e.Sent != nil && e.Sent.Size > 200_000 {
				steps++
			}
		}
		announced, at := l.moved()
		if announced.Blobs != len(at) || sum(at) != announced.Bytes || len(saved) != len(at) || announced.Bytes < 200_000 {
			t.Errorf("%s: announced %+v, saved %v", file, announced, at)
		}
		if steps < 3 {
			t.Errorf("%s: told of the large blob %d times", file, steps)
		}
		for _, digest := range want {
			if !slices.Contains(saved, digest) {
				t.Errorf("%s: %s is not told of", file, digest)
			}
		}
		for _, e := range list.Index.Entries() {
			if slices.Contains(saved, e.Digest) {
				t.Errorf("%s: told of the manifest %s", file, e.Digest)
			}
		}
		for key := range at {
			if !strings.HasSuffix(key, " to "+path) {
				t.Errorf("%s: %s", file, key)
			}
		}
	}
}

// late is a registry that keeps who watches a run, and has nothing to do.
type late struct {
	client.Registry
	watch index.Watch
}

func (*late) WillPublish(name.Repository, []name.Repository) {}

func (*late) Plan(_ context.Context, p index.Publication) (index.Plan, error) {
	return index.Plan{Index: p.Index}, nil
}

func (r *late) Run(_ context.Context, _ index.Plan, watch index.Watch) error {
	r.watch = watch
	return nil
}

// A request that was answered early may still read when all is over.
func TestNoEventsAfterTheEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := testhelpers.WriteCNB(t, filepath.Join(t.TempDir(), "a.cnb"), pack(t, "linux/amd64"))
	var events []client.Event
	r := &late{}
	c := l.open(client.WithRegistry(r), client.WithObserver(func(e client.Event) { events = append(events, e) }))
	if _, err := c.Create(t.Context(), client.CreateRequest{Name: l.at("acme/bp:1"), Sources: []string{file}, Publish: true}); err != nil {
		t.Fatal(err)
	}
	n := len(events)
	r.watch.Sent(index.Step{Kind: index.StepUpload}, 1)
	r.watch.Done(index.Step{Kind: index.StepUpload})
	if n == 0 || !events[n-1].End || len(events) != n {
		t.Errorf("%d events, then %+v", n, events[n:])
	}
}
