package daemon_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.uber.org/goleak"

	"github.com/buildpacks-community/pack-manifest/internal/daemon"
	"github.com/buildpacks-community/pack-manifest/internal/layout"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testhelpers.Lingering()) }

const ref = "acme/bp:1"

// lab is a client of a daemon, with its own folder for temporary files.
type lab struct {
	*daemon.Client
	t    *testing.T
	d    *testhelpers.Daemon
	temp string
}

func newLab(t *testing.T, edit ...func(*daemon.Options)) *lab {
	t.Helper()
	l := &lab{t: t, d: testhelpers.NewDaemon(t), temp: t.TempDir()}
	l.Client = l.open(map[string]string{"DOCKER_HOST": l.d.Host}, edit...)
	return l
}

// open returns a client in an environment.
func (l *lab) open(env map[string]string, edit ...func(*daemon.Options)) *daemon.Client {
	l.t.Helper()
	options := daemon.Options{
		Env: func(name string) string { return env[name] }, Temp: l.temp, UserAgent: "test", Layout: layout.Partial{}.Resolve,
	}
	for _, e := range edit {
		e(&options)
	}
	c := daemon.New(options)
	l.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			l.t.Error(err)
		}
	})
	return c
}

// left are the temporary files.
func (l *lab) left() []string {
	l.t.Helper()
	entries, err := os.ReadDir(l.temp)
	if err != nil {
		l.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// one resolves the one image that there is.
func (l *lab) one() index.Manifest {
	l.t.Helper()
	found, err := l.Resolve(l.t.Context(), ref)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(found) != 1 {
		l.t.Fatalf("%d images", len(found))
	}
	return found[0]
}

// fails wants an error of a kind, in words that hold all of want, and nothing
// left of it.
func (l *lab) fails(err, kind error, want ...string) {
	l.t.Helper()
	if err == nil {
		l.t.Fatal("no error")
	}
	if !errors.Is(err, kind) {
		l.t.Errorf("error %q is not of the kind %q", err, kind)
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) {
			l.t.Errorf("error %q\ndoes not say %q", err, text)
		}
	}
	if names := l.left(); len(names) > 0 {
		l.t.Errorf("left behind: %q", names)
	}
}

// refused resolves what must be refused.
func (l *lab) refused(kind error, want ...string) {
	l.t.Helper()
	got, err := l.Resolve(l.t.Context(), ref)
	if len(got) > 0 {
		l.t.Errorf("%d images beside the error %v", len(got), err)
	}
	l.fails(err, kind, append(want, ref)...)
}

// image makes a buildpackage of two layers.
func image(t *testing.T, platform v1.Platform, seed uint64) v1.Image {
	t.Helper()
	return testhelpers.Buildpackage(t, testhelpers.PackageSpec{Platform: platform, Seed: seed, LayerSizes: []int64{100, 200_000}})
}

func arm() v1.Platform { return v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"} }
