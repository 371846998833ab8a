package testhelpers_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"go.uber.org/goleak"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testhelpers.Lingering()) }

// do sends a request on a connection of its own.
func do(t *testing.T, method, url, body string, header ...string) (int, http.Header, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	raw, err := io.ReadAll(resp.Body)
	if e := resp.Body.Close(); e != nil {
		t.Error(e)
	}
	return resp.StatusCode, resp.Header, string(raw), err
}

func image(t *testing.T) (v1.Image, v1.Hash) {
	t.Helper()
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	h, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	return img, h
}

func TestRegistryKeepsWhatIsPushed(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	img, layer := image(t)
	digest := reg.Push(t, "a/b:1", img)
	want, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"1", digest.String()} {
		if raw, mediaType, ok := reg.Manifest("a/b", ref); !ok || string(raw) != string(want) ||
			mediaType != "application/vnd.docker.distribution.manifest.v2+json" {
			t.Errorf("%s: ok %v, %s %s", ref, ok, mediaType, raw)
		}
	}
	if !reg.HasBlob("a/b", layer) || reg.HasBlob("a/c", layer) {
		t.Error("the blob is not in the repository that it was pushed to, and nowhere else")
	}
	if n := len(reg.Requests()); n != 0 {
		t.Errorf("pushing past the log left %d requests in it", n)
	}
	ix := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})
	reg.PushIndex(t, "a/list:1", ix)
	if _, mediaType, ok := reg.Manifest("a/list", "1"); !ok || mediaType != "application/vnd.oci.image.index.v1+json" {
		t.Errorf("the index is there: %v, as %s", ok, mediaType)
	}
}

func TestRegistryMountsAsOthersDo(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	img, layer := image(t)
	reg.Push(t, "src:1", img)
	base := "http://" + reg.Host + "/v2/dst/blobs/"
	for _, c := range []struct {
		from string
		want int
	}{{"nowhere", 202}, {"src", 201}} {
		code, header, _, err := do(t, "POST", base+"uploads/?mount="+layer.String()+"&from="+c.from, "")
		if err != nil || code != c.want {
			t.Fatalf("mount from %s: %d %v", c.from, code, err)
		}
		if code == 201 && header.Get("Docker-Content-Digest") != layer.String() {
			t.Errorf("mounted %q", header.Get("Docker-Content-Digest"))
		}
		if got := reg.HasBlob("dst", layer); got != (c.want == 201) {
			t.Errorf("after a mount from %s the blob is there: %v", c.from, got)
		}
	}
	if reg.CountKind("mount") != 2 || reg.Writes() != 2 {
		t.Errorf("%d mounts, %d writes", reg.CountKind("mount"), reg.Writes())
	}
}

func TestRegistryRefusesWhatIsIncomplete(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	img, layer := image(t)
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + reg.Host + "/v2/a/manifests/"
	code, _, body, err := do(t, "PUT", url+"1", string(raw), "Content-Type", "application/vnd.oci.image.manifest.v1+json")
	if err != nil || code != 400 || !strings.Contains(body, "MANIFEST_BLOB_UNKNOWN") {
		t.Errorf("a manifest without its blobs: %d %s %v", code, body, err)
	}
	code, _, body, err = do(t, "PUT", url+layer.String(), "{}", "Content-Type", "application/vnd.oci.image.manifest.v1+json")
	if err != nil || code != 400 || !strings.Contains(body, "DIGEST_INVALID") {
		t.Errorf("a manifest under a digest of another: %d %s %v", code, body, err)
	}
}

func TestRegistryTellsRoundsAndRequestsInFlight(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithDelay(50*time.Millisecond))
	url := "http://" + reg.Host + "/v2/"
	for range 2 {
		done := make(chan error)
		for range 3 {
			go func() {
				_, _, _, err := do(t, "GET", url, "")
				done <- err
			}()
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	if got := reg.CriticalPath(); got != 2 {
		t.Errorf("two rounds are %d", got)
	}
	if got := reg.MaxInFlight(); got != 3 {
		t.Errorf("three at once are %d", got)
	}
	reg.Reset()
	if _, _, _, err := do(t, "GET", strings.Replace(url, "http:", "https:", 1), ""); err == nil {
		t.Error("TLS on a plain port succeeded")
	}
	if got := reg.Count("tls-probe", ""); got != 1 {
		t.Errorf("a TLS hello was counted %d times: %v", got, reg.Requests())
	}
}

func TestRegistryOverTLSWithBasicAuth(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithTLS(), testhelpers.WithBasicAuth("u", "p"))
	img, _ := image(t)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: reg.CertPool()}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	ref, err := name.ParseReference(reg.Host + "/a:1")
	if err != nil {
		t.Fatal(err)
	}
	wrong := remote.WithAuth(&authn.Basic{Username: "u", Password: "wrong"})
	for _, auth := range []remote.Option{remote.WithAuth(authn.Anonymous), wrong} {
		if err := remote.Write(ref, img, remote.WithTransport(transport), auth); err == nil {
			t.Error("pushed without credentials")
		}
	}
	auth := remote.WithAuth(&authn.Basic{Username: "u", Password: "p"})
	if err := remote.Write(ref, img, remote.WithTransport(transport), auth); err != nil {
		t.Error(err)
	}
	if _, _, ok := reg.Manifest("a", "1"); !ok {
		t.Error("nothing was pushed")
	}
}

