package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestEndlessManifest: R32: a body without end is given up at its limit.
func TestEndlessManifest(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.Inject(testhelpers.Fault{Match: "/manifests/", Do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		w.Header().Set("Content-Length", "3000000000")
		block := []byte(strings.Repeat(" ", 1<<16))
		for range 3_000_000_000 >> 16 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}})
	_, err := newClient(t).Resolve(t.Context(), reg.Host+"/a/list:1")
	wants(t, err, index.ErrRefused, "too long", "4194304")
	for _, r := range reg.Requests() {
		if r.BytesOut > 64<<20 {
			t.Errorf("%d bytes were read", r.BytesOut)
		}
	}
}

// raw is a handler that serves documents by tag or digest, whatever they hold.
type raw map[string]string

func (h raw) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v2/" {
		return
	}
	body, ok := h[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	var document struct{ MediaType string }
	if json.Unmarshal([]byte(body), &document) == nil && document.MediaType != "" {
		w.Header().Set("Content-Type", document.MediaType)
	} else {
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
	}
	_, _ = w.Write([]byte(body)) //nolint:errcheck // the client may have left
}

// put adds a document and returns its descriptor.
func (h raw) put(body, mediaType string) string {
	digest := index.DigestOf([]byte(body)).String()
	h[digest] = body
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest, len(body))
}

const (
	ociIndex = "application/vnd.oci.image.index.v1+json"
	ociImage = "application/vnd.oci.image.manifest.v1+json"
)

func listOf(descriptors ...string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, ociIndex, strings.Join(descriptors, ","))
}

