package client_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"go.uber.org/goleak"

	"github.com/buildpacks-community/pack-manifest/pkg/client"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testhelpers.Lingering()) }

// lab is a client over a real store in a directory of its own and over real
// HTTP to a registry in this process.
type lab struct {
	*client.Client
	t    testing.TB
	reg  *testhelpers.Registry
	home string
	env  map[string]string
	// events are those so far. Calls come one at a time, so nothing guards them:
	// the race detector is the judge of that.
	events []client.Event
}

func newLab(tb testing.TB, options ...testhelpers.RegistryOption) *lab {
	tb.Helper()
	l := &lab{t: tb, reg: testhelpers.NewRegistry(tb, options...), home: tb.TempDir(), env: map[string]string{}}
	l.Client = l.open(client.WithObserver(func(e client.Event) { l.events = append(l.events, e) }))
	return l
}

// open returns a further client over the same store, as another process has it.
func (l *lab) open(options ...client.Option) *client.Client {
	l.t.Helper()
	c := client.Open(client.Settings{
		Home: l.home, Now: time.Now, UserAgent: "test", Command: "test",
		Env: func(name string) string { return l.env[name] },
	}, options...)
	l.t.Cleanup(c.Close)
	return c
}

// at is a reference in the lab's registry.
func (l *lab) at(ref string) string { return l.reg.Host + "/" + ref }

// image pushes a buildpackage and returns its digest. platform is as users type
// it; words are "oci" and "noarch".
func (l *lab) image(ref, platform string, words ...string) v1.Hash {
	l.t.Helper()
	return l.reg.Push(l.t, ref, pack(l.t, platform, words...))
}

// pack makes a buildpackage. Two of different platforms, or of different words
// but the known ones, have different layers.
func pack(tb testing.TB, platform string, words ...string) v1.Image {
	tb.Helper()
	s := testhelpers.PackageSpec{Platform: mustPlatform(tb, platform)}
	for _, word := range words {
		switch word {
		case "oci":
			s.OCI = true
		case "noarch":
			s.EmptyArch = true
		default:
			s.ID = "acme/" + word
		}
	}
	return testhelpers.Buildpackage(tb, s)
}

func mustPlatform(tb testing.TB, s string) v1.Platform {
	tb.Helper()
	names, version, _ := strings.Cut(s, ":")
	parts := append(strings.Split(names, "/"), "", "")
	return v1.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2], OSVersion: version}
}

// create makes a list that must come about.
func (l *lab) create(name string, format index.Format, refs ...string) client.ListResult {
	l.t.Helper()
	result, err := l.Create(l.t.Context(), client.CreateRequest{Name: l.at(name), Format: format, Sources: l.all(refs)})
	if err != nil {
		l.t.Fatalf("create %s: %v", name, err)
	}
	return result
}

func (l *lab) all(refs []string) []string {
	sources := make([]string, len(refs))
	for i, ref := range refs {
		sources[i] = l.at(ref)
	}
	return sources
}

// kept returns the bytes of a list that must be in local storage.
func (l *lab) kept(name string) string {
	l.t.Helper()
	result, err := l.Inspect(l.t.Context(), client.InspectRequest{Reference: l.at(name)})
	if err != nil || !result.Local {
		l.t.Fatalf("%s is not kept: %v", name, err)
	}
	return string(result.Raw)
}

// names returns the names of all lists in local storage.
func (l *lab) names() []string {
	l.t.Helper()
	lists, err := l.List(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	var names []string
	for _, list := range lists {
		names = append(names, strings.TrimPrefix(list.Name.String(), l.reg.Host+"/"))
	}
	return names
}

// findings returns what the rules found so far, as "rule severity platform".
func (l *lab) findings() []string {
	var texts []string
	for _, e := range l.events {
		if f := e.Finding; f != nil {
			texts = append(texts, strings.TrimSpace(string(f.Rule)+" "+f.Severity.String()+" "+f.Entry.PlatformString()))
		}
	}
	return texts
}

// steps returns the steps of publishing so far, as "kind tag platform [skipped]".
func (l *lab) steps() []string {
	var texts []string
	for _, e := range l.events {
		if e.Step != nil {
			texts = append(texts, stepText(*e.Step))
		}
	}
	return texts
}

func stepText(s index.Step) string {
	words := []string{string(s.Kind)}
	if s.Tag != "" {
		words = append(words, s.Tag)
	}
	if s.Kind == index.StepChild && s.Entry != nil {
		words = append(words, s.Entry.PlatformString())
	}
	if s.Skipped {
		words = append(words, "skipped")
	}
	return strings.Join(words, " ")
}

// platforms returns the platforms of entries, "+" before an attestation's.
func platforms(entries []index.Entry) []string {
	var texts []string
	for _, e := range entries {
		if e.IsAttestation() {
			texts = append(texts, "+"+e.PlatformString())
			continue
		}
		texts = append(texts, e.PlatformString())
	}
	return texts
}

func wantEqual[T comparable](tb testing.TB, what string, got, want []T) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("%s:\ngot  %v\nwant %v", what, got, want)
	}
}

// wantKind compares the kind of an error, and wants every text in its message.
func wantKind(tb testing.TB, err, kind error, texts ...string) {
	tb.Helper()
	if !errors.Is(err, kind) {
		tb.Fatalf("got %v, want an error of the kind %q", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			tb.Errorf("%q does not say %q", err, text)
		}
	}
}

// wantRule wants an error that is a rejection by the rule, for each of the
// platforms.
func wantRule(tb testing.TB, err error, rule index.RuleID, platforms ...string) {
	tb.Helper()
	var rejected *index.Rejection
	if !errors.As(err, &rejected) || !errors.Is(err, index.ErrInvalid) {
		tb.Fatalf("got %v, want a rejection", err)
	}
	var got []string
	for _, f := range rejected.Findings {
		if f.Rule != rule || f.Severity != index.Error {
			tb.Errorf("%s (%s): %s", f.Rule, f.Severity, f.Message)
		}
		got = append(got, f.Entry.PlatformString())
	}
	wantEqual(tb, string(rule), got, platforms)
}

// sources are a Source: what the reference means, and a record of what was
// asked for.
type sources struct {
	client.Registry // nothing else than Resolve is to be called

	asked   []string
	answers func(ref string) ([]index.Manifest, error)
}

func (s *sources) Resolve(_ context.Context, ref string) ([]index.Manifest, error) {
	s.asked = append(s.asked, ref)
	return s.answers(ref)
}

// scratch makes an image whose config says nothing of a platform.
func scratch(tb testing.TB) v1.Image {
	tb.Helper()
	img := pack(tb, "linux/amd64")
	config, err := img.ConfigFile()
	if err != nil {
		tb.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "", ""
	img, err = mutate.ConfigFile(img, config)
	if err != nil {
		tb.Fatal(err)
	}
	return img
}
