package buildpackage_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/buildpackage"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// BenchmarkRules reads the labels of 1000 packages and lets all rules look.
func BenchmarkRules(b *testing.B) {
	var manifests []index.Manifest
	for i := range 1000 {
		manifests = append(manifests, hello(b, "linux/amd64", func(s *testhelpers.PackageSpec) { s.Seed = uint64(i) }))
		manifests[i].Platform.OSVersion = strconv.Itoa(i)
	}
	ix := listOf(b, manifests)
	for b.Loop() {
		if findings := ix.Check(buildpackage.Rules(manifests)...); len(findings) != 0 {
			b.Fatal(show(b, findings))
		}
	}
}

// BenchmarkLargeLabel reads a label as large as a config can have it.
func BenchmarkLargeLabel(b *testing.B) {
	module := `{"api":"0.10","targets":[{"os":"linux","arch":"amd64"}],"layerDiffID":"sha256:x"}`
	var modules []string
	for i := range index.MaxManifest / (len(module) + 10) {
		modules = append(modules, `"`+strconv.Itoa(i)+`":`+module)
	}
	label := `{"a":{` + strings.Join(modules, ",") + `}}`
	b.SetBytes(int64(len(label)))
	for b.Loop() {
		if _, err := buildpackage.ReadLayers(label); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBinaryArch reads a layer that gzip makes half as large.
func BenchmarkBinaryArch(b *testing.B) {
	noise := make([]byte, 64<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise) //nolint:errcheck // it never fails, says its documentation
	for i, c := range noise {
		noise[i] = "0123456789abcdef"[c&15]
	}
	body := elf(emAMD64) + string(noise)
	raw := layerOf(b, map[string]string{"bin/build": body})
	m := program(b, "linux/amd64", zipped(b, raw))
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := buildpackage.BinaryArch(b.Context(), []index.Manifest{m}, buildpackage.AtHand, buildpackage.Bounds{}); err != nil {
			b.Fatal(err)
		}
	}
}