func TestRegistryTokensAreForTheirScopesOnly(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t, testhelpers.WithBearer("u", "p"))
	img, layer := image(t)
	reg.Push(t, "src:1", img)
	host := "http://" + reg.Host
	token := func(scopes, user, password string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, host+"/token?scope="+scopes, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		header := []string{}
		if user != "" {
			r.SetBasicAuth(user, password)
			header = append(header, "Authorization", r.Header.Get("Authorization"))
		}
		code, _, body, err := do(t, "GET", r.URL.String(), "", header...)
		if err != nil || code != 200 {
			return ""
		}
		_, rest, _ := strings.Cut(body, `"token":"`)
		token, _, _ := strings.Cut(rest, `"`)
		return token
	}
	mount := "/v2/dst/blobs/uploads/?from=src&mount=" + layer.String()
	for _, c := range []struct {
		name, method, path, token string
		want                      int
	}{
		{"no token", "GET", "/v2/src/manifests/1", "", 401},
		{"anonymous pull", "GET", "/v2/src/manifests/1", token("repository:src:pull", "", ""), 200},
		{"pull of another", "GET", "/v2/src/manifests/1", token("repository:dst:pull", "", ""), 401},
		{"anonymous push", "POST", mount, token("repository:dst:pull,push+repository:src:pull", "", ""), 401},
		{"mount without from", "POST", mount, token("repository:dst:pull,push", "u", "p"), 401},
		{"mount", "POST", mount, token("repository:dst:pull,push+repository:src:pull", "u", "p"), 201},
	} {
		code, header, _, err := do(t, c.method, host+c.path, "", "Authorization", "Bearer "+c.token)
		if err != nil || code != c.want {
			t.Errorf("%s: %d %v, challenge %s", c.name, code, err, header.Get("Www-Authenticate"))
		}
	}
	if token("repository:src:pull", "u", "wrong") != "" {
		t.Error("a wrong password got a token")
	}
	if code, _, _, err := do(t, "POST", host+"/token?service=x", ""); err != nil || code != 401 {
		t.Errorf("a POST for a token without credentials: %d %v", code, err)
	}
	if n := reg.Writes(); n != 3 {
		t.Errorf("%d writes, want the three mounts", n)
	}
	old := token("repository:src:pull", "", "")
	reg.ExpireTokens()
	code, header, _, err := do(t, "GET", host+"/v2/src/manifests/1", "", "Authorization", "Bearer "+old)
	if err != nil || code != 401 || !strings.Contains(header.Get("Www-Authenticate"), `scope="repository:src:pull"`) {
		t.Errorf("an expired token: %d %v %v", code, header, err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const length = 64
	body := strings.Repeat("x", length)
	for _, c := range []struct {
		name string
		do   testhelpers.Action
		want func(code int, header http.Header, got string, err error) bool
	}{
		{"status", testhelpers.Status(429, map[string]string{"Retry-After": "1"}, "later"), func(code int, h http.Header, got string, _ error) bool {
			return code == 429 && h.Get("Retry-After") == "1" && got == "later"
		}},
		{"cut", testhelpers.Cut(10), func(_ int, h http.Header, got string, err error) bool {
			return err != nil && len(got) == 10 && h.Get("Content-Length") == "64"
		}},
		{"reset", testhelpers.Reset(10), func(_ int, _ http.Header, _ string, err error) bool { return err != nil }},
		{"late", testhelpers.Late(), func(_ int, _ http.Header, _ string, err error) bool { return err != nil }},
		{"truncate", testhelpers.Truncate(10), func(code int, _ http.Header, got string, err error) bool {
			return err == nil && code == 200 && len(got) == 10
		}},
		{"corrupt", testhelpers.Corrupt(3), func(_ int, _ http.Header, got string, _ error) bool {
			return got == body[:3]+"X"+body[4:]
		}},
		{"pad", testhelpers.Pad(), func(_ int, _ http.Header, got string, _ error) bool { return got == body+" " }},
		{"content type", testhelpers.ContentType("text/html"), func(_ int, h http.Header, got string, _ error) bool {
			return h.Get("Content-Type") == "text/html" && got == body
		}},
		{"stall", testhelpers.Stall(10, 20*time.Millisecond), func(_ int, _ http.Header, got string, _ error) bool { return got == body }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t, testhelpers.WithHandler(http.HandlerFunc(
				func(w http.ResponseWriter, _ *http.Request) {
					if _, err := io.WriteString(w, body); err != nil {
						t.Error(err)
					}
				})))
			reg.Inject(testhelpers.Fault{Method: "GET", Match: "^/x$", Nth: 2, Times: 1, Do: c.do})
			url := "http://" + reg.Host + "/"
			if _, _, got, err := do(t, "POST", url+"x", ""); err != nil || got != body {
				t.Errorf("a request of another method failed: %q %v", got, err)
			}
			for _, path := range []string{"x", "y", "X", "x", "x"} {
				code, header, got, err := do(t, "GET", url+path, "")
				second := path == "x" && reg.Count("GET", "^/x$") == 2
				if second && !c.want(code, header, got, err) {
					t.Errorf("the second answer was %d %v %q %v", code, header, got, err)
				}
				if !second && (err != nil || got != body) {
					t.Errorf("a request that no rule fits failed: %d %q %v", code, got, err)
				}
			}
			if reg.Faulted() != 1 {
				t.Errorf("the rule acted %d times", reg.Faulted())
			}
		})
	}
}

