package buildpackage_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Of lifecycle nothing but its API versions is linked: its other packages bring
// cloud clients (docs/adr/0005-no-lifecycle-auth.md).
func TestDependencies(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	var got []string
	for dep := range strings.FieldsSeq(string(out)) {
		domain, _, _ := strings.Cut(dep, "/")
		if !strings.Contains(domain, ".") {
			continue
		}
		repository := strings.Join(strings.SplitN(dep, "/", 4)[:3], "/")
		if !slices.Contains(got, repository) {
			got = append(got, repository)
		}
		if repository == "github.com/buildpacks/lifecycle" && dep != repository+"/api" {
			t.Errorf("it links %s", dep)
		}
	}
	slices.Sort(got)
	want := []string{
		"github.com/buildpacks-community/pack-manifest", "github.com/buildpacks/lifecycle", "github.com/distribution/reference",
		"github.com/go-json-experiment/json", "github.com/google/go-containerregistry", "github.com/klauspost/compress",
		"github.com/opencontainers/go-digest", "github.com/pkg/errors", "golang.org/x/sync",
	}
	if !slices.Equal(got, want) {
		t.Errorf("it links %q, want %q", got, want)
	}
}
