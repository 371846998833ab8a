package index_test

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// eachChoice runs a test for each case of the table, with the list as a registry
// serves it.
func eachChoice(t *testing.T, test func(t *testing.T, c testhelpers.ChoiceCase, ix index.Index)) {
	t.Helper()
	cases := testhelpers.ChoiceCases()
	if len(cases) < 30 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name(), func(t *testing.T) {
			t.Parallel()
			ix := choiceList(t, c)
			if got := platformsIn(ix); got != strings.Join(c.List, " ") {
				t.Fatalf("the list is %s", got)
			}
			test(t, c, ix)
		})
	}
}

func choiceList(t *testing.T, c testhelpers.ChoiceCase) index.Index {
	t.Helper()
	raw, err := c.Index(t).RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	ix, err := index.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func platformsIn(ix index.Index) string {
	var texts []string
	for _, e := range ix.Entries() {
		switch {
		case e.IsAttestation():
			texts = append(texts, "attestation")
		case e.Platform == nil:
			texts = append(texts, "-")
		default:
			texts = append(texts, e.PlatformString())
		}
	}
	return strings.Join(texts, " ")
}

// positionOf is the position of what a consumer takes, -1 for nothing.
func positionOf(ix index.Index, c index.Consumer, want v1.Platform) int {
	e, ok := ix.Choose(c, want)
	if !ok {
		return -1
	}
	return slices.IndexFunc(ix.Entries(), func(o index.Entry) bool { return o.Digest == e.Digest })
}

func TestChoose(t *testing.T) {
	t.Parallel()
	eachChoice(t, func(t *testing.T, c testhelpers.ChoiceCase, ix index.Index) { //nolint:thelper // it is the test
		want := map[index.Consumer]int{
			index.ConsumerDocker: c.Docker, index.ConsumerDockerContainerd: c.Containerd, index.ConsumerContainerd: c.Containerd,
			index.ConsumerPodman: c.Podman, index.ConsumerPack: c.Pack, index.ConsumerPackDaemon: c.PackDaemon, index.ConsumerCrane: c.Crane,
		}
		for _, choice := range ix.Choices(c.Wanted()) {
			at := positionOf(ix, choice.Consumer, c.Wanted())
			if at != want[choice.Consumer] {
				t.Errorf("%s takes %d, want %d", choice.Consumer, at, want[choice.Consumer])
			}
			if choice.Found != (at >= 0) || choice.Found && choice.Entry.Digest != ix.Entries()[at].Digest || choice.Reason == "" {
				t.Errorf("%s: %+v, but it takes %d", choice.Consumer, choice, at)
			}
			delete(want, choice.Consumer)
		}
		if len(want) > 0 {
			t.Errorf("nothing is said of %v", want)
		}
	})
}

// What containerd takes is what its own library says of the list.
func TestChooseIsContainerds(t *testing.T) {
	t.Parallel()
	eachChoice(t, func(t *testing.T, c testhelpers.ChoiceCase, ix index.Index) { //nolint:thelper // it is the test
		if got, want := positionOf(ix, index.ConsumerContainerd, c.Wanted()), containerdTakes(ix, c.Wanted()); got != want {
			t.Errorf("we say %d, containerd %d", got, want)
		}
	})
}

// containerdTakes sorts with containerd's library as containerd does.
func containerdTakes(ix index.Index, want v1.Platform) int {
	m := platforms.Only(specOf(want))
	var fit []int
	entries := ix.Entries()
	for i, e := range entries {
		if e.Platform == nil || m.Match(specOf(*e.Platform)) {
			fit = append(fit, i)
		}
	}
	sort.SliceStable(fit, func(i, j int) bool {
		a, b := entries[fit[i]].Platform, entries[fit[j]].Platform
		switch {
		case a == nil:
			return false
		case b == nil:
			return true
		}
		return m.Less(specOf(*a), specOf(*b))
	})
	if len(fit) == 0 {
		return -1
	}
	return fit[0]
}

func specOf(p v1.Platform) platforms.Platform {
	return platforms.Platform{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures,
	}
}

// One entry at a time, over all pairs of many platforms: what fits for us fits
// for containerd.
func TestChooseIsContainerdsForAnyPair(t *testing.T) {
	t.Parallel()
	var all []v1.Platform
	for _, arch := range []string{"amd64", "x86_64", "386", "i386", "arm64", "aarch64", "arm64v8", "arm", "armhf", "armel", "riscv64"} {
		for _, variant := range []string{"", "v1", "v2", "v4", "6", "v5", "v6", "7", "v7", "8", "v8", "v8.0", "v8.6", "v8.9", "v9", "9.0", "v9.1", "v9.6", "v9.8", "v10", "odd"} {
			all = append(all, v1.Platform{OS: "linux", Architecture: arch, Variant: variant})
		}
	}
	for _, version := range []string{"", "10.0", "odd", "10.0.17763", "10.0.17763.2", "10.0.20348.1", "10.0.22621.1", "10.0.26100.1", "10.0.26200.1", "11.0.20348.1"} {
		for _, features := range [][]string{nil, {"win32k"}, {"a"}, {"a", "b"}} {
			all = append(all,
				v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: version, OSFeatures: features},
				v1.Platform{OS: "linux", Architecture: "amd64", OSVersion: version, OSFeatures: features})
		}
	}
	fits := 0
	for i, p := range all {
		ix := list(t, index.OCI, index.Entry{Descriptor: v1.Descriptor{MediaType: ociImageType, Digest: digest(i), Platform: &p}})
		for _, want := range all {
			got, theirs := positionOf(ix, index.ConsumerContainerd, want), containerdTakes(ix, want)
			if got != theirs {
				t.Errorf("%+v for %+v: %d, containerd %d", p, want, got, theirs)
			}
			if got == 0 {
				fits++
			}
		}
	}
	if fits < 2*len(all) || fits > len(all)*len(all)/2 {
		t.Errorf("%d of %d pairs fit, so the table is no test", fits, len(all)*len(all))
	}
}

