package registry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

var (
	// errContent is content that is not what its digest, size or type says.
	errContent = errors.New("content is not what it should be")
	errTooLong = errors.New("the answer is too long")
	// errRedirects is what net/http would say after as many redirects.
	errRedirects = errors.New("it redirects too often")
)

// answerError is an answer that is not the one that was hoped for.
type answerError struct {
	status  int
	after   time.Duration
	details []transport.Diagnostic
}

// Error reads "403 Forbidden: DENIED: quota exceeded".
func (e *answerError) Error() string {
	parts := []string{strings.TrimSpace(fmt.Sprintf("%d %s", e.status, http.StatusText(e.status)))}
	for _, d := range e.details {
		if text := strings.Trim(string(d.Code)+": "+d.Message, ": "); text != "" {
			parts = append(parts, printable(text))
		}
	}
	return printable(strings.Join(parts, ": "))
}

// has reports whether the registry gave one of these codes.
func (e *answerError) has(codes ...transport.ErrorCode) bool {
	return slices.ContainsFunc(e.details, func(d transport.Diagnostic) bool { return slices.Contains(codes, d.Code) })
}

// kind returns which of the questions that callers ask this is an answer to.
func (e *answerError) kind() error {
	switch {
	case e.has(transport.DeniedErrorCode, transport.UnauthorizedErrorCode),
		e.status == http.StatusUnauthorized, e.status == http.StatusForbidden:
		return index.ErrDenied
	case e.has(transport.ManifestBlobUnknownErrorCode):
		return index.ErrRefused
	case e.status == http.StatusNotFound, e.has(transport.NameUnknownErrorCode, transport.ManifestUnknownErrorCode):
		return index.ErrNotFound
	}
	return index.ErrRefused
}

// mentions reports whether the registry's details name the digest.
func (e *answerError) mentions(h v1.Hash) bool {
	return slices.ContainsFunc(e.details, func(d transport.Diagnostic) bool {
		detail, err := json.Marshal(d.Detail)
		return strings.Contains(d.Message, h.String()) || (err == nil && strings.Contains(string(detail), h.String()))
	})
}

// readAnswer makes an error of an answer (the error format of the distribution
// specification). It does not close the body.
func (c *Client) readAnswer(resp *http.Response) *answerError {
	e := &answerError{status: resp.StatusCode, after: retryAfter(resp.Header.Get("Retry-After"), c.opts.Now())}
	var document struct {
		Errors []transport.Diagnostic `json:"errors"`
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err == nil && json.Unmarshal(raw, &document) == nil {
		e.details = document.Errors
	}
	return e
}

// waitError is a registry that wants to be asked again later than anybody waits.
type waitError struct {
	wait, left time.Duration
	err        error // what the last try came to; nil where it was an answer
}

// Error implements error.
func (e *waitError) Error() string {
	text := fmt.Sprintf("the registry asks to wait %s before the next try, longer than the %s left",
		e.wait.Round(time.Second), e.left.Round(time.Second))
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

// Unwrap returns what the last try came to.
func (e *waitError) Unwrap() error { return e.err }

// classify gives an error of a request its kind and the name of what the request
// was about. An error that has both stays as it is, and the end of the context
// is no fault. The URLs that net/http puts into errors are taken out: they may be
// signed.
func classify(ctx context.Context, thing string, err error) error {
	var fault *index.Fault
	var source *sourceError
	var answer *answerError
	var other *transport.Error
	var wait *waitError
	var rejection *index.Rejection
	switch {
	case err == nil:
		return nil
	case errors.As(err, &rejection):
		return &index.Fault{Kind: index.ErrInvalid, Thing: thing, Cause: rejection}
	case errors.As(err, &fault) && fault.Thing != "":
		return fault
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", thing, ended(ctx))
	case errors.As(err, &source) && source.remote:
		return classify(ctx, source.thing, source.err)
	case errors.As(err, &wait), isProtocol(err):
		return &index.Fault{Kind: index.ErrRefused, Thing: thing, Cause: bare(thing, err)}
	case errors.As(err, &answer):
		return &index.Fault{Kind: answer.kind(), Thing: thing, Cause: answer}
	case errors.As(err, &other):
		answer := &answerError{status: other.StatusCode, details: other.Errors}
		return &index.Fault{Kind: answer.kind(), Thing: thing, Cause: answer}
	case errors.Is(err, errContent):
		return &index.Fault{Kind: index.ErrInvalid, Thing: thing, Cause: bare(thing, err)}
	case source != nil:
		return source // a file that cannot be read is none of the registry's faults
	case speaksHTTP(err):
		return &index.Fault{Kind: index.ErrUnreachable, Thing: thing, Cause: errPlainHTTP}
	}
	return &index.Fault{Kind: index.ErrUnreachable, Thing: thing, Cause: bare(thing, err)}
}

// speaksHTTP reports whether the answer to a TLS hello was plain HTTP.
func speaksHTTP(err error) bool {
	var record tls.RecordHeaderError
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/"
}

// ended returns why a context ended: its error, and the cause where that says
// more.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// isProtocol reports whether a registry did what the protocol does not provide.
func isProtocol(err error) bool {
	for _, e := range []error{errDowngrade, errTooLong, errRedirects, errLocation, errKept, errStored, errNotStored, errNextPage} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// bare returns an error without the method and URL that net/http puts before it,
// but with the host where the thing's name does not have it.
func bare(thing string, err error) error {
	var at *url.Error
	if !errors.As(err, &at) {
		return err
	}
	host := ""
	for errors.As(err, &at) {
		if u, parseErr := url.Parse(at.URL); parseErr == nil {
			host = u.Host
		}
		err = at.Err
	}
	if strings.Contains(thing, host) {
		return err
	}
	return fmt.Errorf("%s: %w", host, err)
}
