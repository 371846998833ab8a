package registry_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// withLayer makes an image with a layer of some 200 kB, and returns the digest of
// that.
func withLayer(t *testing.T) (img v1.Image, layer v1.Hash) {
	t.Helper()
	img = testhelpers.Buildpackage(t, testhelpers.PackageSpec{LayerSizes: []int64{200_000}})
	all, err := img.Layers()
	if err == nil {
		layer, err = all[len(all)-1].Digest()
	}
	if err != nil {
		t.Fatal(err)
	}
	return img, layer
}

// positions publishes and returns what was told of each blob, and with which
// step.
func positions(t *testing.T, p index.Publication, edits ...func(*index.Plan)) (told map[v1.Hash][]int64, steps map[v1.Hash]index.Step) {
	t.Helper()
	c := newClient(t)
	plan, err := c.Plan(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range edits {
		edit(&plan)
	}
	told, steps = map[v1.Hash][]int64{}, map[v1.Hash]index.Step{}
	var mu sync.Mutex
	err = c.Run(t.Context(), plan, index.Watch{Sent: func(s index.Step, bytes int64) {
		mu.Lock()
		defer mu.Unlock()
		told[s.Digest], steps[s.Digest] = append(told[s.Digest], bytes), s
	}})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return told, steps
}

// once reports what is wrong with the positions of one attempt.
func once(told []int64, size int64) error {
	const every = 64 << 10
	if len(told) < 2 || told[0] != 0 || told[len(told)-1] != size {
		return fmt.Errorf("told %d of %d bytes", told, size)
	}
	for i := range told[1:] {
		last := i == len(told)-2
		if step := told[i+1] - told[i]; step <= 0 || step < every && !last {
			return fmt.Errorf("told %d of %d bytes", told, size)
		}
	}
	if int64(len(told)) < size/(2*every) {
		return fmt.Errorf("told only %d of %d bytes", told, size)
	}
	return nil
}

func TestWatchTellsWhatIsSent(t *testing.T) {
	t.Parallel()
	from, reg := testhelpers.NewRegistry(t), testhelpers.NewRegistry(t)
	img, layer := withLayer(t)
	m, _ := local(t, img)
	from.Push(t, "a/source:0", img)
	for name, children := range map[string][]index.Manifest{
		"file":     {m},
		"registry": resolve(t, newClient(t), from.Host+"/a/source:0"),
	} {
		told, steps := positions(t, publication(t, children, reg.Host+"/a/"+name+":1"))
		if len(told) != 2 || steps[layer].Kind != index.StepUpload || steps[layer].To.RepositoryStr() != "a/"+name {
			t.Errorf("%s: told of %v", name, told)
		}
		for digest, s := range steps {
			if err := once(told[digest], s.Size); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// R29: an upload that begins anew goes back.
func TestWatchGoesBack(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	img, layer := withLayer(t)
	m, _ := local(t, img)
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/blobs/uploads/", Times: 2, Do: testhelpers.Status(500, nil, "")})
	told, steps := positions(t, publication(t, []index.Manifest{m}, reg.Host+"/a/list:1"))
	rounds := 0
	for digest, s := range steps {
		all := told[digest]
		for len(all) > 0 {
			end := len(all)
			if again := slices.Index(all[1:], 0); again >= 0 {
				end = again + 1
			}
			if err := once(all[:end], s.Size); err != nil {
				t.Error(err)
			}
			all = all[end:]
			rounds++
		}
	}
	if rounds != 4 || len(told[layer]) < 3 {
		t.Errorf("told of %d attempts, want 4: %v", rounds, told)
	}
}

// A blob that is mounted, or found there, is not sent.
func TestWatchTellsNothingOfWhatIsNotSent(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	img, layer := withLayer(t)
	reg.Push(t, "a/source:0", img)
	children := resolve(t, newClient(t), reg.Host+"/a/source:0")
	if told, _ := positions(t, publication(t, children, reg.Host+"/a/list:1")); len(told) > 0 {
		t.Errorf("mounted: told of %v", told)
	}
	m, _ := local(t, img)
	forget := func(p *index.Plan) { // so that it is found when it is about to be sent
		for i := range p.Steps {
			p.Steps[i].Skipped = false
		}
	}
	if told, _ := positions(t, publication(t, []index.Manifest{m}, reg.Host+"/a/list:1"), forget); len(told) > 0 {
		t.Errorf("found: told of %v", told)
	}
	reg.Inject(testhelpers.Fault{Method: http.MethodPost, Match: "/a/other/blobs/uploads/", Do: withoutQuery()})
	told, steps := positions(t, publication(t, children, reg.Host+"/a/other:1"))
	if len(told) != 2 || steps[layer].Kind != index.StepMount {
		t.Errorf("not mounted: told of %v", told)
	}
}

// R29: an upload that is resumed goes back to what the registry has of it.
func TestWatchGoesOn(t *testing.T) {
	t.Parallel()
	const cut = 100_000
	reg := testhelpers.NewRegistry(t)
	img, layer := withLayer(t)
	m, _ := local(t, img)
	reg.Inject(testhelpers.Fault{Method: http.MethodPut, Match: "/blobs/uploads/", Do: ofLarge(testhelpers.CutUpload(cut))})
	told, steps := positions(t, publication(t, []index.Manifest{m}, reg.Host+"/a/list:1"))
	all := told[layer]
	again := slices.Index(all, cut)
	if again < 1 || all[0] != 0 || all[len(all)-1] != steps[layer].Size || !slices.IsSorted(all[again:]) {
		t.Errorf("told %d of %d bytes, cut at %d", all, steps[layer].Size, cut)
	}
}
