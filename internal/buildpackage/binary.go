package buildpackage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Opener opens a layer of an image for reading from its beginning, compressed
// or not. It may be called from several goroutines at once, for each layer
// once. Whoever gets the reader closes it. A *SkippedError says that the layer
// is not to be read.
type Opener func(ctx context.Context, m index.Manifest, layer v1.Descriptor) (io.ReadCloser, error)

// SkippedError is what an [Opener] returns for a layer that is not to be read.
type SkippedError struct {
	Why string // in a sentence about the layer, for a note; "" for no note
}

// Error says that the layer is not read, and why.
func (e *SkippedError) Error() string {
	return strings.TrimSuffix("the layer is not read: "+e.Why, ": ")
}

// AtHand opens the layers that resolving found in a file or a daemon, and skips
// the others without a note. Nobody has compared their digests yet: an image
// whose layer, read to its end, has another one is an *index.Rejection.
func AtHand(_ context.Context, m index.Manifest, layer v1.Descriptor) (io.ReadCloser, error) {
	for _, blob := range m.Layers {
		if blob.Digest == layer.Digest && blob.Open != nil {
			return verified(m, blob)
		}
	}
	return nil, &SkippedError{}
}

// errTime is the cause of a context whose time, [Bounds].Time, is over.
var errTime = errors.New("the time for all layers is over")

