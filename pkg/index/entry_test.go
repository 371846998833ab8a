package index_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func read(t *testing.T, b index.Blob) string {
	t.Helper()
	r, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAttestations(t *testing.T) {
	t.Parallel()
	a := attestation(2, digest(1))
	if of, ok := a.Attests(); !ok || of != digest(1) || !a.IsAttestation() {
		t.Errorf("it attests %s, %t", of, ok)
	}
	a.Annotations["vnd.docker.reference.digest"] = "sha256:cut"
	if of, ok := a.Attests(); ok || of != (v1.Hash{}) || !a.IsAttestation() {
		t.Errorf("with a digest that is none it attests %s", of)
	}
	plain := annotated(image(1, index.OCI, "unknown/unknown"), map[string]string{"vnd.docker.reference.digest": digest(1).String()})
	if of, ok := plain.Attests(); ok || of != (v1.Hash{}) || plain.IsAttestation() {
		t.Errorf("what is no attestation attests %s", of)
	}
}

// Origins are kept beside lists as JSON, so the form is a promise.
func TestOrigin(t *testing.T) {
	t.Parallel()
	o := index.Origin{Kind: index.SourceRegistry, Ref: "acme/bp:1", Repository: "index.docker.io/acme/bp", Pin: digest(1)}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"kind":"image","ref":"acme/bp:1","repository":"index.docker.io/acme/bp","pin":"` + digest(1).String() + `"}`
	if string(text) != want {
		t.Errorf("written as %s", text)
	}
	var again index.Origin
	if err := json.Unmarshal(text, &again); err != nil || again != o {
		t.Errorf("read as %+v, %v", again, err)
	}
	if text, err := json.Marshal(index.Origin{}); err != nil || string(text) != "{}" {
		t.Errorf("nothing is written as %s, %v", text, err)
	}
	if repo, ok := o.Repo(); !ok || repo.Name() != o.Repository {
		t.Errorf("repository is %s, %t", repo, ok)
	}
	for _, none := range []index.Origin{{}, {Repository: "Not A Repository"}} {
		if repo, ok := none.Repo(); ok {
			t.Errorf("%+v has the repository %s", none, repo)
		}
	}
}

func TestWithOrigins(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, image(1, index.OCI, "linux/amd64"), image(2, index.OCI, "linux/arm64"))
	after := ix.WithOrigins(func(i int, e index.Entry) index.Origin {
		return index.Origin{Ref: e.PlatformString(), Pin: digest(i)}
	})
	for i, want := range []string{"linux/amd64", "linux/arm64"} {
		if o := after.Entries()[i].Origin; o.Ref != want || o.Pin != digest(i) {
			t.Errorf("origin %d is %+v", i, o)
		}
	}
	if raw(t, after) != raw(t, ix) || ix.Entries()[0].Origin != (index.Origin{}) {
		t.Error("the receiver or the bytes changed")
	}
}

func TestFault(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"list \"x\": not found": &index.Fault{Kind: index.ErrNotFound, Thing: `list "x"`},
		"a: not exist: b":       index.Faultf(index.ErrNotFound, "a", "not exist: %s", "b"),
		"cause alone":           index.Faultf(index.ErrNotFound, "", "cause alone"),
		"not found":             &index.Fault{Kind: index.ErrNotFound},
	} {
		if err.Error() != want || !errors.Is(err, index.ErrNotFound) || errors.Is(err, index.ErrExists) {
			t.Errorf("got %q of the kind not found: %t, want %q", err, errors.Is(err, index.ErrNotFound), want)
		}
	}
	err := index.Faultf(index.ErrDenied, "file", "read it: %w", fs.ErrPermission)
	var fault *index.Fault
	if !errors.Is(err, fs.ErrPermission) || !errors.Is(err, index.ErrDenied) || !errors.As(err, &fault) || fault.Thing != "file" {
		t.Errorf("kind, cause or thing of %v are lost", err)
	}
}
