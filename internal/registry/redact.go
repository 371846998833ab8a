package registry

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// Request is what a log may know of a request.
type Request struct {
	Method   string
	URL      string // without user, and without the values of unknown parameters
	Status   int    // 0 where there was no answer
	Duration time.Duration
	Err      error // why there was no answer
}

// redact returns the text of a URL without what may be secret: its user, its
// fragment and the values of all query parameters but those that the
// distribution and token protocols define. Signed URLs of storage services and
// the state of uploads are secrets.
func redact(u *url.URL) string {
	public := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	var query []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		key, value, named := strings.Cut(pair, "=")
		switch {
		case pair == "":
			continue
		case !named:
			query = append(query, "REDACTED")
			continue
		}
		switch key {
		case "scope", "service", "mount", "from", "digest", "n", "last":
		default:
			value = "REDACTED"
		}
		query = append(query, key+"="+value)
	}
	public.RawQuery = strings.Join(query, "&")
	return public.String()
}

// withoutCredentials returns what an error says without the credentials of the
// request that it answers: some proxies repeat what they were sent.
func withoutCredentials(raw []byte, authorization string) []byte {
	scheme, credentials, _ := strings.Cut(authorization, " ")
	secrets := []string{credentials}
	if pair, err := base64.StdEncoding.DecodeString(credentials); err == nil && strings.EqualFold(scheme, "basic") {
		_, password, _ := strings.Cut(string(pair), ":")
		secrets = append(secrets, password, url.QueryEscape(password), url.PathEscape(password))
	}
	for _, secret := range secrets {
		const shortest = 4 // what is shorter is in any text
		if len(secret) >= shortest {
			raw = bytes.ReplaceAll(raw, []byte(secret), []byte("REDACTED"))
		}
	}
	return raw
}

// maxMessage is how much of what a registry says goes into an error, in bytes.
const maxMessage = 1 << 10

// printable makes text of somebody else fit for an error: valid UTF-8 without
// control characters, on one line, at most 1 KiB.
func printable(s string) string {
	if len(s) > maxMessage {
		s = s[:maxMessage] + "..."
	}
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