// BinaryArch reads the layers of packages that open gives it, each once, and
// returns a rule that finds programs for another machine than the platform of
// their entry, and layers with programs that packages for different
// architectures share. Scripts are passed over. What a layer has beyond bounds,
// or cannot be made sense of, is a note; an error of open or of reading is one
// of this function.
func BinaryArch(ctx context.Context, manifests []index.Manifest, open Opener, bounds Bounds) (index.Rule, error) {
	images := map[v1.Hash]*Image{}
	packages := map[v1.Hash][]namedLayer{}
	bounds = bounds.filled()
	timed, cancel := context.WithTimeoutCause(ctx, bounds.Time, errTime)
	defer cancel()
	scans := scans{open: open, bounds: bounds, found: map[v1.Hash]contents{}, cause: func() error { return context.Cause(timed) }}
	scans.left.Store(bounds.Total)
	group, grouped := errgroup.WithContext(timed)
	group.SetLimit(bounds.Jobs)
	started := map[v1.Hash]bool{}
	for _, m := range manifests {
		img := Read(m)
		if !img.Kind.IsPackage() {
			continue
		}
		images[m.Digest], packages[m.Digest] = &img, layersOf(m, img)
		for _, l := range packages[m.Digest] {
			if !started[l.Digest] {
				started[l.Digest] = true
				group.Go(func() error { return scans.scan(grouped, m, l.Descriptor) })
			}
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return func(ix index.Index) []index.Finding {
		list := subjects(ix, images)
		return append(wrongMachines(list, packages, scans.found), sharedLayers(list, packages, scans.found)...)
	}, nil
}

// namedLayer is a layer that the labels of a package name.
type namedLayer struct {
	v1.Descriptor
	diffID v1.Hash
}

// layersOf returns the layers of a package that have its modules.
func layersOf(m index.Manifest, img Image) []namedLayer {
	manifest, err := index.ParseImage(m.Raw, m.MediaType)
	if err != nil || len(manifest.Layers) != len(img.diffIDs) {
		return nil // other rules say so
	}
	named := map[string]bool{}
	for _, module := range img.Modules {
		named[module.DiffID] = true
	}
	var layers []namedLayer
	for i, l := range manifest.Layers {
		if named[img.diffIDs[i].String()] {
			layers = append(layers, namedLayer{l, img.diffIDs[i]})
		}
	}
	return layers
}

// scans is what was found in layers, by digest.
type scans struct {
	open   Opener
	bounds Bounds
	left   atomic.Int64 // of bounds.Total
	cause  func() error // why the time is over
	mu     sync.Mutex
	found  map[v1.Hash]contents
}

func (s *scans) scan(ctx context.Context, m index.Manifest, layer v1.Descriptor) error {
	c, err := s.read(ctx, m, layer)
	if skipped, ok := errors.AsType[*SkippedError](err); ok {
		c, err = contents{unread: skipped.Why}, nil
	}
	if err != nil && errors.Is(s.cause(), errTime) {
		c, err = contents{unread: fmt.Sprintf("the time for all layers, %s, was over", s.bounds.Time)}, nil
	}
	if err != nil {
		return fmt.Errorf("layer %s: %w", layer.Digest, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found[layer.Digest] = c
	return nil
}

func (s *scans) read(ctx context.Context, m index.Manifest, layer v1.Descriptor) (c contents, err error) {
	r, err := s.open(ctx, m, layer)
	if err != nil {
		return contents{}, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return scanLayer(ctx, r, s.bounds, &s.left)
}

// wrongMachines says of each package at most one thing about its programs, and
// what was not read.
func wrongMachines(list []*subject, packages map[v1.Hash][]namedLayer, found map[v1.Hash]contents) []index.Finding {
	var findings []index.Finding
	for _, s := range list {
		all := contents{programs: map[string]program{}, links: map[string]string{}}
		for _, l := range packages[s.Digest] {
			c := found[l.Digest]
			all.merge(c)
			if c.unread != "" {
				f := s.finding(index.BinaryArch, "not all programs were looked at: of the layer %s, %s", l.Digest, c.unread)
				f.Limit = index.AtMostNote
				findings = append(findings, f)
			}
		}
		p := s.target()
		if p.OS == "" || p.Architecture == "" {
			continue // there is nothing to compare with
		}
		if f, wrong := judgePrograms(s, all, p); wrong {
			findings = append(findings, f)
		}
	}
	return findings
}

func (c contents) merge(other contents) {
	maps.Copy(c.programs, other.programs)
	maps.Copy(c.links, other.links)
}

// judgePrograms looks at the programs that lifecycle calls first. The others
// matter less: a buildpack may bring programs for several machines.
func judgePrograms(s *subject, c contents, p v1.Platform) (f index.Finding, wrong bool) {
	var calledWrong, otherWrong []string
	called := c.called(p.OS)
	fitting := 0
	for _, name := range sortedKeys(c.programs) {
		program := c.programs[name]
		isCalled := slices.Contains(called, name)
		native := program.executable && program.machine.format == nativeFormat(p.OS)
		switch {
		case !isCalled && !native:
		case program.machine.runsOn(p):
			fitting++
		case isCalled:
			calledWrong = append(calledWrong, name)
		default:
			otherWrong = append(otherWrong, name)
		}
	}
	names := slices.Concat(calledWrong, otherWrong)
	if len(names) == 0 {
		return index.Finding{}, false
	}
	f = s.finding(index.BinaryArch, "/%s is %s, not for %s", printable(names[0]), c.programs[names[0]].machine, index.FormatPlatform(p))
	if len(names) > 1 {
		f.Message += fmt.Sprintf(" (one of %d such programs)", len(names))
	}
	switch {
	case len(calledWrong) > 0:
	case fitting > 0:
		f.Limit = index.AtMostNote
	default:
		f.Limit = index.AtMostWarning
	}
	return f, true
}

// called returns the programs that lifecycle calls, with links followed:
// bin/build and bin/detect are often links to one program.
func (c contents) called(os string) []string {
	var names []string
	for _, name := range slices.AppendSeq(sortedKeys(c.programs), maps.Keys(c.links)) {
		if rest, ok := inModule(name); ok && isCalled(rest, os) {
			names = append(names, c.follow(name))
		}
	}
	return names
}

// isCalled reports whether lifecycle calls a file. A package for Windows may
// have files for Linux beside it, and the other way round.
func isCalled(rest, os string) bool {
	if os == "windows" {
		rest, ok := strings.CutSuffix(rest, ".exe")
		return ok && isCalled(rest, "")
	}
	return slices.Contains([]string{"bin/build", "bin/detect", "bin/generate"}, rest)
}

// follow returns what a name means in the end; links in a circle mean nothing.
func (c contents) follow(name string) string {
	const most = 8
	for range most {
		target, ok := c.links[name]
		if !ok {
			return name
		}
		name = target
	}
	return ""
}

// sharedLayers finds packages for different architectures whose main buildpack
// is in one layer that has programs.
func sharedLayers(list []*subject, packages map[v1.Hash][]namedLayer, found map[v1.Hash]contents) []index.Finding {
	var findings []index.Finding
	first := map[string]*subject{}
	for _, s := range list {
		main, ok := s.main()
		if !ok || s.target().Architecture == "" || !hasPrograms(main, packages[s.Digest], found) {
			continue
		}
		before, ok := first[main.DiffID]
		if !ok {
			first[main.DiffID] = s
			continue
		}
		if before.target().Architecture != s.target().Architecture {
			findings = append(findings, s.against(before, index.SameLayerOtherArch,
				"%s is the same layer with the same programs as for %s", main.Ref, before.name()))
		}
	}
	return findings
}

func hasPrograms(m Module, layers []namedLayer, found map[v1.Hash]contents) bool {
	return slices.ContainsFunc(layers, func(l namedLayer) bool {
		return l.diffID.String() == m.DiffID && len(found[l.Digest].programs) > 0
	})
}
