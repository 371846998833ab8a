package commands

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// hasSecret reports whether a word may have a user and a password in front of a
// host.
func hasSecret(word string) bool {
	for _, algorithm := range []string{"@sha256:", "@sha512:"} {
		word, _, _ = strings.Cut(word, algorithm)
	}
	before, _, ok := strings.Cut(word, "@")
	return ok && strings.Contains(before, ":")
}

// withoutAnnotations returns the command without its annotations, "" where it
// would do nothing then.
func (a advisor) withoutAnnotations() string {
	b := a.withoutValues("--annotation", "--annotations")
	left := slices.ContainsFunc(b.words, func(word string) bool { return strings.HasPrefix(word, "--") })
	if a.verb == "annotate" && !left {
		return ""
	}
	return b.again()
}

// unpublished is the advisor for a create that keeps its list, with what rules
// find to be repaired there.
func (a advisor) unpublished() advisor {
	b := a.withoutValues("--tag", "--if-tag", "--metadata-file", "--digest-file", "--require", "--validate")
	for _, flag := range []string{"--publish", "--dry-run", "--deep", "--github", "--no-sources", "--with-referrers"} {
		b = b.without(flag)
	}
	return b
}

// withoutValues is the advisor for the command without flags that have a value.
func (a advisor) withoutValues(flags ...string) advisor {
	var words []string
	for i := 0; i < len(a.words); i++ {
		name, _, inOne := strings.Cut(a.words[i], "=")
		switch {
		case !slices.Contains(flags, name):
			words = append(words, a.words[i])
		case !inOne:
			i++
		}
	}
	a.words = words
	return a
}

// inFormat returns the command with a format for the list.
func (a advisor) inFormat(format string) string {
	return a.withoutValues("--format", "-f").again("--format", format)
}

// again returns the command that was typed, with more flags, "" where it is not
// to be repeated.
func (a advisor) again(flags ...string) string {
	if len(a.words) == 0 {
		return ""
	}
	return shellWords(withFlags(a.words, flags))
}

// without is the advisor for the command without a flag that has no value.
func (a advisor) without(flag string) advisor {
	a.words = slices.DeleteFunc(slices.Clone(a.words), func(word string) bool { return word == flag })
	return a
}

// withFlags adds flags in front of what ends flags.
func withFlags(words, flags []string) []string {
	end := slices.Index(words, "--")
	if end < 0 {
		end = len(words)
	}
	return slices.Concat(words[:end], flags, words[end:])
}

// withPlatform returns the command with PLATFORM= in front of the source of a
// finding.
func (a advisor) withPlatform(f index.Finding) string {
	at, typed := a.source(f)
	p := f.Patched()
	switch {
	case at < 0:
		return ""
	case f.Rule == index.VariantUnknown: // what the config says of the variant would be filled in again
		return ""
	case f.Rule == index.PlatformMismatch && !typed: // the platform is that of a list
		return ""
	case f.Rule == index.PlatformUnknown && !index.SamePlatform(p, *f.Entry.Platform): // it must agree with the config
		return ""
	}
	b := a
	b.words = slices.Clone(a.words)
	b.words[at] = index.FormatPlatform(p) + "=" + f.Entry.Origin.Ref
	return b.again()
}

// withoutSource returns the command without the source of a finding, "" where it
// has no other.
func (a advisor) withoutSource(f index.Finding) string {
	at, _ := a.source(f)
	sources := a.args
	if a.verb != "validate" {
		sources-- // the list
	}
	if at < 0 || sources < 2 {
		return ""
	}
	b := a
	b.words = slices.Delete(slices.Clone(a.words), at, at+1)
	return b.again()
}

// asFile returns the command with a path in place of a reference that no registry
// has, or that none could be asked for, where there is a file or folder of that
// name.
func (a advisor) asFile(f *index.Fault) repair {
	kinds := []error{index.ErrNotFound, index.ErrDenied, index.ErrUnreachable}
	if !slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(f, kind) }) {
		return repair{}
	}
	for i, word := range a.words {
		path := strings.TrimPrefix(word, "oci:") // a directory with neither "/" nor "." is a reference, too
		info, err := os.Stat(path)
		if err != nil || word == a.list || !isAbout(f, word) {
			continue
		}
		b := a
		b.words = slices.Clone(a.words)
		if b.words[i] = "./" + path; info.IsDir() {
			b.words[i] = "oci:./" + path
		}
		return repair{b.again(), fmt.Sprintf("There is %q here; a path begins with ./", path)}
	}
	return repair{}
}

// isAbout reports whether an error is about a reference that was typed, or about
// its registry.
func isAbout(f *index.Fault, word string) bool {
	ref, err := index.ParseReference(word)
	if err != nil {
		return false
	}
	if "registry "+ref.Context().RegistryStr() == f.Thing {
		return true
	}
	failed, err := index.ParseReference(f.Thing)
	return err == nil && failed.Name() == ref.Name()
}

// source returns where in the command the source of a finding is, -1 where it is
// not there or twice, and whether a platform was typed in front of it.
func (a advisor) source(f index.Finding) (at int, typed bool) {
	ref := f.Entry.Origin.Ref
	at = -1
	for i, word := range a.words {
		platform, rest, ok := strings.Cut(word, "=")
		given := ok && rest == ref && strings.Contains(platform, "/") && !strings.HasPrefix(platform, "-")
		if ref == "" || word != ref && !given {
			continue
		}
		if at >= 0 {
			return -1, false
		}
		at, typed = i, given
	}
	return at, typed
}

// shellWords returns words as one line for a POSIX shell, which reads the same
// words from it.
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = shellWord(word)
	}
	return strings.Join(quoted, " ")
}

// shellWord quotes a word where a POSIX shell would read something else
// (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02).
func shellWord(word string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@=+,%"
	odd := func(r rune) bool { return !strings.ContainsRune(plain, r) }
	if word != "" && !strings.ContainsFunc(word, odd) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