// What crane takes is what go-containerregistry fetches.
func TestChooseIsCranes(t *testing.T) {
	t.Parallel()
	reg := testhelpers.NewRegistry(t)
	eachChoice(t, func(t *testing.T, c testhelpers.ChoiceCase, ix index.Index) { //nolint:thelper // it is the test
		repo := "choice/" + ix.Digest().Hex[:12]
		reg.PushIndex(t, repo+":1", c.Index(t))
		ref, err := name.ParseReference(reg.Host + "/" + repo + ":1")
		if err != nil {
			t.Fatal(err)
		}
		theirs := -1
		img, err := remote.Image(ref, remote.WithPlatform(c.Wanted()), remote.WithContext(t.Context()))
		switch {
		case err == nil:
			digest, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			theirs = slices.IndexFunc(ix.Entries(), func(e index.Entry) bool { return e.Digest == digest })
		case !strings.Contains(err.Error(), "no child with platform"):
			t.Fatal(err)
		}
		if got := positionOf(ix, index.ConsumerCrane, c.Wanted()); got != theirs {
			t.Errorf("we say %d, go-containerregistry %d", got, theirs)
		}
	})
}

// podman takes images with zstd before others, in OCI indexes only; an entry
// without platform is nothing to it in Docker's lists.
func TestChoosePodman(t *testing.T) {
	t.Parallel()
	want := v1.Platform{OS: "linux", Architecture: "amd64"}
	zstd := annotated(image(2, index.OCI, "linux/amd64"), map[string]string{"io.github.containers.compression.zstd": "true"})
	two, _, err := index.New(index.OCI).Apply(index.Add(image(1, index.OCI, "linux/amd64"), zstd))
	if err != nil {
		t.Fatal(err)
	}
	if got := positionOf(two, index.ConsumerPodman, want); got != 1 {
		t.Errorf("podman takes %d", got)
	}
	bare := list(t, index.V2S2, image(1, index.V2S2, ""))
	if got := positionOf(bare, index.ConsumerPodman, want); got != -1 {
		t.Errorf("podman takes %d of a list without platforms", got)
	}
	if got := positionOf(bare, index.ConsumerContainerd, want); got != 0 {
		t.Errorf("containerd takes %d of a list without platforms", got)
	}
	if _, ok := two.Choose("nobody", want); ok {
		t.Error("an unknown consumer takes something")
	}
}

