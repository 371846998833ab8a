package client

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// No reference has credentials in it, but URLs may, and people paste URLs. What
// looks like some is refused before an error could repeat it.
var errCredentials = errors.New("it has something like credentials in front of the host, which belong into Docker's config")

// parseName is index.ParseName, but its errors never repeat credentials.
func parseName(text string) (index.Name, error) {
	if safe := redact(text); safe != text {
		return index.Name{}, &index.Fault{Kind: index.ErrUsage, Thing: fmt.Sprintf("list name %q", safe), Cause: errCredentials}
	}
	return index.ParseName(text)
}

// parseReference is index.ParseReference, but its errors never repeat
// credentials.
func parseReference(text string) (name.Reference, error) {
	if safe := redact(text); safe != text {
		return nil, &index.Fault{Kind: index.ErrUsage, Thing: fmt.Sprintf("reference %q", safe), Cause: errCredentials}
	}
	return index.ParseReference(text)
}

// parseSelector is index.ParseSelector, but its errors never repeat credentials.
// The path of a file may well have an "@" in it.
func parseSelector(text string) (index.Selector, error) {
	if hasUser(text) {
		return index.Selector{}, &index.Fault{Kind: index.ErrUsage, Thing: fmt.Sprintf("entry %q", redact(text)), Cause: errCredentials}
	}
	return index.ParseSelector(text)
}

// redact replaces what may be a user and a password in front of a host. The "@"
// in front of a digest ends none.
func redact(s string) string {
	front, digest := cutDigest(s)
	at := strings.LastIndexByte(front, '@')
	if at < 0 {
		return s
	}
	scheme := 0
	if i := strings.Index(front, "://"); i >= 0 && i < at {
		scheme = i + len("://")
	}
	return front[:scheme] + "***" + front[at:] + digest
}

// hasUser reports whether s has a user and a password in front of its first
// "/", as no file has in practice.
func hasUser(s string) bool {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	front, _ := cutDigest(s)
	host, _, _ := strings.Cut(front, "/")
	at := strings.LastIndexByte(host, '@')
	return at >= 0 && strings.Contains(host[:at], ":")
}

// cutDigest takes a digest with its "@" off the end.
func cutDigest(s string) (front, digest string) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 || !strings.HasPrefix(s[at:], "@sha256:") && !strings.HasPrefix(s[at:], "@sha512:") {
		return s, ""
	}
	return s[:at], s[at:]
}
