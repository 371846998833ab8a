//go:build acceptance

package acceptance_test

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// TestInteropReferrers: regctl finds the same referrers beside the copies as
// beside the images, in every pair of registries and between two repositories
// of one; crane finds cosign's tags. Neither registry keeps lists of referrers,
// so the tags of the referrers tag schema are at stake, which regctl wrote in
// the source.
func TestInteropReferrers(t *testing.T) {
	t.Parallel()
	for from, startFrom := range registries() {
		for to, startTo := range registries() {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				source := startFrom(t)
				j := judge{t: t, home: newHome(t), source: source, hosts: []string{source}}
				j.prepare()
				dest := startTo(t)
				j.hosts = append(j.hosts, dest)
				j.copies(dest + "/mirror/bp")
				j.copies(source + "/other/bp")
				j.laidOut(dest + "/laid/bp")
			})
		}
	}
}

// judge compares what refers to images in two places.
type judge struct {
	t      *testing.T
	home   *home
	hosts  []string
	source string
	images []v1.Descriptor
}

// regctl runs regctl, which must succeed.
func (j *judge) regctl(args ...string) string {
	j.t.Helper()
	var hosts []string
	for _, h := range j.hosts {
		hosts = append(hosts, "--host", "reg="+h+",tls=disabled")
	}
	return j.home.ok(j.t, testhelpers.Tool(j.t, "regctl"), append(hosts, args...)...)
}

// prepare pushes two images; the first gets an SBOM and a signature of it by
// regctl, another one by go-containerregistry, and cosign's tags.
func (j *judge) prepare() {
	t := j.t
	for i := range 2 {
		img := testhelpers.Buildpackage(t, testhelpers.PackageSpec{
			OCI: true, Seed: uint64(i) + 1, Platform: v1.Platform{OS: "linux", Architecture: arch(i)},
		})
		j.images = append(j.images, testhelpers.Described(t, img))
		push(t, j.source+"/acme/bp:"+arch(i), img)
	}
	repo := j.source + "/acme/bp"
	subject := repo + "@" + j.images[0].Digest.String()
	sbom := j.home.write(t, "sbom.json", `{"spdxVersion":"SPDX-2.3"}`)
	j.regctl("artifact", "put", "--artifact-type", "application/spdx+json", "--file", sbom, "--annotation", "org.example.by=regctl", "--subject", subject)
	listed := strings.Fields(j.listed(repo, j.images[0].Digest))
	if len(listed) != 2 || listed[1] != "application/spdx+json" {
		t.Fatalf("regctl wrote %q", listed)
	}
	j.regctl("artifact", "put", "--artifact-type", "application/vnd.dev.sigstore.bundle.v0.3+json", "--file", sbom, "--subject", repo+"@"+listed[0])
	second := testhelpers.Artifact(t, j.images[0], "application/vnd.in-toto+json", "built so")
	push(t, repo+"@"+testhelpers.Described(t, second).Digest.String(), second)
	for _, kind := range []string{".sig", ".att", ".sbom"} {
		push(t, repo+":sha256-"+j.images[0].Digest.Hex+kind, testhelpers.CosignSignature(t, j.images[0].Digest, kind))
	}
}

// arch is that of an image.
func arch(i int) string { return []string{"amd64", "arm64"}[i] }

