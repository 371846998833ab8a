package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// partSize is the most that one request carries where a blob is sent in parts,
// in bytes. That is the exception: one PUT costs a single round trip, and parts
// make nothing easier to resume. Distribution v3 keeps what it got of a PUT that
// was cut, as it does of a part, and Distribution v2 throws away the whole
// upload in either case. So parts are for registries that ask for them and for
// proxies that bound requests: 16 MiB is under every such bound that is known
// (100 MB is the usual one), and above the least that is asked for (5 MiB).
const partSize = 16 << 20

// errKept is a registry that takes a part and does not have it afterwards, or so
// little of it that the blob would never be there.
var errKept = errors.New("the registry did not keep the part that it was sent")

// transfer is one blob on its way to a repository, over as many tries as that
// takes. Each goes on where the one before broke off, if the registry kept what
// it got until then, and begins anew otherwise
// (distribution-spec, "Pushing a blob in chunks").
type transfer struct {
	client  *Client
	session *session
	step    index.Step
	source  *source
	tries   *tries

	place
	offset int64 // what the registry has, in bytes
	parts  bool  // as parts, not as one PUT
	doubt  bool  // a request failed: what the registry has is not known

	anew     bool  // going on was refused once, and is not tried again
	switched bool  // the other way of sending is tried already
	refused  error // what the first way met
	body     *part // of the last request
}

func (t *transfer) run(ctx context.Context) error {
	for {
		err := t.try(ctx)
		again, err := t.tries.wait(ctx, outcomeOf(err), err)
		if !again {
			return err
		}
	}
}

// try sends what the registry does not have yet. A way of sending that the
// registry refuses is changed at once.
func (t *transfer) try(ctx context.Context) error {
	for {
		done, err := t.begin(ctx)
		if done || err != nil {
			return err
		}
		err = t.send(ctx)
		if err == nil {
			if t.parts && t.switched {
				t.session.inParts.Store(true)
			}
			return nil
		}
		t.doubt = true
		if !t.otherwise(err) {
			return t.worth(err)
		}
	}
}

// begin makes sure that there is an upload to send to.
func (t *transfer) begin(ctx context.Context) (done bool, err error) {
	if t.at != nil && t.doubt {
		if done, err = t.ask(ctx); done || err != nil {
			return done, err
		}
	}
	if t.at == nil {
		if err := t.open(ctx); err != nil {
			return false, err
		}
	}
	if !t.switched && t.offset == 0 {
		t.parts = t.step.Size > t.partSize() && (t.least > 0 || t.session.inParts.Load())
	}
	return false, nil
}

