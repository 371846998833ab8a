package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// source is what a user typed to name images, understood.
type source struct {
	typed    string // as typed, without credentials
	origin   string // the same without PLATFORM=
	kind     index.SourceKind
	ref      string       // what the kind's reader takes
	named    bool         // it is a layout as containers-transports(5) names them
	platform *v1.Platform // what PLATFORM= in front of it says
	repo     name.Repository
}

// parseSources reads all sources and reports all faults together.
func parseSources(texts []string) ([]source, error) {
	sources := make([]source, len(texts))
	faults := make([]error, len(texts))
	for i, text := range texts {
		sources[i], faults[i] = parseSource(text)
	}
	return sources, errors.Join(faults...)
}

func parseSource(text string) (source, error) {
	platform, ref, err := cutPlatform(text)
	if err != nil {
		return source{}, err
	}
	front := strings.TrimSuffix(text, ref)
	s := source{typed: text, origin: ref, platform: platform, kind: index.SourceArchive, ref: ref}
	scheme, rest := cutScheme(ref)
	switch {
	case scheme == "" && isPath(ref):
		return s, nil
	case scheme == "oci-archive":
		s.named = true
		return s, nil
	case scheme == "oci":
		s.kind, s.named = index.SourceLayout, true
		return s, nil
	}
	// What is no file may have credentials in front of its host.
	s.origin = redact(ref)
	s.typed = front + s.origin
	switch scheme {
	case "", "docker":
		return s.inRegistry(rest)
	case "docker-daemon":
		return s.inDaemon(rest)
	}
	return source{}, index.Faultf(index.ErrUsage, fmt.Sprintf("source %q", s.typed),
		"sources of the kind %q are not supported by this version; want a reference, docker://REFERENCE, docker-daemon:REFERENCE, a .cnb file, oci-archive:FILE or oci:DIR", scheme)
}

func (s source) inRegistry(ref string) (source, error) {
	parsed, err := parseReference(ref)
	if front, _, ok := strings.Cut(s.origin, "="); err != nil && ok {
		return source{}, index.Faultf(index.ErrUsage, fmt.Sprintf("source %q", s.typed),
			"%q in front of it is no platform; want OS/ARCHITECTURE as in linux/arm64 or linux/arm/v7", front)
	}
	if err != nil {
		return source{}, fmt.Errorf("source %q: %w", s.typed, err)
	}
	s.kind, s.ref, s.repo = index.SourceRegistry, ref, parsed.Context()
	return s, nil
}

// inDaemon is what Docker's commands take: a reference, with the tag latest where
// it has neither tag nor digest, or the ID of an image.
func (s source) inDaemon(ref string) (source, error) {
	s.kind, s.ref = index.SourceDaemon, ref
	if _, err := v1.NewHash(ref); err == nil {
		return s, nil
	}
	parsed, err := parseReference(ref)
	if err != nil {
		return source{}, fmt.Errorf("source %q: %w", s.typed, err)
	}
	if tag, ok := parsed.(name.Tag); ok && !strings.HasSuffix(ref, ":"+tag.TagStr()) {
		s.ref += ":" + tag.TagStr()
	}
	return s, nil
}

// cutPlatform takes PLATFORM= off the front. What stands before "=" is taken
// for a platform if it begins with the name of an operating system: no
// reference has a "=", but a path may.
func cutPlatform(text string) (*v1.Platform, string, error) {
	front, rest, ok := strings.Cut(text, "=")
	first, _, _ := strings.Cut(front, "/")
	if !ok || !index.IsKnownOS(first) {
		return nil, text, nil
	}
	p, err := index.ParsePlatform(front)
	if err != nil {
		return nil, "", fmt.Errorf("source %q: %w", front+"="+redact(rest), err)
	}
	return &p, rest, nil
}

