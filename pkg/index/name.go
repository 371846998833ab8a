package index

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Name is the name of a list: a reference with a tag, in full. The name "nginx"
// and the name "index.docker.io/library/nginx:latest" are one. Make it with
// [ParseName]; names are comparable.
type Name struct {
	registry, repository, tag string
}

// ParseName reads the name of a list as users type it. What the grammar of
// distribution's references or go-containerregistry refuses, or the two read
// differently, is refused here, and so is a digest: a list is kept and published
// under a tag. Registry and repository have at most 255 characters together.
// Errors are of the kind ErrUsage.
func ParseName(s string) (Name, error) {
	tag, err := parseTag(s)
	if err != nil {
		return Name{}, Faultf(ErrUsage, fmt.Sprintf("list name %q", s),
			"not a valid name of a list: %w; want [REGISTRY/]REPOSITORY[:TAG], as in ghcr.io/acme/bp:1.2.3", err)
	}
	return Name{tag.RegistryStr(), tag.RepositoryStr(), tag.TagStr()}, nil
}

func parseTag(s string) (name.Tag, error) {
	if err := checkNoDigest(s); err != nil {
		return name.Tag{}, err
	}
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return name.Tag{}, err
	}
	if _, ok := named.(reference.Digested); ok {
		return name.Tag{}, errors.New("it has a digest")
	}
	tag, err := name.NewTag(s)
	if err != nil {
		return name.Tag{}, err
	}
	return tag, checkAgreement(named, tag.Repository)
}

// checkNoDigest refuses a digest alone, which the grammar takes for a repository
// called "sha256" and a tag.
func checkNoDigest(s string) error {
	if _, err := v1.NewHash(s); err == nil {
		return errors.New("it is a digest, which needs a repository in front")
	}
	return nil
}

// ParseReference reads the reference of an image or list in a registry, by tag
// or digest, as strictly as [ParseName] does.
func ParseReference(s string) (name.Reference, error) {
	thing := fmt.Sprintf("reference %q", s)
	if err := checkNoDigest(s); err != nil {
		return nil, &Fault{ErrUsage, thing, err}
	}
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return nil, &Fault{ErrUsage, thing, err}
	}
	ref, err := name.ParseReference(s)
	if err != nil {
		return nil, &Fault{ErrUsage, thing, err}
	}
	if err := checkAgreement(named, ref.Context()); err != nil {
		return nil, &Fault{ErrUsage, thing, err}
	}
	return ref, nil
}

// checkAgreement compares the two readings of one text: the library that makes
// requests must not ask another host than the grammar says.
func checkAgreement(named reference.Named, repo name.Repository) error {
	registry := reference.Domain(named)
	if registry == "docker.io" {
		registry = name.DefaultRegistry
	}
	if registry != repo.RegistryStr() || reference.Path(named) != repo.RepositoryStr() {
		return errors.New("its parts can be read in two ways")
	}
	if full := repo.Name(); len(full) > reference.RepositoryNameTotalLengthMax {
		return fmt.Errorf("registry and repository have %d characters, more than %d", len(full), reference.RepositoryNameTotalLengthMax)
	}
	return checkPort(registry)
}

func checkPort(registry string) error {
	at := strings.LastIndexByte(registry, ':')
	if at < 0 || strings.HasSuffix(registry, "]") {
		return nil
	}
	if port, err := strconv.ParseUint(registry[at+1:], 10, 16); err != nil || port == 0 {
		return fmt.Errorf("port %q is not between 1 and 65535", registry[at+1:])
	}
	return nil
}

// String returns the name in full: registry, repository and tag.
func (n Name) String() string { return n.registry + "/" + n.repository + ":" + n.tag }

// Familiar returns the shortest text with a tag that ParseName reads as the same
// name.
func (n Name) Familiar() string {
	hub := strings.TrimPrefix(n.Repository(), name.DefaultRegistry+"/")
	for _, short := range []string{strings.TrimPrefix(hub, "library/"), hub} {
		if again, err := ParseName(short + ":" + n.tag); err == nil && again == n {
			return short + ":" + n.tag
		}
	}
	return n.String()
}

// Repository returns the registry and repository, without the tag.
func (n Name) Repository() string { return n.registry + "/" + n.repository }

// IsZero reports whether n was never parsed.
func (n Name) IsZero() bool { return n == Name{} }

// Tag returns the name as go-containerregistry has it.
func (n Name) Tag() name.Tag {
	// A Name is made of a valid reference only, so this cannot fail.
	tag, _ := name.NewTag(n.String()) //nolint:errcheck // see above
	return tag
}
