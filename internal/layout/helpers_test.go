package layout_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

const (
	marker    = `{"imageLayoutVersion":"1.0.0"}`
	imageType = "application/vnd.oci.image.manifest.v1+json"
	listType  = "application/vnd.oci.image.index.v1+json"
	confType  = "application/vnd.oci.image.config.v1+json"
)

func digest(content string) string { return index.DigestOf([]byte(content)).String() }

// descriptor describes content.
func descriptor(mediaType, content string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest(content), len(content))
}

func list(descriptors ...string) string {
	return `{"schemaVersion":2,"mediaType":"` + listType + `","manifests":[` + strings.Join(descriptors, ",") + `]}`
}

func manifest(config string, layers ...string) string {
	return `{"schemaVersion":2,"mediaType":"` + imageType + `","config":` + config + `,"layers":[` + strings.Join(layers, ",") + `]}`
}

func member(name, body string) testhelpers.Member {
	return testhelpers.Member{Body: []byte(body), Header: tar.Header{
		Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(body)),
	}}
}

func blob(content string) testhelpers.Member {
	return member("blobs/"+strings.Replace(digest(content), ":", "/", 1), content)
}

// members are those of a layout with this index.json and these blobs.
func members(indexJSON string, blobs ...string) []testhelpers.Member {
	all := []testhelpers.Member{member("oci-layout", marker), member("index.json", indexJSON)}
	for _, b := range blobs {
		all = append(all, blob(b))
	}
	return all
}

// write writes an archive of just these members.
func write(t *testing.T, members ...testhelpers.Member) string {
	t.Helper()
	return testhelpers.CNB{Edit: func([]testhelpers.Member) []testhelpers.Member { return members }}.Write(t, file(t))
}

func writeBytes(t *testing.T, raw []byte) string {
	t.Helper()
	path := file(t)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fails resolves what must be refused as a fault of the kind that names the
// path, in words that hold all of want.
func fails(t *testing.T, path string, kind error, want ...string) {
	t.Helper()
	err := failure(t, path)
	if !errors.Is(err, kind) {
		t.Errorf("error %q is not of the kind %q", err, kind)
	}
	if len(err.Error()) > 1000 {
		t.Errorf("the error is %d bytes long", len(err.Error()))
	}
	said, ok := strings.CutPrefix(err.Error(), path+": ")
	if !ok {
		t.Errorf("error %q does not name %s", err, path)
	}
	for _, text := range want {
		if !strings.Contains(said, text) {
			t.Errorf("error %q\ndoes not say %q", said, text)
		}
	}
}

func failure(t *testing.T, path string) error {
	t.Helper()
	got, err := layout.Archives{}.Resolve(t.Context(), path)
	if err == nil {
		t.Fatalf("read %d images, want an error", len(got))
	}
	if got != nil {
		t.Errorf("read %d images beside the error %v", len(got), err)
	}
	return err
}

// broken is fails for content that a rule refuses.
func broken(t *testing.T, path string, rule index.RuleID, want ...string) {
	t.Helper()
	fails(t, path, index.ErrInvalid, want...)
	err := failure(t, path)
	rejection, ok := errors.AsType[*index.Rejection](err)
	if !ok || len(rejection.Findings) != 1 || rejection.Findings[0].Rule != rule {
		t.Fatalf("error %q is not of the rule %s", err, rule)
	}
	if f := rejection.Findings[0]; f.Severity != index.Error || f.Entry.Digest.Hex == "" {
		t.Errorf("finding %+v", f)
	}
}
