package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/internal/registry"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestOneNewTokenForAll: R23: requests that find out together that their token
// expired ask for one new token together.
func TestOneNewTokenForAll(t *testing.T) {
	t.Parallel()
	const n = 12
	reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", "canary"), testhelpers.WithDelay(5*time.Millisecond))
	w := work{n: n, ownRepository: true}
	c, refs, to := w.prepare(t, reg)
	pub := publication(t, resolve(t, c, refs...), to...)
	plan, err := c.Plan(t.Context(), pub)
	if err != nil {
		t.Fatal(err)
	}
	reg.Reset()
	reg.ExpireTokens()
	if err := c.Run(t.Context(), plan, index.Watch{}); err != nil {
		t.Fatal(err)
	}
	has(t, reg, "a/list", "latest", pub.Index)
	refused := 0
	for _, r := range reg.Requests() {
		if r.Status == http.StatusUnauthorized {
			refused++
		}
	}
	if got := reg.CountKind("token"); got != 1 || refused < n {
		t.Errorf("%d new tokens for %d requests that were refused, want 1 for %d or more", got, refused, n)
	}
}

// TestTokensThatCannotBeRenewed: a token service that stops to give any is an
// error of what needed one.
func TestTokensThatCannotBeRenewed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		status int
		times  int
		kind   error
	}{{403, 0, index.ErrDenied}, {500, 0, index.ErrRefused}, {500, 2, nil}} {
		reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", canary))
		reg.Push(t, "a/source:0", image(t, 0))
		c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)))
		pub := publication(t, resolve(t, c, reg.Host+"/a/source:0"), reg.Host+"/a/list:1")
		plan, err := c.Plan(t.Context(), pub)
		if err != nil {
			t.Fatal(err)
		}
		reg.ExpireTokens()
		reg.Inject(testhelpers.Fault{Match: "^/token$", Times: row.times, Do: testhelpers.Status(row.status, nil, "")})
		err = c.Run(t.Context(), plan, index.Watch{})
		if row.kind == nil {
			if err != nil {
				t.Errorf("%d %d times: %v", row.status, row.times, err)
			}
			continue
		}
		wants(t, err, row.kind, reg.Host+"/a/list")
		leaks(t, "the error", err.Error())
	}
}

// TestLateChallenge: a registry that answers the ping without asking for
// credentials may ask for a token later, and gets it.
func TestLateChallenge(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"u", ""} {
		t.Run("user "+user, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", canary), testhelpers.WithDelay(time.Millisecond),
				testhelpers.WithGrants(func(string, string, string) bool { return true }))
			reg.Inject(testhelpers.Fault{Match: "^/v2/$", Do: testhelpers.Status(200, nil, "{}")})
			for i := range 3 {
				reg.Push(t, "a/source:"+string(rune('0'+i)), image(t, i))
			}
			edit := env()
			if user != "" {
				edit = env("CNB_REGISTRY_AUTH=" + basic(reg.Host, canary))
			}
			c := newClient(t, edit)
			pub := publication(t, resolve(t, c, reg.Host+"/a/source:0", reg.Host+"/a/source:1", reg.Host+"/a/source:2"), reg.Host+"/a/list:1")
			mustPublish(t, c, pub)
			has(t, reg, "a/list", "1", pub.Index)
			if got := reg.CountKind("token"); got != 2 {
				t.Errorf("%d tokens, want one for each repository: %s", got, tally(reg))
			}
		})
	}
}

// TestLateChallengeOfSomebodyElse: R25, R26: credentials are not exchanged with
// whom a registry redirects to, whatever is asked there.
func TestLateChallengeOfSomebodyElse(t *testing.T) {
	t.Parallel()
	other := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", canary))
	reg := testhelpers.NewRegistry(t)
	reg.Push(t, "a/source:0", image(t, 0))
	reg.Inject(testhelpers.Fault{Method: http.MethodGet, Match: "/blobs/", Do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, "http://"+other.Host+r.URL.Path, http.StatusTemporaryRedirect)
	}})
	c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)))
	_, err := c.Resolve(t.Context(), reg.Host+"/a/source:0")
	wants(t, err, index.ErrDenied, "401")
	if len(other.Requests()) == 0 {
		t.Error("it was not redirected")
	}
	for _, r := range other.Requests() {
		if r.Authorization != "" || r.Kind == "token" {
			t.Errorf("%s %s with %q", r.Method, r.Path, r.Authorization)
		}
	}
}