func (t *transfer) open(ctx context.Context) error {
	resp, err := t.client.post(once(ctx), t.session, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusAccepted {
		return t.client.unexpected(resp)
	}
	t.offset, t.doubt = 0, false
	t.place, err = placeOf(resp)
	return err
}

// forget leaves an upload as it is; the next one begins anew.
func (t *transfer) forget() { t.place, t.offset, t.doubt = place{}, 0, false }

// ask finds out what the registry has of an upload that broke off. A registry
// that does not know the upload any more may have it all: the answer was lost.
func (t *transfer) ask(ctx context.Context) (done bool, err error) {
	if t.anew {
		t.forget()
		return false, nil
	}
	resp, err := t.do(ctx, http.MethodGet, t.at, 0)
	if err != nil {
		return false, err
	}
	if resp.StatusCode == http.StatusNoContent {
		t.resume(resp)
		return false, nil
	}
	answer := t.client.unexpected(resp)
	if o := outcomeOf(answer); o.transient {
		return false, answer
	}
	t.forget()
	if !t.source.exhausted() {
		return false, nil
	}
	return t.client.hasBlob(once(ctx), t.session, t.step.Digest)
}

// resume goes on with what the registry has, if it says what can be relied on;
// otherwise the upload begins anew, which is no failure.
func (t *transfer) resume(resp *http.Response) {
	kept := keptBytes(resp.Header.Get("Range"))
	next, err := nextLocation(resp)
	if err != nil || kept <= 0 || kept > t.step.Size {
		t.forget()
		return
	}
	t.at, t.offset, t.doubt = next, kept, false
	t.tries.reached(kept)
}

// keptBytes returns how many bytes an upload has by its Range header, such as
// "0-1023". "0-0" is what registries say of an upload that has none.
func keptBytes(header string) int64 {
	from, to, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	last, err := strconv.ParseInt(to, 10, 64)
	if !ok || from != "0" || err != nil || last <= 0 {
		return 0
	}
	return last + 1
}

func (t *transfer) partSize() int64 { return max(partSize, t.least) }

// send sends what is missing, and closes the upload.
func (t *transfer) send(ctx context.Context) error {
	for t.parts && t.offset < t.step.Size {
		if err := t.patch(ctx, min(t.partSize(), t.step.Size-t.offset)); err != nil {
			return err
		}
	}
	return t.put(ctx)
}

// patch sends the next part.
func (t *transfer) patch(ctx context.Context, length int64) error {
	resp, err := t.do(ctx, http.MethodPatch, t.at, length)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusAccepted {
		return t.client.unexpected(resp)
	}
	kept := t.offset + length
	if said := resp.Header.Get("Range"); said != "" {
		kept = min(kept, keptBytes(said))
	}
	if kept-t.offset < min(length, minProgress) {
		return errors.Join(fmt.Errorf("%w: %d bytes from %d on", errKept, length, t.offset), resp.Body.Close())
	}
	t.offset = kept
	t.tries.reached(kept)
	t.at, err = nextLocation(resp)
	return err
}

// put closes the upload, with all that was not sent in parts.
func (t *transfer) put(ctx context.Context) error {
	to := *t.at
	to.RawQuery = addQuery(to.RawQuery, "digest="+url.QueryEscape(t.step.Digest.String()))
	resp, err := t.do(ctx, http.MethodPut, &to, t.step.Size-t.offset)
	if err != nil {
		return err
	}
	sure, err := t.client.stored(resp, t.step.Digest)
	if err != nil || sure {
		return err
	}
	there, err := t.client.hasBlob(once(ctx), t.session, t.step.Digest)
	if err == nil && !there {
		return fmt.Errorf("%w %s, and does not have it", errStored, t.step.Digest)
	}
	return err
}

// addQuery adds to a query that must stay as it is: it may be signed.
func addQuery(query, more string) string {
	if query == "" {
		return more
	}
	return query + "&" + more
}

// do makes a request of an upload, with the next bytes of the blob.
func (t *transfer) do(ctx context.Context, method string, to *url.URL, length int64) (*http.Response, error) {
	alone := once(ctx)
	if method == http.MethodPut {
		// Before it answers, the registry reads the whole blob once more.
		alone = context.WithValue(alone, keySize, t.step.Size)
	}
	req, err := http.NewRequestWithContext(alone, method, to.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if length > 0 {
		if length < t.step.Size {
			req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", t.offset, t.offset+length-1))
		}
		req.ContentLength = length
		req.GetBody = func() (io.ReadCloser, error) {
			body, err := t.source.part(ctx, t.offset, length)
			if err != nil {
				return nil, err
			}
			t.body = body
			return counted(ctx, body, t.offset), nil
		}
		if req.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
		// Who sends lets go of the body some time; what is left of it is needed now.
		defer func() { t.body.release() }()
	}
	// The credentials are for the registry, not for where it sends uploads to.
	client := t.client.plain
	if sameOrigin(to, t.session.url("blobs", "")) {
		client = t.session.client
	}
	return client.Do(req)
}

// otherwise reports whether what the registry refuses is the way in which the
// blob was sent, and not the blob. Then the upload begins anew, in another way;
// once for going on, and once for parts.
func (t *transfer) otherwise(err error) bool {
	var source *sourceError
	var answer *answerError
	if errors.As(err, &source) || !errors.As(err, &answer) {
		return false
	}
	switch {
	case t.offset > 0 && !t.anew && isOfTheWay(answer.status, http.StatusBadRequest, http.StatusRequestedRangeNotSatisfiable):
		t.anew = true
	case t.switched || !isOfTheWay(answer.status):
		return false
	case answer.status == http.StatusRequestEntityTooLarge && (t.parts || t.step.Size <= t.partSize()):
		return false // the other way is no shorter
	default:
		t.switched, t.refused, t.parts = true, err, !t.parts
	}
	t.forget()
	return true
}

// isOfTheWay reports whether a status may mean that a registry, or a proxy
// before it, does not take a blob in this way.
func isOfTheWay(status int, more ...int) bool {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusNotImplemented:
		return true
	}
	return slices.Contains(more, status)
}

// worth returns the error to tell: where both ways were refused, the first.
func (t *transfer) worth(err error) error {
	var answer *answerError
	if t.refused != nil && errors.As(err, &answer) && isOfTheWay(answer.status) {
		return t.refused
	}
	return err
}
