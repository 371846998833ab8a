package buildpackage_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/buildpacks-community/pack-manifest/internal/buildpackage"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// layerOf makes a layer of files, by their paths below the folder of acme/prog
// 1.0.0; a path that begins with "/" stands for itself. A value "-> X" is a
// symbolic link, "=> X" a hard link, one that begins with "!" is not executable.
func layerOf(tb testing.TB, files map[string]string) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h, body := tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg}, files[name]
		if !strings.HasPrefix(name, "/") {
			h.Name = "/cnb/buildpacks/acme_prog/1.0.0/" + name
		}
		switch {
		case strings.HasPrefix(body, "-> "):
			h.Typeflag, h.Linkname, body = tar.TypeSymlink, body[3:], ""
		case strings.HasPrefix(body, "=> "):
			h.Typeflag, h.Linkname, body = tar.TypeLink, body[3:], ""
		case strings.HasPrefix(body, "!"):
			h.Mode, body = 0o644, body[1:]
		}
		h.Size = int64(len(body))
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// program makes a package for a platform with one layer.
func program(tb testing.TB, platform string, layer []byte) index.Manifest {
	tb.Helper()
	p := parsed(tb, platform)
	digest := index.DigestOf(layer)
	config, err := json.Marshal(v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{digest}},
		Config: v1.Config{Labels: map[string]string{
			"io.buildpacks.buildpackage.metadata": `{"id":"acme/prog","version":"1.0.0"}`,
			"io.buildpacks.buildpack.layers":      `{"acme/prog":{"1.0.0":{"api":"0.10","layerDiffID":"` + digest.String() + `"}}}`,
		}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	raw, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: index.DigestOf(config), Size: int64(len(config))},
		Layers: []v1.Descriptor{{MediaType: types.OCILayer, Digest: digest, Size: int64(len(layer))}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	m := index.Manifest{Raw: raw, RawConfig: config, Config: &v1.ConfigFile{}, Layers: []index.Blob{index.BytesBlob(digest, layer)}}
	if err := json.Unmarshal(config, m.Config); err != nil {
		tb.Fatal(err)
	}
	m.MediaType, m.Digest, m.Size, m.Platform = types.OCIManifestSchema1, index.DigestOf(raw), int64(len(raw)), &p
	return m
}

// binaries returns what BinaryArch says of packages, a line for each finding.
func binaries(tb testing.TB, bounds buildpackage.Bounds, manifests ...index.Manifest) string {
	tb.Helper()
	rule, err := buildpackage.BinaryArch(tb.Context(), manifests, buildpackage.AtHand, bounds)
	if err != nil {
		tb.Fatal(err)
	}
	var out []string
	for _, line := range lines(show(tb, listOf(tb, manifests).Check(rule))) {
		parts := strings.SplitN(line, " | ", 4)
		out = append(out, parts[0]+" "+strings.ReplaceAll(parts[3], "/cnb/buildpacks/acme_prog/1.0.0/", ""))
	}
	return strings.Join(out, "\n")
}

func peOf(machine uint16) string {
	head := make([]byte, 0x100)
	copy(head, "MZ")
	binary.LittleEndian.PutUint32(head[0x3c:], 0x80)
	copy(head[0x80:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(head[0x84:], machine)
	return string(head)
}

func machoOf(order binary.AppendByteOrder, words ...uint32) string {
	var head []byte
	for _, w := range words {
		head = order.AppendUint32(head, w)
	}
	return string(head) + strings.Repeat("\x00", 64)
}

func elfOf(class, data byte, machine uint16) string {
	head := []byte(elf(0))
	head[4], head[5] = class, data
	if data == 2 {
		binary.BigEndian.PutUint16(head[16:], 3)
		binary.BigEndian.PutUint16(head[18:], machine)
	} else {
		binary.LittleEndian.PutUint16(head[18:], machine)
	}
	return string(head)
}

// Machines: what a program says and the platforms that run it.
func TestMachines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ program, runsOn, refused string }{
		{elfOf(2, 1, 62), "linux/amd64 freebsd/amd64", "linux/arm64 linux/386 windows/amd64"},
		{elfOf(1, 1, 3), "linux/386 linux/amd64", "linux/arm64"},
		{elfOf(2, 1, 183), "linux/arm64", "linux/amd64 linux/arm"},
		{elfOf(1, 1, 40), "linux/arm/v6 linux/arm/v7", "linux/arm64"},
		{elfOf(2, 1, 21), "linux/ppc64le", "linux/ppc64"},
		{elfOf(2, 2, 21), "linux/ppc64", "linux/ppc64le"},
		{elfOf(2, 2, 22), "linux/s390x", "linux/amd64"},
		{elfOf(2, 1, 243), "linux/riscv64", "linux/amd64"},
		{elfOf(2, 1, 258), "linux/loong64", "linux/amd64"},
		{elfOf(1, 2, 8), "linux/mips", "linux/mipsle linux/mips64"},
		{elfOf(2, 1, 8), "linux/mips64le", "linux/mips64"},
		{elfOf(2, 1, 999), "", "linux/amd64"},
		{peOf(0x8664), "windows/amd64", "windows/arm64 linux/amd64"},
		{peOf(0x14c), "windows/amd64 windows/arm64", "linux/386"},
		{peOf(0xaa64), "windows/arm64", "windows/amd64"},
		{peOf(0x1c4), "windows/arm", "windows/amd64"},
		{machoOf(binary.LittleEndian, 0xfeedfacf, 7|1<<24), "darwin/amd64", "linux/amd64 darwin/arm64"},
		{machoOf(binary.LittleEndian, 0xfeedfacf, 12|1<<24), "darwin/arm64", "linux/arm64"},
		{machoOf(binary.BigEndian, 0xfeedface, 18), "", "linux/amd64 darwin/amd64"},
		{machoOf(binary.BigEndian, 0xcafebabe, 2, 7|1<<24, 0, 0, 0, 0, 12|1<<24), "darwin/amd64 darwin/arm64", "linux/amd64"},
		{machoOf(binary.BigEndian, 0xcafebabf, 1, 12|1<<24), "darwin/arm64", "darwin/amd64"},
		// no programs: scripts, classes of Java, objects, cut and odd headers
		{script, "linux/amd64 windows/amd64", ""},
		{machoOf(binary.BigEndian, 0xcafebabe, 61), "linux/amd64", ""},
		{strings.Replace(elfOf(2, 1, 62), "\x02\x00\x3e", "\x01\x00\x3e", 1), "linux/arm64", ""},
		{"\x7fELF", "linux/arm64", ""},
		{"MZ", "linux/arm64", ""},
		{peOf(0x8664)[:0x82], "linux/amd64", ""},
		{strings.Replace(peOf(0x8664), "\x80\x00\x00\x00", "\xff\xff\xff\xff", 1), "linux/amd64", ""},
		{"", "linux/amd64", ""},
		{"\x00", "linux/amd64", ""},
	} {
		for _, names := range []string{"build", "generate.exe"} {
			layer := layerOf(t, map[string]string{"bin/" + names: c.program})
			for platform := range strings.FieldsSeq(c.runsOn) {
				if got := binaries(t, buildpackage.Bounds{}, program(t, platform, layer)); got != "" {
					t.Errorf("%.40q for %s: %s", c.program, platform, got)
				}
			}
			for platform := range strings.FieldsSeq(c.refused) {
				if strings.HasSuffix(names, ".exe") != strings.HasPrefix(platform, "windows") {
					continue
				}
				if got := binaries(t, buildpackage.Bounds{}, program(t, platform, layer)); !strings.HasPrefix(got, "error bin/"+names+" is a") {
					t.Errorf("%.40q for %s: %q", c.program, platform, got)
				}
			}
		}
	}
}

// Which programs count, and how much.
func TestPrograms(t *testing.T) {
	t.Parallel()
	amd64, arm64 := elf(emAMD64), elf(emARM64)
	for name, c := range map[string]struct {
		platform string
		files    map[string]string
		want     string
	}{
		"scripts": {"linux/arm64", map[string]string{"bin/build": script, "bin/detect": script}, ""},
		"called": {"linux/arm64", map[string]string{"bin/build": amd64, "bin/detect": amd64, "bin/tool": amd64}, "error bin/build is an ELF program for amd64, " +
			"not for linux/arm64 (one of 3 such programs)"},
		"one of them": {"linux/arm64", map[string]string{"bin/build": arm64, "bin/detect": amd64}, "error bin/detect is an ELF program for amd64, not for linux/arm64"},
		// Paketo's buildpacks: both are links to one program.
		"symbolic links":    {"linux/arm64", map[string]string{"bin/build": "-> main", "bin/detect": "-> ./main", "bin/main": amd64}, "error bin/main is"},
		"absolute link":     {"linux/arm64", map[string]string{"bin/build": "-> /cnb/buildpacks/acme_prog/1.0.0/lib/x", "lib/x": amd64}, "error lib/x is"},
		"hard links":        {"linux/arm64", map[string]string{"bin/build": "=> cnb/buildpacks/acme_prog/1.0.0/bin/main", "bin/main": amd64}, "error bin/main is"},
		"links in a circle": {"linux/arm64", map[string]string{"bin/build": "-> detect", "bin/detect": "-> build", "bin/x": arm64}, ""},
		"link to nothing":   {"linux/arm64", map[string]string{"bin/build": "-> ../../../../../../etc/passwd"}, ""},
		"another program":   {"linux/arm64", map[string]string{"bin/build": script, "bin/tool": amd64}, "warning bin/tool is an ELF program for amd64, not for linux/arm64"},
		"for several machines": {
			"linux/arm64",
			map[string]string{"bin/build": script, "bin/tool-amd64": amd64, "bin/tool-arm64": arm64},
			"note bin/tool-amd64 is an ELF program for amd64, not for linux/arm64",
		},
		"not executable":     {"linux/arm64", map[string]string{"bin/build": script, "testdata/x": "!" + amd64}, ""},
		"called, no bit":     {"linux/arm64", map[string]string{"bin/build": "!" + amd64}, "error bin/build is"},
		"foreign data":       {"linux/amd64", map[string]string{"bin/build": amd64, "lib/x.dll": peOf(0xaa64), "lib/x.dylib": machoOf(binary.LittleEndian, 0xfeedfacf, 7)}, ""},
		"deep":               {"linux/arm64", map[string]string{"bin/build": script, "a/b/c/d/bin/build": amd64}, "warning a/b/c/d/bin/build is"},
		"elsewhere":          {"linux/arm64", map[string]string{"bin/build": script, "/usr/bin/build": amd64, "/cnb/lifecycle/x/y/z": amd64, "/cnb/buildpacks/x": amd64}, ""},
		"extension":          {"linux/arm64", map[string]string{"/cnb/extensions/acme_prog/1.0.0/bin/generate": amd64}, "error /cnb/extensions/acme_prog/1.0.0/bin/generate is"},
		"odd names":          {"linux/arm64", map[string]string{"/./cnb//buildpacks/x/../acme_prog/1.0.0/bin/build": amd64}, "error bin/build is"},
		"harmful name":       {"linux/arm64", map[string]string{"bin/build": script, "bin/\x1b[2J": amd64}, "warning bin/\ufffd[2J is"},
		"both systems":       {"windows/amd64", map[string]string{"bin/build": elf(emARM64), "bin/build.exe": peOf(0x8664), "bin/build.bat": "@echo"}, ""},
		"the other system":   {"linux/amd64", map[string]string{"bin/build": amd64, "bin/build.exe": peOf(0xaa64)}, ""},
		"layer for Windows":  {"windows/amd64", map[string]string{"/Files/cnb/buildpacks/acme_prog/1.0.0/bin/detect.exe": peOf(0xaa64)}, "error bin/detect.exe is a PE program for arm64, not for windows/amd64"},
		"another, Windows":   {"windows/amd64", map[string]string{"lib/tool.EXE": peOf(0xaa64), "lib/tool.dll": peOf(0xaa64)}, "warning lib/tool.EXE is"},
		"386 runs on amd64":  {"linux/amd64", map[string]string{"bin/build": elf(em386)}, ""},
		"nothing to compare": {"linux/amd64", map[string]string{"etc/x": "data"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := binaries(t, buildpackage.Bounds{}, program(t, c.platform, layerOf(t, c.files)))
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

// zipped compresses with gzip.
func zipped(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(raw); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func TestCompressions(t *testing.T) {
	t.Parallel()
	raw := layerOf(t, map[string]string{"bin/build": elf(emAMD64)})
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, layer := range map[string][]byte{"none": raw, "gzip": zipped(t, raw), "zstd": encoder.EncodeAll(raw, nil)} {
		if got := binaries(t, buildpackage.Bounds{}, program(t, "linux/arm64", layer)); got != "error bin/build is an ELF program for amd64, not for linux/arm64" {
			t.Errorf("%s: found %q", name, got)
		}
	}
}

// What cannot be read, or not all of it, is a note, and what was read counts.
func TestLayersThatAreNotRead(t *testing.T) {
	t.Parallel()
	raw := layerOf(t, map[string]string{"bin/a": elf(emAMD64), "bin/b": script, "bin/build": elf(emAMD64)})
	zip := zipped(t, raw)
	big := zipped(t, append(layerOf(t, map[string]string{"bin/build": elf(emAMD64) + strings.Repeat("\x00", 8<<20)}), raw...))
	for name, c := range map[string]struct {
		layer  []byte
		bounds buildpackage.Bounds
		want   []string
	}{
		"empty":         {nil, buildpackage.Bounds{}, nil},
		"text":          {[]byte(strings.Repeat("text", 1000)), buildpackage.Bounds{}, []string{"note not all programs were looked at: of the layer sha256:", "it cannot be read: archive/tar: invalid tar header"}},
		"cut":           {zip[:len(zip)/2], buildpackage.Bounds{}, []string{"it cannot be read: unexpected EOF"}},
		"cut tar":       {raw[:1100], buildpackage.Bounds{}, []string{"it cannot be read: unexpected EOF", "\nwarning bin/a is"}},
		"damaged":       {append(slices.Clone(zip[:len(zip)-8]), 1, 2, 3, 4, 5, 6, 7, 8), buildpackage.Bounds{}, []string{"error bin/build"}},
		"bad gzip":      {[]byte("\x1f\x8b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), buildpackage.Bounds{}, []string{"it cannot be read: "}},
		"bad zstd":      {[]byte("\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff"), buildpackage.Bounds{}, []string{"it cannot be read: "}},
		"members":       {raw, buildpackage.Bounds{Members: 2}, []string{"it has more than 2 files", "\nwarning bin/a is"}},
		"bytes":         {big, buildpackage.Bounds{Bytes: 1 << 20}, []string{"it has more than 1048576 bytes", "\nerror bin/build is"}},
		"total":         {big, buildpackage.Bounds{Total: 1 << 20}, []string{"of all layers together no more than 1048576 bytes are read", "\nerror bin/build is"}},
		"time":          {big, buildpackage.Bounds{Time: 1}, []string{"the time for all layers, 1ns, was over"}},
		"just in bound": {raw, buildpackage.Bounds{Bytes: int64(len(raw)), Total: int64(len(raw)), Members: 4}, []string{"error bin/build is"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := binaries(t, c.bounds, program(t, "linux/arm64", c.layer))
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("found %q, want %q", got, want)
				}
			}
			if len(c.want) == 0 && got != "" || len(c.want) == 1 && strings.Contains(got, "\n") {
				t.Errorf("found %q", got)
			}
			checkHarmless(t, strings.ReplaceAll(got, "\n", " "))
		})
	}
}

// Each layer is opened once, whoever shares it, and only those that labels
// name; one that is not to be read is none.
func TestLayersAreOpenedOnce(t *testing.T) {
	t.Parallel()
	layer := layerOf(t, map[string]string{"bin/build": elf(emAMD64)})
	manifests := []index.Manifest{program(t, "linux/amd64", layer), program(t, "linux/arm64", layer), app(t, "linux/s390x")}
	var opened atomic.Int32
	rule, err := buildpackage.BinaryArch(t.Context(), manifests, func(ctx context.Context, m index.Manifest, l v1.Descriptor) (io.ReadCloser, error) {
		opened.Add(1)
		return buildpackage.AtHand(ctx, m, l)
	}, buildpackage.Bounds{})
	if err != nil || opened.Load() != 1 {
		t.Fatalf("opened %d times, %v", opened.Load(), err)
	}
	findings := listOf(t, manifests).Check(rule)
	match(t, lines(show(t, findings)), []string{"error binary-arch: bin/build", "note same-layer-different-arch: acme/prog@1.0.0 is the same layer"})
	for _, f := range findings {
		if f.Entry.Digest != manifests[1].Digest {
			t.Errorf("found %+v", f)
		}
	}
	manifests[0].Layers, manifests[1].Layers = nil, nil
	if got := binaries(t, buildpackage.Bounds{}, manifests...); got != "" {
		t.Errorf("without layers at hand: %s", got)
	}
}

// What all layers may have together is shared by them, however many are read at
// once, and no more are than were asked for.
func TestBoundsOfAllLayers(t *testing.T) {
	t.Parallel()
	var manifests []index.Manifest
	for _, platform := range []string{"linux/amd64", "linux/arm64", "linux/s390x", "linux/ppc64le"} {
		manifests = append(manifests, program(t, platform, layerOf(t, map[string]string{"bin/x": platform + strings.Repeat(" ", 64<<10)})))
	}
	var open, most atomic.Int32
	opener := func(_ context.Context, m index.Manifest, _ v1.Descriptor) (io.ReadCloser, error) {
		now := open.Add(1)
		for before := most.Load(); now > before; before = most.Load() {
			most.CompareAndSwap(before, now)
		}
		r, err := m.Layers[0].Open()
		return closing{r, &open}, err
	}
	for jobs, total := range map[int]int64{1: 100 << 10, 2: 0} {
		most.Store(0)
		rule, err := buildpackage.BinaryArch(t.Context(), manifests, opener, buildpackage.Bounds{Total: total, Jobs: jobs})
		if err != nil {
			t.Fatal(err)
		}
		cut := lines(show(t, listOf(t, manifests).Check(rule)))
		if total > 0 && len(cut) != 3 || total == 0 && len(cut) != 0 || int(most.Load()) > jobs {
			t.Errorf("with %d jobs, %d at once: %q", jobs, most.Load(), cut)
		}
	}
}

type closing struct {
	io.ReadCloser
	open *atomic.Int32
}

func (c closing) Close() error { c.open.Add(-1); return c.ReadCloser.Close() }

// A layer that is not to be read is a note where there is something to be said
// of it, and that it is not found where it should be is an error.
func TestSkippedLayers(t *testing.T) {
	t.Parallel()
	manifests := []index.Manifest{program(t, "linux/arm64", layerOf(t, map[string]string{"bin/build": elf(emAMD64)}))}
	for want, skip := range map[string]error{
		"":                       &buildpackage.SkippedError{},
		", it is somewhere else": &buildpackage.SkippedError{Why: "it is somewhere else"},
		"not found":              index.Faultf(index.ErrNotFound, "layer", "it is gone"),
	} {
		rule, err := buildpackage.BinaryArch(t.Context(), manifests, func(context.Context, index.Manifest, v1.Descriptor) (io.ReadCloser, error) {
			return nil, skip
		}, buildpackage.Bounds{})
		if want == "not found" {
			if !errors.Is(err, index.ErrNotFound) {
				t.Errorf("got %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := lines(show(t, listOf(t, manifests).Check(rule))); len(got) != min(1, len(want)) || !strings.HasSuffix(strings.Join(got, ""), want) {
			t.Errorf("skipped: %q, want %q", got, want)
		}
	}
}

// A layer that no label names is not opened.
func TestExtraLayersAreNotOpened(t *testing.T) {
	t.Parallel()
	m := hello(t, "linux/amd64", func(s *testhelpers.PackageSpec) { s.LayerSizes = []int64{64, 64} })
	var opened atomic.Int32
	_, err := buildpackage.BinaryArch(t.Context(), []index.Manifest{m}, func(ctx context.Context, m index.Manifest, l v1.Descriptor) (io.ReadCloser, error) {
		opened.Add(1)
		return buildpackage.AtHand(ctx, m, l)
	}, buildpackage.Bounds{})
	if len(m.Layers) != 2 || err != nil || opened.Load() != 1 {
		t.Errorf("opened %d of %d layers, %v", opened.Load(), len(m.Layers), err)
	}
}

// The same scripts are no secret, and the same program for two variants may be
// right.
func TestSharedLayersThatMayBe(t *testing.T) {
	t.Parallel()
	scripts := layerOf(t, map[string]string{"bin/build": script})
	arm := layerOf(t, map[string]string{"bin/build": elfOf(1, 1, 40)})
	for _, manifests := range [][]index.Manifest{
		{program(t, "linux/amd64", scripts), program(t, "linux/arm64", scripts)},
		{program(t, "linux/arm/v6", arm), program(t, "linux/arm/v7", arm)},
	} {
		if got := binaries(t, buildpackage.Bounds{}, manifests...); got != "" {
			t.Errorf("found %s", got)
		}
	}
}

// The platform of the entry counts, since the config may say nothing.
func TestBinaryArchGoesByTheEntry(t *testing.T) {
	t.Parallel()
	m := program(t, "linux/amd64", layerOf(t, map[string]string{"bin/build": elf(emAMD64)}))
	for arch, want := range map[string]string{
		"arm64": "error bin/build is an ELF program for amd64, not for linux/arm64", "": "", "amd64": "",
	} {
		if got := binaries(t, buildpackage.Bounds{}, platformed(m, v1.Platform{OS: "linux", Architecture: arch})); got != want {
			t.Errorf("for linux/%s found %q", arch, got)
		}
	}
}

var errGone = errors.New("the line is dead")

// failing is a reader that breaks in the middle.
type failing struct {
	io.Reader
	err    error
	closed *atomic.Int32
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = f.err
	}
	return n, err
}

func (f failing) Close() error { f.closed.Add(1); return nil }

// What open and its reader say is an error and no finding, and the reader is
// closed.
func TestLayersThatFail(t *testing.T) {
	t.Parallel()
	layer := zipped(t, layerOf(t, map[string]string{"bin/build": elf(emAMD64)}))
	m := program(t, "linux/arm64", layer)
	var closed atomic.Int32
	for _, open := range []buildpackage.Opener{
		func(context.Context, index.Manifest, v1.Descriptor) (io.ReadCloser, error) {
			closed.Add(1)
			return nil, errGone
		},
		func(context.Context, index.Manifest, v1.Descriptor) (io.ReadCloser, error) {
			return failing{bytes.NewReader(layer[:len(layer)/2]), errGone, &closed}, nil
		},
		func(context.Context, index.Manifest, v1.Descriptor) (io.ReadCloser, error) {
			return failing{bytes.NewReader(nil), errGone, &closed}, nil
		},
	} {
		closed.Store(0)
		rule, err := buildpackage.BinaryArch(t.Context(), []index.Manifest{m}, open, buildpackage.Bounds{})
		if rule != nil || !errors.Is(err, errGone) || !strings.Contains(err.Error(), "layer "+index.DigestOf(layer).String()) || closed.Load() != 1 {
			t.Errorf("closed %d times, %v", closed.Load(), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := buildpackage.BinaryArch(ctx, []index.Manifest{m}, buildpackage.AtHand, buildpackage.Bounds{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func FuzzBinaryArch(f *testing.F) {
	layer := layerOf(f, map[string]string{"bin/build": elf(emAMD64), "bin/detect": "-> build", "x.exe": peOf(0x8664)})
	f.Add(layer)
	f.Add(zipped(f, layer))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, layer []byte) {
		got := binaries(t, buildpackage.Bounds{Bytes: 1 << 20, Members: 100}, program(t, "linux/arm64", layer))
		checkHarmless(t, strings.ReplaceAll(got, "\n", " "))
	})
}