// TestMountingIsDenied: R28: where the token does not allow to mount, the blobs
// are read and sent; it is told which of both is denied, if one is.
func TestMountingIsDenied(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		fault  testhelpers.Fault
		denies string // what is denied after resolving, "" for nothing
		thing  string // that the error is about
	}{
		{name: "the registry does not allow it", fault: testhelpers.Fault{Method: http.MethodPost, Do: unmounted(403)}},
		{name: "no token for both", fault: testhelpers.Fault{Match: "^/token$", Do: oneScope()}},
		{name: "the source may not be read any more", denies: "a/source pull", thing: "/a/source@sha256:"},
		{name: "the destination may not be written", denies: "a/list push", thing: "/a/list@sha256:"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var denying atomic.Bool
			reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", canary), testhelpers.WithGrants(
				func(_, repository, action string) bool { return !denying.Load() || repository+" "+action != row.denies }))
			reg.Push(t, "a/source:0", image(t, 0))
			reg.Push(t, "a/source:1", image(t, 1))
			login := env("CNB_REGISTRY_AUTH=" + basic(reg.Host, canary))
			c := newClient(t, login, jobs(1))
			pub := publication(t, resolve(t, c, reg.Host+"/a/source:0", reg.Host+"/a/source:1"), reg.Host+"/a/list:1")
			if row.fault.Do != nil {
				reg.Inject(row.fault)
			}
			denying.Store(row.denies != "")
			reg.ExpireTokens()
			reg.Reset()
			steps, err := publish(t, c, pub)
			if row.thing != "" {
				wants(t, err, index.ErrDenied, reg.Host+row.thing, "401")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			has(t, reg, "a/list", "1", pub.Index)
			if n := kinds(steps); n["mount"] > 0 || n["upload"] == 0 {
				t.Errorf("it is told that %v was done", n)
			}
			mounts := 0
			for _, r := range reg.Requests() {
				if r.Kind == "mount" && (r.Status == 403 || r.Status == 401) {
					mounts++
				}
			}
			if mounts == 0 || mounts > 2 {
				t.Errorf("%d mounts were tried, want no more after the first was denied: %s", mounts, tally(reg))
			}
		})
	}
}

// oneScope is a token service that gives nothing to who asks for several
// repositories.
func oneScope() testhelpers.Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if len(strings.Fields(strings.Join(r.URL.Query()["scope"], " "))) > 1 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// TestHostsWithoutCase: RFC 3986, 3.2.2: LOCALHOST is localhost, and a blob is
// mounted from one to the other.
func TestHostsWithoutCase(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.Push(t, "a/source:0", image(t, 0))
	reg.Push(t, "a/list:0", image(t, 1))
	port := reg.Host[strings.LastIndexByte(reg.Host, ':'):]
	upper, lower := "LOCALHOST"+port, "localhost"+port
	c := newClient(t)
	c.WillPublish(tagOf(t, lower+"/a/list:1").Repository, []name.Repository{tagOf(t, upper+"/a/source:0").Repository})
	pub := publication(t, resolve(t, c, upper+"/a/source:0", upper+"/a/list:0"), lower+"/a/list:1", upper+"/a/list:2")
	steps := kinds(mustPublish(t, c, pub))
	has(t, reg, "a/list", "1", pub.Index)
	has(t, reg, "a/list", "2", pub.Index)
	if steps["mount"] != 3 || steps["upload"] != 0 || steps["child skipped"] != 1 || steps["tag"] != 1 || steps["list"] != 1 {
		t.Errorf("steps %v", steps)
	}
	if got := reg.CountKind("ping"); got != 1 {
		t.Errorf("%d pings, want 1", got)
	}
}

// TestLargeBlobsAreWaitedFor: R19: a registry that needs its time to store what
// is large has it; others have not.
func TestLargeBlobsAreWaitedFor(t *testing.T) {
	t.Parallel()
	t.Run("plain", func(t *testing.T) { t.Parallel(); waitedFor(t) })
	t.Run("TLS", func(t *testing.T) { t.Parallel(); waitedFor(t, testhelpers.WithTLS()) })
}

func waitedFor(t *testing.T, opts ...testhelpers.RegistryOption) {
	t.Helper()
	reg := testhelpers.NewRegistry(t, opts...)
	m, _ := local(t, large(t, 2*mib))
	begun, end := make(chan struct{}), make(chan struct{})
	var once sync.Once
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/uploads/", Do: ofLarge(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		// The answer is held back until a request that began later was given up on.
		next.ServeHTTP(&holding{ResponseWriter: w, before: func() {
			once.Do(func() { close(begun) })
			<-end
		}}, r)
	})})
	reg.Inject(testhelpers.Fault{Match: "/manifests/silent$", Do: testhelpers.Hang()})
	short := func(o *registry.Options) {
		o.Timeouts = registry.Timeouts{Header: 300 * time.Millisecond, Idle: 300 * time.Millisecond, HeaderPerMB: time.Hour}
	}
	c := newClient(t, short, trust(reg))
	pub := publication(t, []index.Manifest{m}, reg.Host+"/a/list:1")
	published := make(chan error, 1)
	plan, err := c.Plan(t.Context(), pub)
	if err != nil {
		t.Fatal(err)
	}
	go func() { published <- c.Run(t.Context(), plan, index.Watch{}) }()
	<-begun
	for range 2 { // so that one of them began well after the other answer was due
		_, err = c.Resolve(t.Context(), reg.Host+"/a/list:silent")
		wants(t, err, index.ErrUnreachable, "timeout", "300ms")
	}
	close(end)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	has(t, reg, "a/list", "1", pub.Index)
	if got := reg.Count(http.MethodPut, "/uploads/"); got != 2 {
		t.Errorf("%d PUTs, want one for each blob", got)
	}
}