// What is said to be out of reach is what no request of very many reaches.
func TestShadowed(t *testing.T) {
	t.Parallel()
	shadowed := map[string]string{}
	for _, text := range []string{
		"linux/amd64 linux/arm64 attestation", "linux/amd64:22.04 linux/amd64:24.04", "linux/arm linux/arm/v7", "linux/arm/v7 linux/arm",
		"linux/arm64/v8 linux/arm64", "linux/x86_64 linux/amd64", "linux/amd64/v1 linux/amd64", "- linux/amd64", "linux/amd64 - -",
		"windows/amd64:10.0.20348.1 windows/amd64:10.0.26100.1", "windows/amd64:10.0.20348 windows/amd64:10.0.20348.1",
		"windows/amd64 windows/amd64:10.0.17763.1", "linux/amd64 linux/arm64 linux/amd64", "linux/arm64/v10",
	} {
		ix := choiceList(t, testhelpers.ChoiceCase{List: strings.Fields(text)})
		for _, c := range index.Consumers() {
			var got []string
			for _, at := range ix.Shadowed(c) {
				got = append(got, strconv.Itoa(at))
			}
			if never := outOfReach(ix, c); strings.Join(got, ",") != never {
				t.Errorf("%s: %s never takes %q, but of many requests none reaches %q", text, c, got, never)
			}
			shadowed[text+" "+string(c)] = strings.Join(got, ",")
		}
	}
	for of, want := range map[string]string{
		"linux/amd64 linux/arm64 attestation docker": "", "linux/amd64:22.04 linux/amd64:24.04 docker": "1",
		"linux/amd64:22.04 linux/amd64:24.04 crane": "", "linux/arm linux/arm/v7 containerd": "1", "linux/arm linux/arm/v7 podman": "",
		"linux/x86_64 linux/amd64 podman": "0", "- linux/amd64 pack": "1", "- linux/amd64 pack-daemon": "0", "linux/arm64/v10 containerd": "0",
		"windows/amd64:10.0.20348.1 windows/amd64:10.0.26100.1 docker": "", "windows/amd64:10.0.20348.1 windows/amd64:10.0.26100.1 containerd": "1",
	} {
		if got, ok := shadowed[of]; got != want || !ok {
			t.Errorf("%s never takes %q, want %q", of, got, want)
		}
	}
}

// outOfReach asks for very many platforms.
func outOfReach(ix index.Index, c index.Consumer) string {
	reached := map[int]bool{}
	for _, os := range []string{"linux", "windows", "none"} {
		for _, arch := range []string{"amd64", "x86_64", "arm64", "arm", "386", "none"} {
			for _, variant := range []string{"", "v1", "v2", "v3", "v5", "v6", "v7", "v8", "v9", "v10", "none"} {
				for _, version := range []string{"", "22.04", "24.04", "10.0.17763.1", "10.0.17764", "10.0.20348", "10.0.20349", "10.0.20348.1", "10.0.20348.9", "10.0.26100.1", "10.0.26101"} {
					reached[positionOf(ix, c, v1.Platform{OS: os, Architecture: arch, Variant: variant, OSVersion: version})] = true
				}
			}
		}
	}
	var never []string
	for i, e := range ix.Entries() {
		if !reached[i] && !e.IsAttestation() {
			never = append(never, strconv.Itoa(i))
		}
	}
	return strings.Join(never, ",")
}

// Each choice comes with its reason.
func TestChoicesSayWhy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list, want string
		consumer   index.Consumer
		reason     string
	}{
		{"linux/amd64", "linux/amd64", index.ConsumerDocker, "it is for this platform"},
		{"linux/arm64/v8", "linux/arm64", index.ConsumerPodman, "linux/arm64/v8 is the same"},
		{"linux/arm64/v9", "linux/arm64", index.ConsumerCrane, "any variant will do where none is asked for"},
		{"linux/arm", "linux/arm/v6", index.ConsumerPodman, "an entry without variant will do"},
		{"linux/386", "linux/amd64", index.ConsumerContainerd, "linux/386 runs there, too"},
		{"-", "linux/amd64", index.ConsumerPack, "an entry without platform counts as linux/amd64"},
		{"-", "linux/arm64", index.ConsumerDocker, "no entry with a platform fits, and this one has none"},
		{"windows/amd64:10.0.20348.1", "windows/amd64", index.ConsumerDocker, "any version will do where none is asked for"},
		{"windows/amd64:10.0.20348.1", "windows/amd64:10.0.26100.1", index.ConsumerContainerd, "it runs on Windows 10.0.26100.1"},
		{"windows/amd64:10.0.20348.1", "windows/amd64:10.0.17763.1", index.ConsumerPack, "versions are not compared"},
		{"windows/amd64:10.0.20348.1", "windows/amd64:10.0.17763.1", index.ConsumerDocker, "the versions do not fit, and the list has windows/amd64:10.0.20348.1"},
		{"linux/arm64", "linux/arm64/v8", index.ConsumerCrane, "it compares variants as they are written, and the list has linux/arm64"},
		{"linux/arm64 attestation", "linux/amd64", index.ConsumerCrane, "no entry is for linux/amd64"},
	} {
		one := testhelpers.ChoiceCase{List: strings.Fields(c.list), Want: c.want}
		for _, choice := range choiceList(t, one).Choices(one.Wanted()) {
			if choice.Consumer == c.consumer && choice.Reason != c.reason {
				t.Errorf("%s, %s: %q, want %q", one.Name(), c.consumer, choice.Reason, c.reason)
			}
		}
	}
}
