package layout_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestWhatIsNoArchive(t *testing.T) {
	t.Parallel()
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		fails(t, file(t), index.ErrNotFound, "no such file")
	})
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		fails(t, t.TempDir(), index.ErrInvalid, "is a directory")
	})
	for name, c := range map[string]struct {
		raw  string
		want string
	}{
		"empty":       {"", "not an OCI archive: it is empty"},
		"one byte":    {"x", "not an OCI archive"},
		"text":        {strings.Repeat("hello ", 1000), "not an OCI archive: it is not a tar archive"},
		"zip":         {"PK\x03\x04" + strings.Repeat("\x00", 2000), "not an OCI archive"},
		"zeros":       {strings.Repeat("\x00", 4096), "not an OCI archive: it has no members"},
		"zstd":        {"\x28\xb5\x2f\xfd" + strings.Repeat("x", 600), "zstd"},
		"broken gzip": {"\x1f\x8b" + strings.Repeat("x", 600), "not a gzip file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fails(t, writeBytes(t, []byte(c.raw)), index.ErrInvalid, c.want)
		})
	}
	t.Run("another tar", func(t *testing.T) {
		t.Parallel()
		fails(t, write(t, member("etc/passwd", "root")), index.ErrInvalid, "not an OCI archive: it has neither oci-layout nor index.json")
	})
}

func TestWhatIsNoLayout(t *testing.T) {
	t.Parallel()
	config := `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`
	image := manifest(descriptor(confType, config))
	good := members(list(descriptor(imageType, image)), config, image)
	if got := resolve(t, write(t, good...)); len(got) != 1 {
		t.Fatalf("the good one has %d images", len(got))
	}
	huge := config + strings.Repeat(" ", index.MaxManifest+1-len(config))
	long := manifest(descriptor(confType, huge))
	lists := []string{list(descriptor(imageType, image))}
	for i := range 9 {
		lists = append(lists, list(descriptor(listType, lists[i])))
	}
	if got := resolve(t, write(t, members(lists[8], append(lists, config, image)...)...)); len(got) != 1 {
		t.Errorf("8 lists deep there are %d images", len(got))
	}
	for name, c := range map[string]struct {
		members []testhelpers.Member
		want    string
	}{
		"no marker":       {good[1:], "oci-layout is missing"},
		"no index":        {slices.Delete(slices.Clone(good), 1, 2), "index.json is missing"},
		"marker no JSON":  {append([]testhelpers.Member{member("oci-layout", "1.0.0")}, good[1:]...), "oci-layout: "},
		"another version": {append([]testhelpers.Member{member("oci-layout", `{"imageLayoutVersion":"2.0.0"}`)}, good[1:]...), `"2.0.0", want "1.0.0"`},
		"index no JSON":   {members("{", config, image), "index.json: "},
		"index too long":  {members(list(descriptor(imageType, image))+strings.Repeat(" ", index.MaxManifest), config, image), "more than 4194304"},
		"config too long": {members(list(descriptor(imageType, long)), long, huge), "config " + digest(huge) + " has 4194305 bytes, more than 4194304"},
		"no image":        {members(list()), "refers to no image"},
		"image for index": {members(image, config, image), "index.json: "},
		"no manifest":     {members(list(descriptor(imageType, image)), config), "manifest " + digest(image) + " is missing"},
		"no config":       {members(list(descriptor(imageType, image)), image), "config " + digest(config) + " of " + digest(image) + " is missing"},
		"deep lists":      {members(lists[9], append(lists, config, image)...), "more than 8 deep"},
		"list's type":     {members(list(descriptor("application/vnd.docker.distribution.manifest.list.v2+json", lists[0])), lists[0], config, image), "list " + digest(lists[0])},
		"index is folder": {append(good[:1:1], append([]testhelpers.Member{{Header: tar.Header{Name: "index.json/", Typeflag: tar.TypeDir}}}, good[2:]...)...), "index.json is missing"},
		"list is none":    {members(list(descriptor(listType, image)), config, image), "list " + digest(image)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fails(t, write(t, c.members...), index.ErrInvalid, c.want)
		})
	}
}

