package index_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// numbers shows the entries by the n of digest(n).
func numbers(entries []index.Entry) string {
	var texts []string
	for _, e := range entries {
		for n := range 100 {
			if e.Digest == digest(n) {
				texts = append(texts, strconv.Itoa(n))
			}
		}
	}
	return strings.Join(texts, " ")
}

// Wish 19: the entry of the platform is replaced where it stands, and what was
// attested of it goes with it.
func TestReplace(t *testing.T) {
	t.Parallel()
	amd64, arm64, arm := image(1, index.OCI, "linux/amd64"), image(2, index.OCI, "linux/arm64"), image(3, index.OCI, "linux/arm")
	for name, c := range map[string]struct {
		list, with                 []index.Entry
		want, added, removed, kept string
	}{
		"in place": {
			[]index.Entry{amd64, arm64, arm},
			[]index.Entry{image(4, index.OCI, "linux/arm64")},
			"1 4 3", "4", "2", "",
		},
		"in other words": {
			[]index.Entry{amd64, arm64, arm},
			[]index.Entry{image(4, index.OCI, "linux/aarch64/v8"), image(5, index.OCI, "linux/arm/v7")},
			"1 4 5", "4 5", "2 3", "",
		},
		"with attestations": {
			[]index.Entry{amd64, attestation(11, digest(1)), arm64, attestation(12, digest(2)), attestation(13, digest(2))},
			[]index.Entry{image(4, index.OCI, "linux/arm64"), attestation(14, digest(4))},
			"1 11 4 14", "4 14", "2 12 13", "",
		},
		"a platform that is not there": {
			[]index.Entry{amd64},
			[]index.Entry{arm64},
			"1 2", "2", "", "",
		},
		"another os.version, wish 16": {
			[]index.Entry{image(1, index.OCI, "windows/amd64:10.0.17763.1"), image(2, index.OCI, "windows/amd64:10.0.20348.1")},
			[]index.Entry{image(3, index.OCI, "windows/amd64:10.0.20348.1"), image(4, index.OCI, "windows/amd64")},
			"1 3 4", "3 4", "2", "",
		},
		"the same": {
			[]index.Entry{amd64, attestation(11, digest(1))},
			[]index.Entry{amd64},
			"1 11", "", "", "1",
		},
		"no platform": {
			[]index.Entry{image(1, index.OCI, "")},
			[]index.Entry{image(2, index.OCI, "")},
			"1 2", "2", "", "",
		},
		"an empty platform": {
			[]index.Entry{image(1, index.OCI, "/")},
			[]index.Entry{image(2, index.OCI, "/")},
			"1 2", "2", "", "",
		},
		"two for one platform": {
			[]index.Entry{amd64, arm64},
			[]index.Entry{image(4, index.OCI, "linux/amd64"), image(5, index.OCI, "linux/amd64")},
			"4 2 5", "4 5", "1", "",
		},
		"two for one platform, one of them there": {
			[]index.Entry{amd64, arm64},
			[]index.Entry{image(4, index.OCI, "linux/amd64"), amd64},
			"4 2 1", "4 1", "1", "",
		},
		"one for two of one platform": {
			[]index.Entry{amd64, arm64, image(3, index.OCI, "linux/amd64"), attestation(13, digest(3))},
			[]index.Entry{image(4, index.OCI, "linux/amd64")},
			"4 2", "4", "1 3 13", "",
		},
		"one of two of one platform": {
			[]index.Entry{amd64, attestation(11, digest(1)), arm64, image(3, index.OCI, "linux/amd64")},
			[]index.Entry{image(3, index.OCI, "linux/amd64")},
			"2 3", "", "1 11", "3",
		},
		"two of one platform by themselves and another": {
			[]index.Entry{amd64, image(3, index.OCI, "linux/amd64")},
			[]index.Entry{image(4, index.OCI, "linux/amd64"), image(3, index.OCI, "linux/amd64")},
			"4 3", "4", "1", "3",
		},
		"an image that stays under another platform": {
			[]index.Entry{image(1, index.OCI, "linux/arm/v6"), image(1, index.OCI, "linux/arm/v7"), attestation(11, digest(1))},
			[]index.Entry{image(4, index.OCI, "linux/arm/v7")},
			"1 4 11", "4", "1", "",
		},
		"then added again": {
			[]index.Entry{amd64, arm64},
			[]index.Entry{image(4, index.OCI, "linux/amd64"), image(5, index.OCI, "linux/s390x"), image(5, index.OCI, "linux/s390x")},
			"4 2 5", "4 5", "1", "5",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			after, diff := apply(t, list(t, index.OCI, c.list...), index.Replace(c.with...))
			for _, got := range []struct{ what, got, want string }{
				{"entries", numbers(after.Entries()), c.want},
				{"written", numbers(parse(t, raw(t, after)).Entries()), c.want},
				{"added", numbers(diff.Added), c.added},
				{"removed", numbers(diff.Removed), c.removed},
				{"kept", numbers(diff.Kept), c.kept},
			} {
				if got.got != got.want {
					t.Errorf("%s: got %q, want %q", got.what, got.got, got.want)
				}
			}
			again, diff := apply(t, after, index.Add(c.with...))
			if !diff.IsZero() || raw(t, again) != raw(t, after) {
				t.Errorf("what was put is not there: %+v", diff)
			}
		})
	}
}

