package commands_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// harm is a way to spoil the members of a layout.
type harm func(members []testhelpers.Member) []testhelpers.Member

// harms are the ways to spoil a layout that scripts know.
func harms() map[string]harm {
	return map[string]harm{
		"lying-manifest": lie(`{"schemaVersion":2,`),
		"lying-config":   lie(`{"architecture":`),
		"lying-layer":    lie("\x1f\x8b"),
		"deep":           lists(64, 1), // a chain of lists
		"wide":           lists(7, 30), // each has the next one 30 times: 21 870 000 000 images
		"again": func(members []testhelpers.Member) []testhelpers.Member {
			return withIndex(members, slices.Repeat([]v1.Descriptor{imageOf(members)}, 10_001)...)
		},
		"link": member(tar.Header{Name: "index.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"hard": member(tar.Header{Name: "blobs/sha256/x", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}),
		"up":   member(tar.Header{Name: "blobs/../../x", Typeflag: tar.TypeReg}),
		"members": func([]testhelpers.Member) []testhelpers.Member {
			return slices.Repeat([]testhelpers.Member{{Header: tar.Header{Name: "x", Typeflag: tar.TypeReg}}}, 100_001)
		},
	}
}

// cmdBad writes a layout that is spoilt, into a file or, where PATH ends in "/",
// a directory.
func cmdBad(ts *testscript.TestScript, _ bool, args []string) {
	kind, to := args[0], ts.MkAbs(args[1])
	switch kind {
	case "bomb":
		ts.Check(os.WriteFile(to, bomb(ts), 0o600))
		return
	case "claim":
		ts.Check(os.WriteFile(to, claim(ts), 0o600))
		return
	}
	do, ok := harms()[kind]
	if !ok {
		ts.Fatalf("bad: no kind %q", kind)
	}
	var spoilt []testhelpers.Member
	raw := testhelpers.CNB{
		Images: []v1.Image{testhelpers.Buildpackage(tbOf(ts), testhelpers.PackageSpec{})}, Names: testhelpers.RelativeNames,
		Edit: func(members []testhelpers.Member) []testhelpers.Member {
			spoilt = do(members)
			return spoilt
		},
	}.Bytes(tbOf(ts))
	if !strings.HasSuffix(args[1], "/") {
		ts.Check(os.WriteFile(to, raw, 0o600))
		return
	}
	for _, m := range spoilt {
		file := filepath.Join(to, filepath.FromSlash(m.Header.Name))
		if m.Header.Typeflag == tar.TypeDir {
			ts.Check(os.MkdirAll(file, 0o700))
			continue
		}
		ts.Check(os.WriteFile(file, m.Body, 0o600))
	}
}

// member adds a member.
func member(header tar.Header) harm {
	return func(members []testhelpers.Member) []testhelpers.Member {
		return append(members, testhelpers.Member{Header: header})
	}
}

// lie changes the last byte of the blob that begins with front.
func lie(front string) harm {
	return func(members []testhelpers.Member) []testhelpers.Member {
		for i, m := range members {
			if strings.HasPrefix(m.Header.Name, "blobs/sha256/") && bytes.HasPrefix(m.Body, []byte(front)) {
				members[i].Body = bytes.Clone(m.Body)
				members[i].Body[len(m.Body)-3] ^= 1
				return members
			}
		}
		return nil
	}
}

// lists leads from index.json to the image by so many lists, each of which has
// the next one a number of times.
func lists(depth, times int) harm {
	return func(members []testhelpers.Member) []testhelpers.Member {
		d := imageOf(members)
		for range depth {
			raw := listOf(slices.Repeat([]v1.Descriptor{d}, times)...)
			digest := index.DigestOf(raw)
			d = v1.Descriptor{MediaType: types.OCIImageIndex, Digest: digest, Size: int64(len(raw))}
			members = append(members, fileMember("blobs/sha256/"+digest.Hex, raw))
		}
		return withIndex(members, d)
	}
}

// imageOf describes the one image of the members.
func imageOf(members []testhelpers.Member) v1.Descriptor {
	for _, m := range members {
		if bytes.Contains(m.Body, []byte(`"layers":[{`)) {
			digest := v1.Hash{Algorithm: "sha256", Hex: path.Base(m.Header.Name)}
			return v1.Descriptor{MediaType: types.DockerManifestSchema2, Digest: digest, Size: int64(len(m.Body))}
		}
	}
	return v1.Descriptor{}
}

func listOf(descriptors ...v1.Descriptor) []byte {
	var texts []string
	for _, d := range descriptors {
		texts = append(texts, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, d.MediaType, d.Digest, d.Size))
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, types.OCIImageIndex, strings.Join(texts, ","))
}

// withIndex gives the members another index.json.
func withIndex(members []testhelpers.Member, descriptors ...v1.Descriptor) []testhelpers.Member {
	members = slices.DeleteFunc(members, func(m testhelpers.Member) bool { return m.Header.Name == "index.json" })
	return append(members, fileMember("index.json", listOf(descriptors...)))
}

func fileMember(name string, body []byte) testhelpers.Member {
	return testhelpers.Member{Body: body, Header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(body))}}
}

// bomb is a small file that becomes a big one.
func bomb(ts *testscript.TestScript) []byte {
	const size = 300 << 20
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	ts.Check(err)
	w := tar.NewWriter(z)
	ts.Check(w.WriteHeader(&tar.Header{Name: "x", Typeflag: tar.TypeReg, Size: size}))
	block := make([]byte, 1<<20)
	for range size / len(block) {
		_, err := w.Write(block)
		ts.Check(err)
	}
	ts.Check(errors.Join(w.Close(), z.Close()))
	return out.Bytes()
}

// claim is the header of a member that says to have 4 GiB, and nothing more.
func claim(ts *testscript.TestScript) []byte {
	var out bytes.Buffer
	ts.Check(tar.NewWriter(&out).WriteHeader(&tar.Header{Name: "index.json", Typeflag: tar.TypeReg, Size: 4 << 30}))
	return append(out.Bytes(), make([]byte, 1024)...)
}
