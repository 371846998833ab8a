package testhelpers_test

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestRegistryKeepsWhatCameOfAnUpload: as Distribution v3 does.
func TestRegistryKeepsWhatCameOfAnUpload(t *testing.T) {
	t.Parallel()
	const content = "0123456789"
	digest, _, err := v1.SHA256(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	reg := testhelpers.NewRegistry(t)
	reg.Inject(testhelpers.Fault{Method: "PUT", Times: 1, Do: testhelpers.CutUpload(4)})
	code, header, _, err := do(t, "POST", "http://"+reg.Host+"/v2/a/blobs/uploads/", "")
	if err != nil || code != 202 {
		t.Fatal(code, err)
	}
	at := "http://" + reg.Host + header.Get("Location")
	if _, _, _, err = do(t, "PUT", at+"?digest="+digest.String(), content); err == nil {
		t.Error("what was cut was answered")
	}
	for _, step := range []struct {
		method, query, part, body string
		status                    int
		has                       string
	}{
		{"GET", "", "", "", 204, "0-3"},
		{"PATCH", "", "5-7", content[5:8], 416, "0-3"},
		{"PATCH", "", "4-7", content[4:8], 202, "0-7"},
		{"PUT", "?digest=" + digest.String(), "8-9", content[8:], 201, ""},
		{"GET", "", "", "", 404, ""},
	} {
		code, header, _, err := do(t, step.method, at+step.query, step.body, "Content-Range", step.part)
		if err != nil || code != step.status || header.Get("Range") != step.has {
			t.Errorf("%s %s: %d, %q, %v", step.method, step.part, code, header.Get("Range"), err)
		}
	}
	if !reg.HasBlob("a", digest) || reg.HasBlob("b", digest) {
		t.Error("the blob is not in the repository that it was sent to, and nowhere else")
	}
}

func TestRegistryRefusesAnUploadOfSomethingElse(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	_, header, _, err := do(t, "POST", "http://"+reg.Host+"/v2/a/blobs/uploads/", "")
	if err != nil {
		t.Fatal(err)
	}
	at := "http://" + reg.Host + header.Get("Location")
	code, _, body, err := do(t, "PUT", at+"?digest=sha256:"+strings.Repeat("0", 64), "x")
	if err != nil || code != 400 || !strings.Contains(body, "DIGEST_INVALID") {
		t.Errorf("%d %s %v", code, body, err)
	}
	reg.Inject(testhelpers.Fault{Method: "PATCH", Do: testhelpers.TooLarge(3)})
	for body, want := range map[string]int{"1234": 413, "123": 202} {
		if code, _, _, err := do(t, "PATCH", at, body); err != nil || code != want {
			t.Errorf("%q: %d %v", body, code, err)
		}
	}
}
