package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
)

// Run carries out a plan: blobs side by side, then children side by side, for
// one repository after the other; then the list, which is read back, then its
// further tags in order. watch is told on the way. An error is a
// *index.Unfinished that says how far it came; nothing but content without a tag
// was written if the list's own step is among those left, and what has the tags
// of referrers.
func (c *Client) Run(ctx context.Context, p index.Plan, watch index.Watch) error {
	r := &run{client: c, watch: watch, finished: make([]bool, len(p.Steps)), steps: append([]index.Step(nil), p.Steps...)}
	if err := r.all(ctx); err != nil {
		return r.failure(err)
	}
	return nil
}

type run struct {
	client *Client
	watch  index.Watch

	mu       sync.Mutex
	steps    []index.Step
	finished []bool
}

// all does the steps in phases: a phase ends where the next step is of another
// kind or for another repository, and what must come in order is a phase alone.
func (r *run) all(ctx context.Context) error {
	for from := 0; from < len(r.steps); {
		to := from + 1
		for to < len(r.steps) && together(r.steps[from], r.steps[to]) {
			to++
		}
		if err := r.phase(ctx, from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func together(a, b index.Step) bool {
	blob := func(k index.StepKind) bool { return k == index.StepMount || k == index.StepUpload }
	manifests := a.Kind == b.Kind && a.Height == b.Height &&
		(a.Kind == index.StepChild || a.Kind == index.StepReferrer || a.Kind == index.StepReferrers)
	return sameRepository(a.To, b.To) && (blob(a.Kind) && blob(b.Kind) || manifests)
}

func (r *run) phase(ctx context.Context, from, to int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.client.opts.Jobs)
	for i := from; i < to; i++ {
		group.Go(func() error {
			step := r.steps[i]
			if step.Skipped {
				r.finish(i, step)
				return nil
			}
			if ctx.Err() != nil {
				return ended(ctx)
			}
			done, err := r.client.step(r.watched(ctx, step), step)
			if err != nil {
				return err
			}
			r.finish(i, done)
			return nil
		})
	}
	return group.Wait()
}

func (r *run) finish(i int, s index.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished[i], r.steps[i] = true, s
	if r.watch.Done != nil {
		r.watch.Done(s)
	}
}

// watched returns a context in which the blob of a step tells how much of it was
// read.
func (r *run) watched(ctx context.Context, s index.Step) context.Context {
	if r.watch.Sent == nil {
		return ctx
	}
	return context.WithValue(ctx, keySent, sent(func(bytes int64) { r.watch.Sent(s, bytes) }))
}

func (r *run) failure(err error) error {
	failed := &index.Unfinished{Err: r.explain(err)}
	for i, s := range r.steps {
		if r.finished[i] {
			failed.Done = append(failed.Done, s)
		} else {
			failed.Left = append(failed.Left, s)
		}
	}
	return failed
}

// explain names the child that the registry means when it refuses the list.
func (r *run) explain(err error) error {
	var answer *answerError
	if !errors.As(err, &answer) {
		return err
	}
	for _, s := range r.steps {
		if s.Kind == index.StepChild && answer.mentions(s.Digest) && s.Entry != nil {
			return index.Faultf(index.ErrRefused, childName(s.To, *s.Entry), "the registry misses it: %w", err)
		}
	}
	return err
}

// step does one step, and returns it as it was done: there may have been nothing
// to do, and a blob that was to be mounted may have been sent.
func (c *Client) step(ctx context.Context, s index.Step) (index.Step, error) {
	session, err := c.connect(ctx, s.To)
	if err != nil {
		return s, err
	}
	done := s
	switch s.Kind {
	case index.StepMount:
		done, err = c.mount(ctx, session, s)
	case index.StepUpload:
		done.Skipped, err = c.uploadIfMissing(ctx, session, s)
	case index.StepChild:
		err = c.putChild(ctx, session, s)
	case index.StepReferrer:
		err = c.putReferrer(ctx, session, s)
	case index.StepReferrers:
		done.Skipped, err = c.putReferrers(ctx, session, s)
	case index.StepList, index.StepTag:
		err = c.putTag(ctx, session, s)
	case index.StepVerify:
		err = c.verifyTag(ctx, session, s)
	default:
		err = index.Faultf(index.ErrUsage, string(s.Kind), "unknown kind of step")
	}
	return done, classify(ctx, stepName(s), err)
}

// stepName names what a step is about.
func stepName(s index.Step) string {
	switch {
	case s.Tag != "":
		return s.To.Tag(s.Tag).Name()
	case s.Kind == index.StepChild && s.Entry != nil:
		return childName(s.To, *s.Entry)
	}
	return blobName(s.To.Name()+"@", s)
}

// blobName names a blob, and the image that it is content of, which is what
// users know.
func blobName(front string, s index.Step) string {
	text := front + s.Digest.String()
	if s.Entry == nil {
		return text
	}
	text += " of " + s.Entry.Digest.String()
	if platform := s.Entry.PlatformString(); platform != "" {
		text += " (" + platform + ")"
	}
	return text
}

func (c *Client) putChild(ctx context.Context, session *session, s index.Step) error {
	sure, err := c.putManifest(ctx, session, s.Digest.String(), s)
	if err != nil || sure {
		return missingBlob(err, s)
	}
	_, err = c.manifest(ctx, session, s.Digest.String(), s.Digest)
	return err
}

// missingBlob says what a child lacks, and for which platform it is.
func missingBlob(err error, s index.Step) error {
	var answer *answerError
	if errors.As(err, &answer) && answer.has(transport.ManifestBlobUnknownErrorCode, transport.BlobUnknownErrorCode) {
		return index.Faultf(index.ErrRefused, stepName(s), "the registry misses content of it: %w", answer)
	}
	return err
}

// putTag writes the list at a tag. The first tag is read back by the step that
// follows; a further one only where the registry's answer leaves doubts.
func (c *Client) putTag(ctx context.Context, session *session, s index.Step) error {
	// No registry has a conditional PUT; this is as near to one as can be.
	if s.IfTag != nil {
		names, err := c.tagged(ctx, session, s.Tag)
		if err == nil {
			err = expected(s.To.Tag(s.Tag), s.IfTag, names, s.Digest)
		}
		if err != nil {
			return err
		}
	}
	sure, err := c.putManifest(ctx, session, s.Tag, s)
	if err != nil || sure || s.Kind == index.StepList {
		return err
	}
	return c.verifyTag(ctx, session, s)
}

// putManifest sends a manifest or list. sure is false where the registry's
// answer is another than 201, and does not prove that it stored anything.
func (c *Client) putManifest(ctx context.Context, session *session, at string, s index.Step) (sure bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, session.url("manifests", at).String(), bytes.NewReader(s.Raw))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", s.Media)
	resp, err := session.client.Do(req)
	if err != nil {
		return false, err
	}
	if err := c.noteSubject(ctx, s.To, resp.Header); err != nil {
		return false, errors.Join(err, resp.Body.Close())
	}
	return c.stored(resp, s.Digest)
}

// stored reads the answer to a PUT and closes it.
func (c *Client) stored(resp *http.Response, digest v1.Hash) (sure bool, err error) {
	switch resp.StatusCode {
	case http.StatusCreated, http.StatusOK, http.StatusAccepted, http.StatusNoContent:
	default:
		return false, c.unexpected(resp)
	}
	said := resp.Header.Get("Docker-Content-Digest")
	if err := resp.Body.Close(); err != nil {
		return false, err
	}
	if said != "" && said != digest.String() {
		return false, fmt.Errorf("%w %s in place of %s", errStored, printable(said), digest)
	}
	return resp.StatusCode == http.StatusCreated, nil
}

var (
	// errStored is an answer that says success and is none.
	errStored = errors.New("the registry answered that it stored")
	// errNotStored is a success that left nothing behind.
	errNotStored = errors.New("the registry answered that it stored the list, and does not have it")
)

// verifyTag reads the list back from its tag. A registry may need a moment until
// it shows what it stored.
func (c *Client) verifyTag(ctx context.Context, session *session, s index.Step) error {
	var got []byte
	err := c.retry.repeat(ctx, func() (outcome, error) {
		resp, err := c.get(ctx, session, "manifests", s.Tag, accepted())
		var answer *answerError
		if errors.As(err, &answer) && answer.status == http.StatusNotFound {
			return outcome{transient: true, after: unsaid}, fmt.Errorf("%w: %w", errNotStored, err)
		}
		if err != nil {
			return outcome{}, err
		}
		got, err = io.ReadAll(resp.Body)
		return outcome{}, errors.Join(err, resp.Body.Close())
	})
	if err != nil || bytes.Equal(got, s.Raw) {
		return err
	}
	return c.moved(ctx, session, s, index.DigestOf(got))
}

// moved tells a tag that somebody else wrote to from a registry that stores
// something else than it was given: the former still has the list by its digest.
func (c *Client) moved(ctx context.Context, session *session, s index.Step, to v1.Hash) error {
	_, err := c.manifest(ctx, session, s.Digest.String(), s.Digest)
	var answer *answerError
	if errors.As(err, &answer) || errors.Is(err, errContent) {
		return fmt.Errorf("%w %s in place of %s", errStored, to, s.Digest)
	}
	if err != nil {
		return err
	}
	return index.Faultf(index.ErrConflict, stepName(s), "the tag moved to %s right after it was set to %s", to, s.Digest)
}
