package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// Whatever a file holds, it is refused as invalid, or all that is read of it is
// what it is called.
func FuzzArchive(f *testing.F) {
	// Small ones, since what is found interesting is made as small as can be.
	config := `{"os":"linux","architecture":"arm64","rootfs":{"type":"layers","diff_ids":["` + digest("x") + `"]}}`
	image := manifest(descriptor(confType, config), descriptor("application/vnd.oci.image.layer.v1.tar+gzip", "layer"))
	inner := list(descriptor(imageType, image))
	for _, top := range []string{inner, list(descriptor(listType, inner), descriptor(imageType, image))} {
		all := members(top, inner, image, config, "layer")
		for _, zipped := range []bool{false, true} {
			f.Add(testhelpers.CNB{Gzip: zipped, Edit: func([]testhelpers.Member) []testhelpers.Member { return all }}.Bytes(f))
		}
	}
	f.Add([]byte{0x1f, 0x8b})
	path := filepath.Join(f.TempDir(), "fuzz.cnb")
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		manifests, err := layout.Archives{}.Resolve(t.Context(), path)
		if err != nil {
			if !errors.Is(err, index.ErrInvalid) {
				t.Errorf("error %v", err)
			}
			return
		}
		if len(manifests) == 0 {
			t.Error("nothing was read, and nothing is wrong")
		}
		for _, m := range manifests {
			if index.DigestOf(m.Raw) != m.Digest || int64(len(m.Raw)) != m.Size {
				t.Errorf("%s is not its digest", m.Digest)
			}
			for _, l := range m.Layers {
				hashOf(t, l)
			}
		}
	})
}
