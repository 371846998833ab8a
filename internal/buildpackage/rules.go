package buildpackage

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// subject is an entry of a list together with what its image says.
type subject struct {
	index.Entry
	*Image
}

// name is how a message calls the image: by its platform, as people do, else by
// its digest.
func (s *subject) name() string {
	if p := s.PlatformString(); p != "" {
		return p
	}
	return s.Digest.String()
}

// target is the platform that the entry is for, and its config's where the
// entry says nothing.
func (s *subject) target() v1.Platform {
	if s.Platform == nil {
		return s.platform
	}
	return index.NormalizePlatform(*s.Platform)
}

func (s *subject) finding(rule index.RuleID, format string, args ...any) index.Finding {
	return index.Finding{Rule: rule, Entry: s.Entry, Message: fmt.Sprintf(format, args...)}
}

// against is a finding about s and the image that it was compared with.
func (s *subject) against(other *subject, rule index.RuleID, format string, args ...any) index.Finding {
	f := s.finding(rule, format, args...)
	f.Others = []index.Entry{other.Entry}
	return f
}

// check looks for one thing in the images of a list, in order.
type check func([]*subject) []index.Finding

// Rules returns the rules about kinds, labels and builders, for lists whose
// entries are made of manifests; entries of other manifests are passed over.
// Attestations and nested lists are exempt. The labels are read here, once, and
// one function does the work of all rules, since they share how they see a list.
func Rules(manifests []index.Manifest) []index.Rule {
	images := make(map[v1.Hash]*Image, len(manifests))
	for _, m := range manifests {
		if img := Read(m); img.Kind != Unknown {
			images[m.Digest] = &img
		}
	}
	return []index.Rule{func(ix index.Index) []index.Finding {
		if len(images) == 0 {
			return nil
		}
		var findings []index.Finding
		list := subjects(ix, images)
		for _, c := range checks() {
			findings = append(findings, c(list)...)
		}
		return findings
	}}
}

// checks is all rules, in the order of the documentation.
func checks() []check {
	return []check{
		likelyOS, windowsVersion, linuxAMD64,
		oneKind, labelsPresent, oneID, oneVersion, mainInLayers, layersPresent, noExtraLayers,
		targetsSupported, targetsCovered, sameModules, sameStacks, sameAPIs, supportedAPIs, wellFormedVersion, wellFormedID,
		builderReadable, sameLifecycle, sameBuilderModules, sameBuilderOrder, sameBuilderStack,
	}
}

func subjects(ix index.Index, images map[v1.Hash]*Image) []*subject {
	var list []*subject
	for _, e := range ix.All() {
		if img, ok := images[e.Digest]; ok && !e.IsAttestation() && !e.MediaType.IsIndex() {
			list = append(list, &subject{e, img})
		}
	}
	return list
}

// only returns the images of certain kinds.
func only(list []*subject, is func(Kind) bool) []*subject {
	return slices.DeleteFunc(slices.Clone(list), func(s *subject) bool { return !is(s.Kind) })
}

// releases returns the packages whose names are known, those of one id and
// version together: what is of another release may well be different.
func releases(list []*subject) [][]*subject {
	var groups [][]*subject
	at := map[Ref]int{}
	for _, s := range only(list, Kind.IsPackage) {
		ref := s.Package.Ref
		if ref.ID == "" || ref.Version == "" {
			continue
		}
		if _, ok := at[ref]; !ok {
			at[ref] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[ref]] = append(groups[at[ref]], s)
	}
	return groups
}

// outliers compares images by a key: it returns the first of the images whose
// key most have, or that comes first among equals, and those with another key.
func outliers(list []*subject, key func(*subject) string) (usual *subject, others []*subject) {
	count := map[string]int{}
	for _, s := range list {
		count[key(s)]++
	}
	for _, s := range list {
		if usual == nil || count[key(s)] > count[key(usual)] {
			usual = s
		}
	}
	for _, s := range list {
		if key(s) != key(usual) {
			others = append(others, s)
		}
	}
	return usual, others
}

// enumerate joins texts, the first few of them.
func enumerate(texts []string) string {
	const most = 5
	if len(texts) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(texts[:most], ", "), len(texts)-most)
	}
	return strings.Join(texts, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
