package store_test

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/internal/store"
	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

func TestKeysCanBeRead(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"nginx":                         "index.docker.io+library+nginx~~latest",
		"docker.io/library/nginx":       "index.docker.io+library+nginx~~latest",
		"ghcr.io/acme/bp:1.2.3":         "ghcr.io+acme+bp~~1.2.3",
		"127.0.0.1:5000/a_b/c-d:V1_x":   "127.0.0.1~~5000+a_b+c-d~~~v1_x",
		"ghcr.io/a/b:1.":                "ghcr.io+a+b~~1.~",
		"con.example.com/a:1":           "_con.example.com+a~~1",
		"LPT1.example.com:5000/a:1":     "_~l~p~t1.example.com~~5000+a~~1",
		"conx.example.com/a:1":          "conx.example.com+a~~1",
		"ghcr.io/con/aux.nul/prn:com1":  "ghcr.io+con+aux.nul+prn~~com1",
		"localhost:5000/acme/bp:latest": "localhost~~5000+acme+bp~~latest",
	} {
		n := mustName(t, name)
		if got := store.KeyOf(n); got != want {
			t.Errorf("key of %s is %q, want %q", name, got, want)
		}
		if back, ok := store.NameOf(want); !ok || back != n {
			t.Errorf("name of %q is %v (%v), want %v", want, back, ok, n)
		}
	}
}

// B6, H9: upstream puts these lists into one directory, or one list into two.
func TestB6NamesDoNotCollide(t *testing.T) {
	t.Parallel()
	different := []string{"a/b:c", "a_b-c", "a/b-c", "a_b:c", "localhost:5057/x", "localhost/5057/x", "x/y:V1", "x/y:v1", "x/y:v1."}
	seen := map[string]string{}
	for _, name := range different {
		key := store.KeyOf(mustName(t, name))
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s are both %q", name, other, key)
		}
		seen[key] = name
	}
	for _, name := range []string{"al", "al:latest", "docker.io/library/al:latest", "index.docker.io/library/al"} {
		if got, want := store.KeyOf(mustName(t, name)), store.KeyOf(mustName(t, "al")); got != want {
			t.Errorf("key of %s is %q, want %q", name, got, want)
		}
	}
}

func TestLongNamesAreHashed(t *testing.T) {
	t.Parallel()
	long := "ghcr.io/" + strings.Repeat("abcdefghi/", 22) + "bp"
	a, b := store.KeyOf(mustName(t, long+":1")), store.KeyOf(mustName(t, long+":2"))
	if a == b || len(a) != 200 || !strings.HasPrefix(a, "ghcr.io+abcdefghi+") || !strings.Contains(a, "~-") {
		t.Errorf("keys %q and %q", a, b)
	}
	if n, ok := store.NameOf(a); ok {
		t.Errorf("name of %q is %s, want none", a, n)
	}
}

// safeKey is what a key may be on every disk.
func checkKey(t *testing.T, key string) {
	t.Helper()
	switch {
	case len(key) > 200, !regexp.MustCompile(`^[a-z0-9._+~-]+$`).MatchString(key):
		t.Errorf("key %q", key)
	case key == ".", key == "..", strings.HasSuffix(key, "."), strings.HasPrefix(key, "."), strings.HasPrefix(key, "-"):
		t.Errorf("key %q", key)
	case regexp.MustCompile(`^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`).MatchString(key):
		t.Errorf("key %q is a device", key)
	}
}

// Keys of different names differ, and are names of files everywhere.
func TestKeysAreInjective(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(from []string) string { return from[rnd.IntN(len(from))] }
	hosts := []string{"", "localhost/", "localhost:5000/", "con.io/", "CON.io/", "com1.x/", "[::1]:5000/", "[::1]/", "a.b-c/", "A.b/"}
	parts := []string{"a", "b", "a_b", "a-b", "a__b", "a.b", "con", "0", "v1"}
	tags := []string{"", ":1", ":1.", ":V", ":v", ":_v", ":v_", ":-", ":a-b", ":A-b", ":latest", ":~", ":" + strings.Repeat("X", 128)}
	keys := map[string]index.Name{}
	for range 20_000 {
		path := []string{pick(parts), pick(parts), pick(parts)}[:1+rnd.IntN(3)]
		n, err := index.ParseName(pick(hosts) + strings.Join(path, "/") + pick(tags))
		if err != nil {
			continue
		}
		key := store.KeyOf(n)
		if other, ok := keys[key]; ok && other != n {
			t.Fatalf("%s and %s are both %q", n, other, key)
		}
		keys[key] = n
		checkKey(t, key)
	}
	if len(keys) < 1000 {
		t.Errorf("only %d names", len(keys))
	}
}

func FuzzKey(f *testing.F) {
	for _, seed := range []string{"a/b:c", "nginx", "CON.io/x:Y.", "[::1]:80/a", "ghcr.io/a~b", "ghcr.io+a~~b", "_con.x+a~~b", "~999", "~097+a~~b", "a~~b.~", "a~~~", "a:~"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		// As keys: what is taken for one is the key of its name.
		for _, key := range []string{a, b} {
			if n, ok := store.NameOf(key); ok && store.KeyOf(n) != key {
				t.Errorf("name of %q is %s, whose key is %q", key, n, store.KeyOf(n))
			}
		}
		// As any text: the escaping alone tells texts apart. A leading '_' is in
		// no reference.
		plain := func(s string) bool { return !strings.HasPrefix(s, "_") }
		if a != b && plain(a) && plain(b) && store.Escape(a) == store.Escape(b) {
			t.Errorf("%q and %q are both %q", a, b, store.Escape(a))
		}
		for _, s := range []string{a, b} {
			n, err := index.ParseName(s)
			if err != nil {
				continue
			}
			key := store.KeyOf(n)
			checkKey(t, key)
			if back, ok := store.NameOf(key); ok && back != n || !ok && len(key) < 200 {
				t.Errorf("name of %q is %v (%v), want %v", key, back, ok, n)
			}
		}
	})
}