// R8, R9 and L8: bytes that are not what refers to them. regctl takes them in
// silence, go-containerregistry's layout looks at sizes only.
func TestContentIsNotItsDigest(t *testing.T) {
	t.Parallel()
	config := `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` + digest("x") + `"]}}`
	layer := descriptor("application/vnd.oci.image.layer.v1.tar+gzip", "layer")
	image := manifest(descriptor(confType, config), layer)
	other := strings.Replace(image, "layers", "lAyers", 1)
	otherConfig := strings.Replace(config, "linux", "lunix", 1)
	at := func(content, instead string) testhelpers.Member {
		m := blob(content)
		return member(m.Header.Name, instead)
	}
	top := list(descriptor(imageType, image))
	for name, c := range map[string]struct {
		members []testhelpers.Member
		want    []string
	}{
		"manifest":       {append(members(top, config, "layer"), at(image, other)), []string{"manifest", digest(image), digest(other)}},
		"config":         {append(members(top, image, "layer"), at(config, otherConfig)), []string{"config", digest(config), digest(otherConfig)}},
		"manifest, size": {append(members(top, config, "layer"), at(image, image+" ")), []string{"manifest", digest(image), strconv.Itoa(len(image) + 1)}},
		"config, size":   {append(members(top, image, "layer"), at(config, config+" ")), []string{"config", digest(config)}},
		"layer, size":    {append(members(top, image, config), at("layer", "layer and more")), []string{"layer", digest("layer"), "14 bytes", "says 5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken(t, write(t, c.members...), index.DigestMismatch, c.want...)
		})
	}
	t.Run("no layer", func(t *testing.T) {
		t.Parallel()
		fails(t, write(t, members(top, image, config)...), index.ErrInvalid, "layer "+digest("layer")+" of "+digest(image)+" is missing")
	})
	t.Run("layer", func(t *testing.T) {
		t.Parallel()
		got := resolve(t, write(t, append(members(top, image, config), at("layer", "LAYER"))...))
		if h := hashOf(t, got[0].Layers[0]); h == got[0].Layers[0].Digest {
			t.Error("who reads the layer cannot tell that it is another")
		}
	})
}

// R33 and CVE-2021-41190: documents that can be read in two ways.
func TestAmbiguousDocuments(t *testing.T) {
	t.Parallel()
	config := `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`
	image := manifest(descriptor(confType, config))
	for name, document := range map[string]string{
		"image and list":     image[:len(image)-1] + `,"manifests":[]}`,
		"twice the config":   image[:len(image)-1] + `,"config":` + descriptor(confType, config) + "}",
		"config and CONFIG":  image[:len(image)-1] + `,"CONFIG":{}}`,
		"another media type": strings.Replace(image, imageType, "application/vnd.docker.distribution.manifest.v2+json", 1),
		"schema 1":           `{"schemaVersion":1,"fsLayers":[]}`,
		"size below zero":    strings.Replace(image, `"size":`, `"size":-`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken(t, write(t, members(list(descriptor(imageType, document)), config, document)...), index.NotAnImage, digest(document))
		})
	}
	t.Run("unknown media type", func(t *testing.T) {
		t.Parallel()
		path := write(t, members(list(descriptor("text/html", image)), config, image)...)
		broken(t, path, index.NotAnImage, "text/html", "which is no image manifest and no list")
	})
	t.Run("schema 1 by name", func(t *testing.T) {
		t.Parallel()
		path := write(t, members(list(descriptor("application/vnd.docker.distribution.manifest.v1+prettyjws", image)), config, image)...)
		broken(t, path, index.NotAnImage, "prettyjws")
	})
}

func TestConfigsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{
		"no JSON":        "configuration",
		"not an object":  "[]",
		"one layer more": `{"rootfs":{"type":"layers","diff_ids":["` + digest("x") + `"]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image := manifest(descriptor(confType, config))
			path := write(t, members(list(descriptor(imageType, image)), config, image)...)
			broken(t, path, index.ConfigUnreadable, digest(config), digest(image))
		})
	}
}

// CVE-2021-21272, CVE-2025-47290: archives that reach out of themselves.
func TestMembersThatAreNoPlainFiles(t *testing.T) {
	t.Parallel()
	special := func(name string, kind byte, link string) testhelpers.Member {
		return testhelpers.Member{Header: tar.Header{Name: name, Typeflag: kind, Linkname: link}}
	}
	good := []v1.Image{linux(t)}
	for name, c := range map[string]struct {
		member testhelpers.Member
		want   string
	}{
		"symbolic link": {special("index.json", tar.TypeSymlink, "/etc/passwd"), "is a link"},
		"hard link":     {special("blobs/sha256/x", tar.TypeLink, "index.json"), "is a link"},
		"device":        {special("x", tar.TypeChar, ""), "is a device"},
		"pipe":          {special("x", tar.TypeFifo, ""), "a pipe"},
		"upwards":       {member("blobs/../../x", "x"), "leads out of the archive"},
		"root and up":   {member("/../index.json", "x"), "leads out of the archive"},
		"long and bad":  {special(strings.Repeat("x", 100_000), tar.TypeSymlink, "y"), "xxx..."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, zipped := range []bool{false, true} {
				path := testhelpers.CNB{Images: good, Gzip: zipped, Edit: func(m []testhelpers.Member) []testhelpers.Member {
					return append(m, c.member)
				}}.Write(t, file(t))
				fails(t, path, index.ErrInvalid, c.want)
			}
		})
	}
}

func TestSparseMembers(t *testing.T) {
	t.Parallel()
	// archive/tar writes no sparse files; these are the headers of one.
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	if err := w.WriteHeader(&tar.Header{Name: "index.json", Typeflag: tar.TypeReg, Size: 512}); err != nil {
		t.Fatal(err)
	}
	old := raw.Bytes()[:512]
	old[156] = tar.TypeGNUSparse
	copy(old[257:], "ustar  \x00")
	copy(old[386:], "00000000000\x0000000001000\x00")
	copy(old[483:], "00000001000\x00")
	sum := 0
	copy(old[148:156], "        ")
	for _, b := range old {
		sum += int(b)
	}
	copy(old[148:156], fmt.Sprintf("%06o\x00 ", sum))
	fails(t, writeBytes(t, append(old, make([]byte, 2048)...)), index.ErrInvalid, "sparse")

	header := member("index.json", "x").Header
	header.PAXRecords = map[string]string{"XNU.sparse.major": "9", "XNU.sparse.minor": "9"}
	pax := testhelpers.CNB{Edit: func([]testhelpers.Member) []testhelpers.Member {
		return []testhelpers.Member{{Header: header, Body: []byte("x")}}
	}}.Bytes(t)
	fails(t, writeBytes(t, bytes.ReplaceAll(pax, []byte("XNU."), []byte("GNU."))), index.ErrInvalid, "sparse")
}

// Some programs put a remark about the whole archive in front.
func TestGlobalHeader(t *testing.T) {
	t.Parallel()
	cnb := testhelpers.CNB{Images: []v1.Image{linux(t)}, Edit: func(m []testhelpers.Member) []testhelpers.Member {
		return append([]testhelpers.Member{{Header: tar.Header{
			Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "x"},
		}}}, m...)
	}}
	if got := resolve(t, cnb.Write(t, file(t))); len(got) != 1 {
		t.Errorf("read %d images", len(got))
	}
}

func TestMembersOfOneName(t *testing.T) {
	t.Parallel()
	for _, zipped := range []bool{false, true} {
		cnb := testhelpers.CNB{Images: []v1.Image{linux(t)}, Gzip: zipped}
		cnb.Edit = func(m []testhelpers.Member) []testhelpers.Member {
			last := m[len(m)-1]
			last.Header.Name = "./oci-layout"
			return append(m, last)
		}
		if got := resolve(t, cnb.Write(t, file(t))); len(got) != 1 {
			t.Errorf("read %d images", len(got))
		}
		for _, body := range []string{marker, "{}"} {
			cnb.Edit = func(m []testhelpers.Member) []testhelpers.Member {
				last := m[len(m)-1]
				return append(m, member("oci-layout", body+strings.Repeat(" ", max(0, len(last.Body)-len(body)))))
			}
			fails(t, cnb.Write(t, file(t)), index.ErrInvalid, `two members "oci-layout"`)
		}
	}
}

// A file that was cut never reads as another, wherever it was cut.
func TestCutArchives(t *testing.T) {
	t.Parallel()
	for _, cnb := range []testhelpers.CNB{{}, {Gzip: true}, {IndexFirst: true}} {
		cnb.Images = []v1.Image{linux(t), windows(t)}
		whole := cnb.Bytes(t)
		step := 211
		if cnb.Gzip {
			step = 29
		}
		path := file(t)
		refused := 0
		for n := 0; n < len(whole); n += step {
			if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := layout.Archives{}.Resolve(t.Context(), path)
			if err != nil {
				refused++
				if !errors.Is(err, index.ErrInvalid) {
					t.Fatalf("cut at %d: %v", n, err)
				}
				continue
			}
			if len(got) != 2 {
				t.Fatalf("cut at %d: %d images", n, len(got))
			}
			for i, img := range cnb.Images {
				same(t, got[i], img)
			}
		}
		if most := len(whole) - 4096; refused*step < most {
			t.Errorf("%d of %d cuts were refused", refused, len(whole)/step)
		}
	}
	whole := testhelpers.CNB{Images: []v1.Image{linux(t)}}.Bytes(t)
	fails(t, writeBytes(t, whole[:1600]), index.ErrInvalid, "it is cut: it ends in the member \"/blobs/sha256/", "at byte 1600 of the file")
	fails(t, writeBytes(t, whole[:700]), index.ErrInvalid, "it is cut", "at byte 700 of the file", "/blobs")
}

func TestHeadersThatClaimTooMuch(t *testing.T) {
	t.Parallel()
	cnb := testhelpers.CNB{Images: []v1.Image{linux(t)}, IndexFirst: true}
	whole := cnb.Bytes(t)
	for _, size := range []string{"77777777777\x00", "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		raw := bytes.Clone(whole)
		header := raw[:512]
		copy(header[124:136], size)
		copy(header[148:156], "        ")
		sum := 0
		for _, b := range header {
			sum += int(b)
		}
		copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
		fails(t, writeBytes(t, raw), index.ErrInvalid)
	}
	var one bytes.Buffer
	if err := tar.NewWriter(&one).WriteHeader(&tar.Header{Name: "x", Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	fails(t, writeBytes(t, bytes.Repeat(one.Bytes(), 100_001)), index.ErrInvalid, "more than 100000 members")
}

func TestTooManyImages(t *testing.T) {
	t.Parallel()
	config := `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`
	image := manifest(descriptor(confType, config))
	leaf := list(slices.Repeat([]string{descriptor(imageType, image)}, 200)...)
	top := list(slices.Repeat([]string{descriptor(listType, leaf)}, 60)...)
	fails(t, write(t, members(top, leaf, config, image)...), index.ErrInvalid, "more than 10000 images and lists")
	// The same config, near the limit, of many images: what is kept is bounded.
	big := strings.Repeat(" ", 4<<20)
	var images []string
	for i := range 20 {
		images = append(images, manifest(descriptor("application/vnd.example.config", big))+strings.Repeat(" ", i))
	}
	var descriptors []string
	for _, i := range images {
		descriptors = append(descriptors, descriptor(imageType, i))
	}
	fails(t, write(t, members(list(descriptors...), append(images, big)...)...), index.ErrInvalid, "more than 67108864 bytes in all")
}

func TestFileThatChanges(t *testing.T) {
	t.Parallel()
	path := testhelpers.WriteCNB(t, file(t), linux(t))
	layer := resolve(t, path)[0].Layers[0]
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		size int64
		at   time.Time
	}{{before.Size(), time.Unix(1, 0)}, {before.Size() - 1, before.ModTime()}} {
		if err := os.Truncate(path, c.size); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, c.at); err != nil {
			t.Fatal(err)
		}
		if _, err := layer.Open(); !errors.Is(err, index.ErrConflict) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v", err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := layer.Open(); !errors.Is(err, index.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

func TestLayersAreClosed(t *testing.T) {
	t.Parallel()
	for _, zipped := range []bool{false, true} {
		layer := resolve(t, testhelpers.CNB{Images: []v1.Image{linux(t)}, Gzip: zipped}.Write(t, file(t)))[0].Layers[1]
		r, err := layer.Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := r.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the file stays open: %v", err)
		}
	}
}

// fuse is a context that ends when it has been asked so many times.
type fuse struct {
	context.Context
	left, asked int
}

func (f *fuse) Err() error {
	f.asked++
	if f.asked > f.left {
		return context.Canceled
	}
	return nil
}

// Whenever somebody gives up, it is before the next member and the next image.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	for _, zipped := range []bool{false, true} {
		cnb := testhelpers.CNB{Images: []v1.Image{linux(t), windows(t)}, Gzip: zipped}
		path := cnb.Write(t, file(t))
		var ctx *fuse
		for n := 0; ; n++ {
			ctx = &fuse{Context: t.Context(), left: n}
			_, err := layout.Archives{}.Resolve(ctx, path)
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) || errors.Is(err, index.ErrInvalid) || !strings.Contains(err.Error(), path) {
				t.Fatalf("given up after %d: %v", n, err)
			}
		}
		members := strings.Count(string(testhelpers.CNB{Images: cnb.Images}.Bytes(t)), "ustar\x00")
		atLeast := members + len(cnb.Images)
		if zipped {
			atLeast += members // each is read, too
		}
		if members < 10 || ctx.asked < atLeast {
			t.Errorf("asked %d times for %d members", ctx.asked, members)
		}
	}
}

func TestLayersCanBeReadSideBySide(t *testing.T) {
	t.Parallel()
	for _, zipped := range []bool{false, true} {
		img := linux(t)
		got := resolve(t, testhelpers.CNB{Images: []v1.Image{img}, Gzip: zipped}.Write(t, file(t)))[0]
		done := make(chan bool)
		for range 4 {
			go func() { defer func() { done <- true }(); same(t, got, img) }()
		}
		for range 4 {
			<-done
		}
	}
}