// isPath reports whether a source names a file: see "Sources" of the manual.
func isPath(s string) bool {
	for _, front := range []string{"./", "../", "/", `.\`, `..\`} {
		if strings.HasPrefix(s, front) {
			return true
		}
	}
	return strings.HasSuffix(s, ".cnb") && !hasUser(s)
}

// cutScheme takes a kind of source off the front of s. "localhost:5000/x" and
// "acme:1" have none.
func cutScheme(s string) (scheme, rest string) {
	if rest, ok := strings.CutPrefix(s, "docker://"); ok {
		return "docker", rest
	}
	for _, scheme := range []string{"docker-daemon", "oci-archive", "oci", "urn", "https", "http", "file"} {
		if rest, ok := strings.CutPrefix(s, scheme+":"); ok && (scheme != "oci" || isDirectory(rest)) {
			return scheme, rest
		}
	}
	return "", s
}

// isDirectory tells what follows "oci:" from the tag of an image called oci, and
// from the port and repository of a registry of that name.
func isDirectory(rest string) bool {
	port, _, ok := strings.Cut(rest, "/")
	if _, err := strconv.ParseUint(port, 10, 16); ok && err == nil {
		return false
	}
	return strings.ContainsAny(rest, `/.\:`)
}

// shape is what becomes of the lists among what a source means.
type shape func([]index.Manifest) []index.Manifest

// nested leaves a list as it is, unless it has but one image: then it is simply
// its image.
func nested(manifests []index.Manifest) []index.Manifest {
	if flat := index.Flatten(manifests); len(flat) == 1 {
		return flat
	}
	return manifests
}

// whole leaves everything as it is.
func whole(manifests []index.Manifest) []index.Manifest { return manifests }

// resolve resolves all sources side by side and returns their images in the
// order of the sources, each source in the given shape. All faults are reported together. Each image is
// resolved with ctx itself: what is read may be read on later.
func (c *Client) resolve(ctx context.Context, sources []source, in shape) ([]index.Manifest, error) {
	found := make([][]index.Manifest, len(sources))
	faults := make([]error, len(sources))
	free := make(chan struct{}, c.jobs)
	var all sync.WaitGroup
	for i, s := range sources {
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			found[i], faults[i] = c.resolveOne(ctx, s, in)
		})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	var manifests []index.Manifest
	for _, ms := range found {
		manifests = append(manifests, ms...)
	}
	return manifests, nil
}

func (c *Client) reader(s source) Source {
	switch {
	case s.named:
		return c.layouts
	case s.kind == index.SourceArchive:
		return c.archives
	case s.kind == index.SourceDaemon:
		return c.daemon
	}
	return c.registry
}

func (c *Client) resolveOne(ctx context.Context, s source, in shape) ([]index.Manifest, error) {
	manifests, err := c.reader(s).Resolve(ctx, s.ref)
	if err != nil {
		return nil, err
	}
	manifests = in(manifests)
	if len(manifests) == 0 {
		return nil, index.Faultf(index.ErrInvalid, fmt.Sprintf("source %q", s.typed), "it has no image")
	}
	manifests = typedAs(s.origin, manifests)
	if s.platform != nil {
		return manifests, givePlatform(manifests, s)
	}
	return manifests, nil
}

// givePlatform sets the platform that was typed in front of a source on the one
// image that the source must have. It must agree with what the image's config
// says.
func givePlatform(manifests []index.Manifest, s source) error {
	image := -1
	for i, m := range manifests {
		if m.IsAttestation() {
			continue
		}
		if image >= 0 {
			return index.Faultf(index.ErrUsage, fmt.Sprintf("source %q", s.typed),
				"it is a list of several images, so one platform cannot be given to it")
		}
		image = i
	}
	return setPlatform(&manifests[image], *s.platform)
}

// setPlatform gives m the platform p, filling in what p leaves open from the
// config, and refuses what contradicts the config.
func setPlatform(m *index.Manifest, p v1.Platform) error {
	config := index.ConfigPlatform(m.Config)
	if config != nil && contradicts(p, *config) {
		right := index.AsConfig(p, *config).Patch(p)
		return &index.Rejection{Findings: []index.Finding{{
			Rule: index.PlatformMismatch, Severity: index.Error, Entry: m.Entry,
			Patch:   index.PlatformPatch{OS: &right.OS, Architecture: &right.Architecture, Variant: &right.Variant, OSVersion: &right.OSVersion},
			Message: fmt.Sprintf("%s was given for it, but its config says %s", index.FormatPlatform(p), index.FormatPlatform(*config)),
		}}}
	}
	if config != nil {
		p.Variant = orElse(p.Variant, config.Variant)
		p.OSVersion = orElse(p.OSVersion, config.OSVersion)
		if p.OSFeatures == nil {
			p.OSFeatures = config.OSFeatures
		}
	}
	m.Platform = &p
	return nil
}

// contradicts reports whether a field is set in both and differs. arm64 and
// arm64/v8 do not contradict each other.
func contradicts(given, config v1.Platform) bool {
	merged := given
	merged.OS = orElse(config.OS, given.OS)
	merged.Architecture = orElse(config.Architecture, given.Architecture)
	if given.Variant != "" && config.Variant != "" {
		merged.Variant = config.Variant
	}
	if given.OSVersion != "" && config.OSVersion != "" {
		merged.OSVersion = config.OSVersion
	}
	return !index.SamePlatform(given, merged)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// repositories returns the repositories of the sources that are in a registry.
func repositories(sources []source) []name.Repository {
	var repos []name.Repository
	for _, s := range sources {
		if s.kind == index.SourceRegistry {
			repos = append(repos, s.repo)
		}
	}
	return repos
}
