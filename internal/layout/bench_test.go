package layout_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// An archive of 1000 images: one pass over its members, then two reads an image.
func BenchmarkResolve(b *testing.B) {
	const images = 1000
	config := `{"os":"linux","architecture":"arm64","rootfs":{"type":"layers","diff_ids":["` + digest("x") + `"]},"x":"%d` +
		strings.Repeat("x", 2000) + `"}`
	blobs, descriptors := []string{"layer"}, []string(nil)
	for i := range images {
		c := fmt.Sprintf(config, i)
		m := manifest(descriptor(confType, c), descriptor("application/vnd.oci.image.layer.v1.tar+gzip", "layer"))
		blobs, descriptors = append(blobs, c, m), append(descriptors, descriptor(imageType, m))
	}
	all := members(list(descriptors...), blobs...)
	for name, zipped := range map[string]bool{"tar": false, "gzip": true} {
		cnb := testhelpers.CNB{Gzip: zipped, Edit: func([]testhelpers.Member) []testhelpers.Member { return all }}
		path := cnb.Write(b, b.TempDir()+"/bench.cnb")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got, err := layout.Archives{}.Resolve(b.Context(), path)
				if err != nil || len(got) != images {
					b.Fatalf("%d images, %v", len(got), err)
				}
			}
		})
	}
}