// listed returns what regctl finds to refer to a digest: digest and type a line,
// sorted.
func (j *judge) listed(repo string, of v1.Hash) string {
	j.t.Helper()
	out := j.regctl("artifact", "list", "--format", `{{range .Descriptors}}{{.Digest}} {{.ArtifactType}}{{println}}{{end}}`, repo+"@"+of.String())
	lines := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// copies publishes a list of the images elsewhere, twice, and compares.
func (j *judge) copies(dest string) {
	t := j.t
	t.Helper()
	repo := j.source + "/acme/bp"
	create := []string{"create", dest + ":1", repo + ":amd64", repo + ":arm64", "--publish", "--format", "oci", "--with-referrers"}
	digest := digestIn(t, j.home.manifest(t, create...))
	for range 2 {
		for i, img := range j.images {
			want := j.listed(repo, img.Digest)
			if i == 0 && strings.Count(want, "\n") != 1 {
				t.Fatalf("the source has %q", want)
			}
			if got := j.listed(dest, img.Digest); got != want {
				t.Errorf("%s: regctl lists\n%s\nwant\n%s", dest, got, want)
			}
			if got, want := j.tree(dest, img.Digest), j.tree(repo, img.Digest); got != want {
				t.Errorf("%s: regctl's tree is\n%s\nwant\n%s", dest, got, want)
			}
		}
		crane := testhelpers.Tool(t, "crane")
		for _, kind := range []string{".sig", ".att", ".sbom"} {
			tag := ":sha256-" + j.images[0].Digest.Hex + kind
			want := j.home.ok(t, crane, "digest", repo+tag)
			if got := j.home.ok(t, crane, "digest", dest+tag); got != want {
				t.Errorf("crane finds %s at %s, want %s", got, dest+tag, want)
			}
			if content := j.regctl("artifact", "get", dest+tag); !strings.Contains(content, j.images[0].Digest.String()) {
				t.Errorf("regctl reads %q at %s", content, dest+tag)
			}
		}
		content := j.regctl("artifact", "get", "--subject", dest+"@"+j.images[0].Digest.String(), "--filter-artifact-type", "application/spdx+json")
		if content != `{"spdxVersion":"SPDX-2.3"}` {
			t.Errorf("regctl reads %q as the SBOM", content)
		}
		if tags := j.home.ok(t, crane, "ls", dest); strings.Contains(tags, j.images[1].Digest.Hex) {
			t.Errorf("there are tags for an image that nothing refers to:\n%s", tags)
		}
		before := j.home.ok(t, crane, "digest", dest+":sha256-"+j.images[0].Digest.Hex)
		if again := digestIn(t, j.home.manifest(t, create...)); again != digest {
			t.Errorf("again: %s, want %s", again, digest)
		}
		if after := j.home.ok(t, crane, "digest", dest+":sha256-"+j.images[0].Digest.Hex); after != before {
			t.Errorf("again: the list of referrers is %s, was %s", after, before)
		}
	}
}

// laidOut publishes an image from an OCI layout that regctl wrote with all that
// refers to it.
func (j *judge) laidOut(dest string) {
	t := j.t
	t.Helper()
	repo, of := j.source+"/acme/bp", j.images[0].Digest
	j.regctl("image", "copy", "--referrers", "--digest-tags", repo+":amd64", "ocidir://"+j.home.path("layout")+":amd64")
	j.home.manifest(t, "create", dest+":1", "oci:"+j.home.path("layout"), "--publish", "--format", "oci", "--with-referrers")
	if got, want := j.listed(dest, of), j.listed(repo, of); got != want {
		t.Errorf("%s: regctl lists\n%s\nwant\n%s", dest, got, want)
	}
	if got, want := j.tree(dest, of), j.tree(repo, of); got != want {
		t.Errorf("%s: regctl's tree is\n%s\nwant\n%s", dest, got, want)
	}
	crane := testhelpers.Tool(t, "crane")
	tag := ":sha256-" + of.Hex + ".att"
	if got, want := j.home.ok(t, crane, "digest", dest+tag), j.home.ok(t, crane, "digest", repo+tag); got != want {
		t.Errorf("crane finds %s at %s, want %s", got, dest+tag, want)
	}
}

// tree is all that regctl finds to refer to a digest, and to that, without the
// name of the repository, sorted.
func (j *judge) tree(repo string, of v1.Hash) string {
	j.t.Helper()
	out := strings.ReplaceAll(j.regctl("artifact", "tree", repo+"@"+of.String()), repo, "REPOSITORY")
	lines := strings.Split(out, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
