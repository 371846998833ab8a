package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// put writes a manifest into the registry as it is.
func (l *lab) put(repository, reference, mediaType, raw string) v1.Hash {
	l.t.Helper()
	url := fmt.Sprintf("http://%s/v2/%s/manifests/%s", l.reg.Host, repository, reference)
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodPut, url, strings.NewReader(raw))
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Content-Type", mediaType)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		l.t.Fatal(err)
	}
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusCreated {
		l.t.Fatalf("%s %s: %v", resp.Status, said, err)
	}
	return index.DigestOf([]byte(raw))
}

// strange publishes a list as acme/src:1 that has all that a list can have, in
// bytes that nobody else would write, and returns its digest: an image, the same
// under another platform, an attestation and a list.
func (l *lab) strange() v1.Hash {
	l.t.Helper()
	inner := l.reg.PushIndex(l.t, "acme/src:inner", testhelpers.Attested(l.t, pack(l.t, "linux/amd64", "oci"), pack(l.t, "linux/arm64", "oci")))
	raw, _, ok := l.reg.Manifest("acme/src", inner.String())
	var list v1.IndexManifest
	if err := json.Unmarshal(raw, &list); err != nil || !ok {
		l.t.Fatal(err)
	}
	described := func(d v1.Descriptor, more string) string {
		return fmt.Sprintf(`{"digest":%q,"size":%d,"mediaType":%q%s}`, d.Digest, d.Size, d.MediaType, more)
	}
	amd, arm, statement := list.Manifests[0], list.Manifests[1], list.Manifests[2]
	return l.put("acme/src", "1", string(index.OCI.IndexType()), `{"annotations":{"z":"1","a":"2"},"manifests":[`+strings.Join([]string{
		described(arm, `,"platform":{"os":"linux","architecture":"arm64","x-more":1},"annotations":{"b":"c"},"x-own":{}`),
		described(amd, `,"artifactType":"application/vnd.acme"`),
		described(arm, `,"platform":{"os":"linux","architecture":"arm64","x-more":1},"annotations":{"b":"other"}`),
		described(statement, `,"platform":{"os":"unknown","architecture":"unknown"},"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"`+amd.Digest.String()+`"}`),
		described(v1.Descriptor{Digest: inner, Size: int64(len(raw)), MediaType: index.OCI.IndexType()}, ""),
	}, ",")+`],"subject":`+described(amd, "")+`,"artifactType":"application/vnd.acme.list","mediaType":"`+string(index.OCI.IndexType())+`","schemaVersion":2,"x-unknown":[1]}`)
}

// Of one list, wherever it is, create makes that list.
func TestAListThatIsTheOnlySourceStaysWhatItIs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	oci := l.strange()
	docker := l.put("acme/src", "2", string(index.V2S2.IndexType()), l.dockerList())
	for tag, want := range map[string]v1.Hash{"1": oci, "2": docker} {
		sources := []string{l.at("acme/src:" + tag)}
		for _, file := range []string{"bp.tar", "bp.cnb", "bp"} {
			path := l.mustSave("acme/src:"+tag, file)
			if file == "bp" {
				path = "oci:" + path
			}
			sources = append(sources, path)
		}
		for i, source := range sources {
			for name, format := range map[string]index.Format{"kept": index.V2S2, "default": index.OCI} {
				name = fmt.Sprintf("acme/%s-%s-%d:1", name, tag, i)
				published, err := l.Create(t.Context(), client.CreateRequest{
					Name: l.at(name), Sources: []string{source}, Format: format, KeepFormat: true, Publish: true,
					Validation: client.Validation{Policy: index.Policy{Mode: index.Off}},
				})
				if err != nil {
					t.Fatal(err)
				}
				raw, _, _ := l.reg.Manifest(strings.TrimSuffix(name, ":1"), "1")
				if index.DigestOf(raw) != want || published.Index.Digest() != want {
					t.Errorf("%s became %s, want %s", source, published.Index.Digest(), want)
				}
			}
		}
		// As soon as it is kept it can be saved from there.
		if _, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/local:" + tag), Sources: sources[:1], KeepFormat: true}); err != nil {
			t.Fatal(err)
		}
		if got := index.DigestOf([]byte(l.kept("acme/local:" + tag))); got != want {
			t.Errorf("kept is %s, want %s", got, want)
		}
		found, err := layout.Archives{}.Resolve(t.Context(), l.mustSave("acme/local:"+tag, "again.cnb"))
		if err != nil || len(found) != 1 || found[0].Digest != want {
			t.Errorf("of what was kept comes %v, %v", found[0].Digest, err)
		}
	}
}

