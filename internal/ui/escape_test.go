package ui_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/buildpacks-community/pack-manifest/internal/ui"
)

// R36: peers pass the escape sequences of a registry's error on to the terminal,
// and C1 and bidirectional controls of an annotation.
func TestEscape(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"text", "Grüße, 世界 👍 \u00a0", "Grüße, 世界 👍 \u00a0"},
		{"newline and tab", "a\n\tb", "a\n\tb"},
		{"colour", "\x1b[31mred\x1b[0m", `\u001b[31mred\u001b[0m`},
		{"title of the window", "\x1b]0;x\a", `\u001b]0;x\u0007`},
		{"carriage return", "safe\rrm -rf", `safe\u000drm -rf`},
		{"backspace and NUL", "a\b\x00", `a\u0008\u0000`},
		{"DEL", "a\x7f", `a\u007f`},
		{"C1, the first and the last", "\u0080\u009b31m\u009f", `\u0080\u009b31m\u009f`},
		{"bidi override", "a\u202egnp.exe", `a\u202egnp.exe`},
		{"bidi embeddings", "\u202a\u202b\u202c\u202d", `\u202a\u202b\u202c\u202d`},
		{"bidi isolates", "\u2066\u2067\u2068\u2069", `\u2066\u2067\u2068\u2069`},
		{"bidi marks", "\u061c\u200e\u200f", `\u061c\u200e\u200f`},
		{"separators", "\u2028\u2029", `\u2028\u2029`},
		{"no UTF-8", "a\xff\x9bb\xe4", `a\xff\x9bb\xe4`},
		{"the replacement character itself", "a\ufffdb", "a\ufffdb"},
		{"both", "\ufffd\xff", "\ufffd" + `\xff`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := ui.Escape(c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain\n\t", "\x1b[2J", "\u009b", "\u202e", "\xff\xfe", "\ufffd", "\\u001b", "👍\x7f", "a\r\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := ui.Escape(s)
		if !utf8.ValidString(got) {
			t.Fatalf("%q is no UTF-8", got)
		}
		for _, r := range got {
			if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
				t.Fatalf("%q has the control %U", got, r)
			}
		}
		if again := ui.Escape(got); again != got {
			t.Fatalf("what is clean changed: %q, then %q", got, again)
		}
		if strings.Count(got, "\n") != strings.Count(s, "\n") {
			t.Fatalf("lines changed: %q, then %q", s, got)
		}
	})
}