func TestReplaceRefusesAnnotationsInV2S2(t *testing.T) {
	t.Parallel()
	ix := list(t, index.V2S2, image(1, index.V2S2, "linux/amd64"))
	_, _, err := ix.Apply(index.Replace(annotated(image(2, index.V2S2, "linux/amd64"), map[string]string{"k": "v"})))
	wantFault(t, err, index.ErrInvalid, "annotations")
}

// Cost is linear in the entries. It measures time, so it does not run in
// parallel.
func TestReplaceManyEntries(t *testing.T) {
	entries := func(from, n int) []index.Entry {
		all := make([]index.Entry, n)
		for i := range all {
			// Half of them find their platform in the list.
			all[i] = image(from+i, index.OCI, "windows/amd64:"+strconv.Itoa(i+from/2))
		}
		return all
	}
	linear(t, 800, func(n int) {
		ix := list(t, index.OCI, entries(0, n)...)
		after, diff := apply(t, ix, index.Replace(entries(n, n)...))
		if after.Len() != n+n/2 || len(diff.Removed) != n/2 || len(diff.Added) != n {
			t.Errorf("%d entries, %d removed, %d added", after.Len(), len(diff.Removed), len(diff.Added))
		}
	})
}

func TestRemove(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, image(1, index.OCI, "linux/arm/v6"), attestation(11, digest(1)), image(2, index.OCI, "linux/amd64"),
		attestation(12, digest(2)), image(1, index.OCI, "linux/arm/v7"))
	for name, c := range map[string]struct{ which, want, removed string }{
		"with attestations":                 {"linux/amd64", "1 11 1", "2 12"},
		"one platform of two of one digest": {"linux/arm/v6", "11 2 12 1", "1"},
		"an attestation":                    {digest(12).String(), "1 11 2 1", "12"},
	} {
		after, diff := apply(t, ix, index.Remove(selector(t, c.which)))
		if numbers(after.Entries()) != c.want || numbers(diff.Removed) != c.removed {
			t.Errorf("%s: left %s, removed %s", name, numbers(after.Entries()), numbers(diff.Removed))
		}
	}
	after, diff := apply(t, ix, index.Remove(selector(t, "linux/arm/v6")), index.Remove(selector(t, "linux/arm/v7")))
	if numbers(after.Entries()) != "2 12" || numbers(diff.Removed) != "1 1 11" {
		t.Errorf("left %s, removed %s", numbers(after.Entries()), numbers(diff.Removed))
	}
}

// B11: what is not there cannot be removed, and the repository counts.
func TestRemoveOfNothing(t *testing.T) {
	t.Parallel()
	ix := list(t, index.OCI, from(image(1, index.OCI, "linux/amd64"), "ghcr.io/acme/bp:1", "ghcr.io/acme/bp"))
	for _, which := range []string{
		"ghcr.io/acme/bp@sha256:" + strings.Repeat("0", 64),
		"ghcr.io/acme/other@" + digest(1).String(),
		"acme/bp@" + digest(1).String(),
		"ghcr.io/acme/bp:2",
		"linux/arm64",
		strings.Repeat("0", 64),
	} {
		after, diff, err := ix.Apply(index.Remove(selector(t, which)))
		wantFault(t, err, index.ErrNotFound, "entry \""+which+"\": no entry of the list is meant by it; the list has linux/amd64 "+digest(1).String())
		if !diff.IsZero() || raw(t, after) != raw(t, ix) {
			t.Errorf("%s: the list changed", which)
		}
	}
	after, _ := apply(t, ix, index.Remove(selector(t, "ghcr.io/acme/bp@"+digest(1).String())))
	if after.Len() != 0 {
		t.Error("the right repository does not count")
	}
	_, _, err := after.Apply(index.Remove(selector(t, "linux/amd64")))
	wantFault(t, err, index.ErrNotFound, "the list has no entries")
}