// dockerList returns a list in Docker's format of images that acme/src has, as
// others write it.
func (l *lab) dockerList() string {
	l.t.Helper()
	var manifests []string
	for _, arch := range []string{"arm64", "amd64"} {
		img := pack(l.t, "linux/"+arch, arch)
		l.reg.Push(l.t, "acme/src:"+arch, img)
		d := described(l.t, img)
		manifests = append(manifests, fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q,"platform":{"architecture":%q,"os":"linux","features":["sse4"]}}`,
			d.MediaType, d.Size, d.Digest, arch))
	}
	return fmt.Sprintf("{\n   \"schemaVersion\": 2,\n   \"mediaType\": %q,\n   \"manifests\": [%s]\n}\n", index.V2S2.IndexType(), strings.Join(manifests, ", "))
}

// What a request wants else of the list is done to it, and the rest stays.
func TestAListThatIsTheOnlySourceIsChangedAsAsked(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	source := l.strange()
	for name, c := range map[string]struct {
		request client.CreateRequest
		want    []string
		format  index.Format
	}{
		"platforms": {
			client.CreateRequest{KeepFormat: true, Selection: client.Selection{Platforms: []string{"linux/arm64"}}},
			[]string{"linux/arm64", "+unknown/unknown"},
			index.OCI,
		},
		"apart": {
			client.CreateRequest{Format: index.OCI, Selection: client.Selection{All: true}},
			[]string{"linux/arm64", "linux/amd64", "+unknown/unknown", "+unknown/unknown"},
			index.OCI,
		},
		"annotations": {
			client.CreateRequest{KeepFormat: true, Annotations: map[string]string{"k": "v"}},
			[]string{"linux/arm64", "", "linux/arm64", "+unknown/unknown", ""},
			index.OCI,
		},
	} {
		c.request.Name, c.request.Sources = l.at("acme/"+name+":1"), []string{l.at("acme/src:1")}
		result, err := l.Create(t.Context(), c.request)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, ok := result.Index.Subject(); !ok || result.Index.Annotations()["z"] != "1" || result.Index.ArtifactType() != "application/vnd.acme.list" {
			t.Errorf("%s: the list lost something: %s", name, l.kept("acme/"+name+":1"))
		}
		if raw := l.kept("acme/" + name + ":1"); !strings.Contains(raw, "x-unknown") || !strings.Contains(raw, "x-more") {
			t.Errorf("%s: the list lost what is not known: %s", name, raw)
		}
		wantEqual(t, name, platforms(result.Index.Entries()), c.want)
		if result.Index.Format() != c.format || result.Index.Digest() == source {
			t.Errorf("%s: format %s, digest %s", name, result.Index.Format(), result.Index.Digest())
		}
	}
	// Another format, asked for, which cannot hold what the list has.
	_, err := l.Create(t.Context(), client.CreateRequest{Name: l.at("acme/docker:1"), Sources: []string{l.at("acme/src:1")}, Format: index.V2S2})
	wantKind(t, err, index.ErrInvalid, "attestation")
	_, err = l.Create(t.Context(), client.CreateRequest{
		Name: l.at("acme/docker:1"), Sources: []string{l.at("acme/src:1")}, Format: index.V2S2, Selection: client.Selection{PreserveDigests: true},
	})
	wantKind(t, err, index.ErrInvalid, "the list has annotations", "the list has an artifactType", "the list has a subject")
}

// Only the format that the list has already is the same as no format; images of
// another follow.
func TestAFormatThatIsAskedForConvertsTheImagesOfAList(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	mixed := l.reg.PushIndex(t, "acme/src:mixed", testhelpers.List(t, pack(t, "linux/amd64"), pack(t, "linux/arm64", "oci")))
	for tag, keep := range map[string]bool{"1": true, "2": false} {
		result, err := l.Create(t.Context(), client.CreateRequest{
			Name: l.at("acme/bp:" + tag), Sources: []string{l.at("acme/src:mixed")}, Format: index.OCI, KeepFormat: keep,
		})
		if err != nil {
			t.Fatal(err)
		}
		if same := result.Index.Digest() == mixed; same != keep {
			t.Errorf("keep %v: the digest stays: %v", keep, same)
		}
	}
	wantEqual(t, "converted", l.converted(), []string{"linux/amd64"})
}
