package daemon_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func TestHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		daemon v1.Platform // as Docker's info has it
		lists  bool
		want   string
	}{
		{v1.Platform{OS: "linux", Architecture: "x86_64"}, false, "linux/amd64"},
		{v1.Platform{OS: "linux", Architecture: "aarch64"}, true, "linux/arm64"},
		{v1.Platform{OS: "linux", Architecture: "armv7l"}, false, "linux/arm/v7"},
		{v1.Platform{OS: "linux", Architecture: "armv6hl"}, false, "linux/arm/v6"},
		{v1.Platform{OS: "linux", Architecture: "i686"}, false, "linux/386"},
		{v1.Platform{OS: "linux", Architecture: "s390x"}, false, "linux/s390x"},
		{v1.Platform{OS: "windows", Architecture: "x86_64", OSVersion: "10.0.20348.2227"}, false, "windows/amd64:10.0.20348.2227"},
	} {
		l := newLab(t)
		l.d.Lists, l.d.Platform = c.lists, c.daemon
		lists, platform, err := l.Holds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := index.FormatPlatform(platform); lists != c.lists || got != c.want {
			t.Errorf("%v: holds lists %t and runs %s, want %t and %s", c.daemon, lists, got, c.lists, c.want)
		}
	}
}

// What a daemon does not say of itself is not guessed.
func TestHoldsFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer http.HandlerFunc
		kind   error
		says   string
	}{
		{says(http.StatusForbidden, "not you"), index.ErrDenied, "403"},
		{says(http.StatusInternalServerError, "disk on fire"), index.ErrRefused, "500"},
		{heard("no JSON"), index.ErrRefused, "cannot be read"},
		{func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, index.ErrUnreachable, "EOF"},
	} {
		l := newLab(t)
		l.answerWith("/info", c.answer)
		_, _, err := l.Holds(t.Context())
		l.fails(err, c.kind, "Docker daemon at "+l.d.Host, c.says)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	big := strings.Repeat("an archive ", 1<<20)
	err := l.Load(t.Context(), func(w io.Writer) error {
		_, err := io.WriteString(w, big)
		return err
	})
	if got := l.d.Loaded(); err != nil || len(got) != 1 || string(got[0]) != big {
		t.Errorf("%d archives, %v", len(got), err)
	}
}

var errWrite = errors.New("disk on fire")

// Whoever fails first, daemon or writer, is to blame.
func TestLoadFails(t *testing.T) {
	t.Parallel()
	write := func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<20))
		return err
	}
	l := newLab(t)
	err := l.Load(t.Context(), func(w io.Writer) error { return errors.Join(write(w), errWrite) })
	l.fails(err, errWrite)
	if errors.Is(err, index.ErrUnreachable) || len(l.d.Loaded()) > 0 {
		t.Errorf("error %v, %d archives", err, len(l.d.Loaded()))
	}
	for _, c := range []struct {
		answer http.HandlerFunc
		kind   error
		says   string
	}{
		{says(http.StatusForbidden, "not you"), index.ErrDenied, "the daemon says: not you"},
		{says(http.StatusOK, "fine"), nil, ""},
		{heard(`{"stream":"Loading"}{"errorDetail":{"message":"no space left"},"error":"no space left"}`), index.ErrRefused, "it cannot load: no space left"},
		{heard(`{"stream":"Loa`), index.ErrUnreachable, "it stopped while it loaded"},
	} {
		l := newLab(t)
		l.answerWith("/images/load", c.answer)
		err := l.Load(t.Context(), write)
		if c.kind != nil {
			l.fails(err, c.kind, c.says)
		} else if err != nil {
			t.Error(err)
		}
	}
}

// heard answers once all was read.
func heard(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if _, err := io.WriteString(w, answer); err != nil {
			return
		}
	}
}