// TestHostileLists: R32 and R33.
func TestHostileLists(t *testing.T) {
	t.Parallel()
	empty := listOf()
	nested := func(h raw, depth int) string {
		list := empty
		for range depth {
			list = listOf(h.put(list, ociIndex))
		}
		return list
	}
	wide := func(h raw, n int) string {
		d := h.put(empty, ociIndex)
		return listOf(strings.Split(strings.TrimSuffix(strings.Repeat(d+"\n", n), "\n"), "\n")...)
	}
	config := strings.Replace(v1Config, `"diff_ids":[]`, `"diff_ids":["`+other+`"]`, 1)
	rules := map[string]index.RuleID{ // of what is a finding
		"a list with layers": index.NotAnImage, "two lists in one": index.NotAnImage, "another spelling": index.NotAnImage,
		"no JSON": index.NotAnImage, "Docker's schema 1": index.NotAnImage,
		"a config that is no JSON": index.ConfigUnreadable, "a config of another size than declared": index.ConfigUnreadable,
		"a config of a gigabyte": index.ConfigUnreadable, "a config with a diff ID too many": index.ConfigUnreadable,
	}
	for _, row := range []struct {
		name string
		make func(raw) string
		text string // "" for success
	}{
		{"an empty list", func(raw) string { return empty }, ""},
		{"seven lists in a list", func(h raw) string { return nested(h, 7) }, ""},
		{"sixty-four lists deep", func(h raw) string { return nested(h, 64) }, "more than 8 deep"},
		{"ten thousand entries and one", func(h raw) string { return wide(h, 10_001) }, "more than 10000 entries"},
		{"a bomb of lists", func(h raw) string {
			d := h.put(empty, ociIndex)
			for range 6 {
				d = h.put(listOf(slices.Repeat([]string{d}, 100)...), ociIndex)
			}
			return listOf(d)
		}, "more than 10000 entries"},
		{"a list that contains itself", func(h raw) string {
			// No list holds its own digest, so the registry must lie.
			d := `{"mediaType":"` + ociIndex + `","digest":"` + other + `","size":300}`
			h[other] = listOf(d)
			return listOf(d)
		}, "it should be " + other},
		{"a list with layers", func(raw) string {
			return `{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[],"layers":[]}`
		}, "members of two kinds"},
		{"two lists in one", func(raw) string {
			return `{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[],"manifests":[]}`
		}, "manifests"},
		{"another spelling", func(raw) string {
			return `{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[],"Manifests":[]}`
		}, "Manifests"},
		{"a size below zero", func(raw) string {
			return listOf(`{"mediaType":"` + ociImage + `","digest":"` + other + `","size":-5}`)
		}, "size"},
		{"a size beyond all", func(h raw) string {
			return listOf(strings.Replace(h.put(empty, ociIndex), `"size":`, `"size":46116860184273879`, 1))
		}, "is said to have"},
		{"another media type than declared", func(h raw) string {
			return listOf(h.put(empty, ociImage))
		}, "media type"},
		{"a digest of no known kind", func(raw) string {
			return listOf(`{"mediaType":"` + ociImage + `","digest":"md5:d41d8cd98f00b204e9800998ecf8427e","size":1}`)
		}, "md5"},
		{"no JSON", func(raw) string { return "<html>" }, "<"},
		{"Docker's schema 1", func(raw) string {
			return `{"schemaVersion":1,"mediaType":"application/vnd.docker.distribution.manifest.v1+json","fsLayers":[],"history":[]}`
		}, "schema 1"},
		{"a config that is no JSON", func(h raw) string {
			return listOf(h.image("nonsense"))
		}, "invalid character"},
		{"a config of another size than declared", func(h raw) string {
			config := strings.Replace(h.put(v1Config, "application/vnd.oci.image.config.v1+json"), `"size":`, `"size":1`, 1)
			return listOf(h.put(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`, ociImage, config), ociImage))
		}, "is said to have"},
		{"a config of a gigabyte", func(h raw) string {
			config := strings.Replace(h.put(v1Config, "application/vnd.oci.image.config.v1+json"), `"size":`, `"size":10000000`, 1)
			return listOf(h.put(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`, ociImage, config), ociImage))
		}, "more than 4194304"},
		{"a config with a diff ID too many", func(h raw) string {
			return listOf(h.image(config))
		}, "1 diff IDs for 0 layers"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := raw{}
			h["1"] = row.make(h)
			reg := testhelpers.NewRegistry(t, testhelpers.WithHandler(h))
			_, err := newClient(t).Resolve(t.Context(), reg.Host+"/a/list:1")
			if row.text != "" {
				wants(t, err, index.ErrInvalid, reg.Host+"/a/list", row.text)
				wantsRule(t, err, rules[row.name], reg.Host+"/a/list:1")
				return
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// wantsRule wants an error to be a finding of a rule about the source ref, or
// none where the rule is empty.
func wantsRule(t *testing.T, err error, rule index.RuleID, ref string) {
	t.Helper()
	rejected, ok := errors.AsType[*index.Rejection](err)
	switch {
	case rule == "" && !ok:
	case !ok || len(rejected.Findings) != 1:
		t.Errorf("error %v, want a finding of %s", err, rule)
	case rejected.Findings[0].Rule != rule || rejected.Findings[0].Entry.Origin.Ref != ref || rejected.Findings[0].Entry.Digest.Hex == "":
		t.Errorf("a finding of %s about %+v, want %s about %s", rejected.Findings[0].Rule, rejected.Findings[0].Entry, rule, ref)
	}
}

const v1Config = `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`

// image adds an image without layers and returns its descriptor.
func (h raw) image(config string) string {
	return h.put(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`, ociImage,
		h.put(config, "application/vnd.oci.image.config.v1+json")), ociImage)
}

// TestPageAsManifest: R10: a document that does not say what it is, is not what
// any page may be.
func TestPageAsManifest(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	reg.Inject(testhelpers.Fault{Match: "/manifests/", Do: testhelpers.Status(200, map[string]string{"Content-Type": "text/html"},
		`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"`+other+`","size":2},"layers":[]}`)})
	_, err := newClient(t).Resolve(t.Context(), reg.Host+"/a/list:1")
	wants(t, err, index.ErrInvalid, reg.Host+"/a/list:1", `"text/html" is neither an image manifest nor a list`)
}

// TestDigestIsEnforced: CVE-2025-24882: what is asked for by digest has it.
func TestDigestIsEnforced(t *testing.T) {
	t.Parallel()
	h := raw{other: listOf()}
	reg := testhelpers.NewRegistry(t, testhelpers.WithHandler(h))
	_, _, _, err := newClient(t).Fetch(t.Context(), reg.Host+"/a/list@"+other)
	wants(t, err, index.ErrInvalid, "it should be "+other, index.DigestOf([]byte(listOf())).String())
}