// holding does something before the first of an answer goes out.
type holding struct {
	http.ResponseWriter
	before func()
}

// WriteHeader implements http.ResponseWriter.
func (h *holding) WriteHeader(status int) {
	h.before()
	h.ResponseWriter.WriteHeader(status)
}

// TestSlotsAndTokens: what waits for a new token with all slots in its hands does
// not keep them from who is to get it.
func TestSlotsAndTokens(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late challenge %t", late), func(t *testing.T) {
			t.Parallel()
			from := testhelpers.NewRegistry(t)
			from.Push(t, "a/source:0", image(t, 0))
			reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", canary))
			near, _ := local(t, image(t, 1))
			ours := near.Layers[0].Digest
			refused := func(r registry.Request) {
				if r.Status == http.StatusUnauthorized && strings.Contains(r.URL, ours.Hex) {
					time.Sleep(50 * time.Millisecond) // lets the other one get in line for all slots; without it less is tested
				}
			}
			c := newClient(t, jobs(2), env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)), func(o *registry.Options) { o.Log = refused })
			if late {
				reg.Inject(testhelpers.Fault{Match: "^/v2/$", Do: testhelpers.Status(200, nil, "{}")})
			}
			far := resolve(t, c, from.Host+"/a/source:0")[0]
			to := tagOf(t, reg.Host+"/a/list:1").Repository
			there := make(chan struct{})
			reg.Inject(testhelpers.Fault{Method: http.MethodHead, Match: ours.Hex, Times: 1, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				<-there
				reg.ExpireTokens()
				next.ServeHTTP(w, r)
			}})
			theirs := layers(t, far)[0]
			reg.Inject(testhelpers.Fault{Method: http.MethodHead, Match: theirs.Hex, Times: 1, Do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				w.WriteHeader(http.StatusNotFound) // whoever asks may know that
				close(there)
			}})
			repo, _ := far.Origin.Repo()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := c.Run(ctx, index.Plan{Steps: []index.Step{
				{Kind: index.StepUpload, Digest: ours, Size: near.Layers[0].Size, To: to, Blob: near.Layers[0]},
				{Kind: index.StepUpload, Digest: theirs, Size: sizeOf(t, far, theirs), To: to, From: repo},
			}}, index.Watch{})
			if err != nil || !reg.HasBlob("a/list", ours) || !reg.HasBlob("a/list", theirs) {
				t.Error(err)
			}
		})
	}
}

// TestTokenOfAnotherExpires: the token that another request got meanwhile may be
// worthless as well by the time that it is tried.
func TestTokenOfAnotherExpires(t *testing.T) {
	t.Parallel()
	from := testhelpers.NewRegistry(t)
	from.Push(t, "a/source:0", image(t, 0))
	reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", canary))
	near, _ := local(t, image(t, 1))
	ours := near.Layers[0].Digest
	c := newClient(t, env("CNB_REGISTRY_AUTH="+basic(reg.Host, canary)))
	far := resolve(t, c, from.Host+"/a/source:0")[0]
	to := tagOf(t, reg.Host+"/a/list:1").Repository
	theirs := layers(t, far)[0]
	repo, _ := far.Origin.Repo()
	there := make(chan struct{})
	reg.Inject(testhelpers.Fault{Method: http.MethodHead, Match: ours.Hex, Times: 1, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		<-there // the other one needed a token for writing, and has one
		reg.ExpireTokens()
		next.ServeHTTP(w, r)
	}})
	err := c.Run(t.Context(), index.Plan{Steps: []index.Step{
		{Kind: index.StepUpload, Digest: ours, Size: near.Layers[0].Size, To: to, Blob: near.Layers[0]},
		{Kind: index.StepUpload, Digest: theirs, Size: sizeOf(t, far, theirs), To: to, From: repo},
	}}, index.Watch{Done: func(s index.Step) {
		if s.Digest == theirs {
			close(there)
		}
	}})
	if err != nil || !reg.HasBlob("a/list", ours) {
		t.Error(err)
	}
}

func sizeOf(t *testing.T, m index.Manifest, layer v1.Hash) int64 {
	t.Helper()
	image, err := index.ParseImage(m.Raw, m.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(image.Layers, func(d v1.Descriptor) bool { return d.Digest == layer })
	return image.Layers[at].Size
}