func TestFaultsOfStoring(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		do     testhelpers.Action
		stored string
	}{{"lie", testhelpers.Lie(), ""}, {"alter", testhelpers.Alter(), "{} "}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reg := testhelpers.NewRegistry(t)
			reg.Inject(testhelpers.Fault{Method: "PUT", Do: c.do})
			code, header, _, err := do(t, "PUT", "http://"+reg.Host+"/v2/a/manifests/1", "{}")
			digest, _, hashErr := v1.SHA256(strings.NewReader("{}"))
			if err != nil || hashErr != nil || code != 201 || header.Get("Docker-Content-Digest") != digest.String() {
				t.Errorf("%d %v %v", code, header, err)
			}
			if raw, _, ok := reg.Manifest("a", "1"); ok != (c.stored != "") || ok && string(raw) != c.stored {
				t.Errorf("stored %q", raw)
			}
		})
	}
}

func TestHangEndsWithTheTest(t *testing.T) {
	t.Parallel()
	answered := make(chan error, 1)
	t.Cleanup(func() { // after the registry has ended
		if err := <-answered; err == nil {
			t.Error("something that hangs answered")
		}
	})
	reg := testhelpers.NewRegistry(t)
	reached := make(chan struct{})
	reg.Inject(testhelpers.Fault{Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(reached)
		testhelpers.Hang()(w, r, next)
	}})
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + reg.Host + "/v2/")
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	<-reached
}

func TestRequestsAreInOrderOfStart(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	reg := testhelpers.NewRegistry(t, testhelpers.WithHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			close(begun)
			<-end
		}
	})))
	done := make(chan error)
	go func() {
		_, _, _, err := do(t, "GET", "http://"+reg.Host+"/long", "")
		done <- err
	}()
	<-begun
	_, _, _, err := do(t, "GET", "http://"+reg.Host+"/short", "")
	close(end)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	requests := reg.Requests()
	if len(requests) != 2 || requests[0].Path != "/long" || requests[1].Path != "/short" {
		t.Errorf("requests %v", requests)
	}
	if reg.MaxInFlight() != 2 || reg.CriticalPath() != 1 {
		t.Errorf("%d in flight, %d rounds", reg.MaxInFlight(), reg.CriticalPath())
	}
}

func TestUpstreamIsAnotherRegistry(t *testing.T) {
	t.Parallel()
	origin := testhelpers.NewRegistry(t)
	front := testhelpers.NewRegistry(t, testhelpers.WithUpstream("http://"+origin.Host), testhelpers.WithBasicAuth("u", "p"))
	img, _ := image(t)
	testhelpers.Push(t, front.Host+"/a:1", img, remote.WithAuth(&authn.Basic{Username: "u", Password: "p"}))
	if _, _, ok := origin.Manifest("a", "1"); !ok {
		t.Error("nothing arrived")
	}
	for _, r := range origin.Requests() {
		if r.Authorization != "" {
			t.Errorf("%s %s passed credentials on", r.Method, r.Path)
		}
	}
	if front.CountKind("upload") == 0 || front.CountKind("upload") != origin.CountKind("upload") {
		t.Errorf("%d uploads here, %d there", front.CountKind("upload"), origin.CountKind("upload"))
	}
}
