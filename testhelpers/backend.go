package testhelpers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// backend makes go-containerregistry's registry behave as those in the field
// do: a blob belongs to the repositories that it was put or mounted into,
// mounting works, ranges work, uploads go on where they broke off, a manifest is refused when content that it needs
// is missing or when it is put under a digest that is not its own.
type backend struct {
	blobs   *blobStore
	uploads *uploads
	next    http.Handler
}

func newBackend(tb testing.TB, referrers bool) *backend {
	tb.Helper()
	blobs := &blobStore{dir: tb.TempDir(), has: map[string]map[v1.Hash]bool{}}
	incoming := &uploads{blobs: blobs, open: map[string]*incoming{}}
	return &backend{blobs: blobs, uploads: incoming, next: registry.New(
		registry.Logger(log.New(io.Discard, "", 0)),
		registry.WithBlobHandler(blobs),
		registry.WithReferrersSupport(referrers),
	)}
}

// ServeHTTP answers what the wrapped registry does not do as others do, and
// passes the rest on to it.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	parts := contentPath.FindStringSubmatch(r.URL.Path)
	if parts == nil {
		b.next.ServeHTTP(w, r)
		return
	}
	repository, target := parts[1], parts[3]
	digest, err := v1.NewHash(target)
	switch {
	case parts[2] == "blobs" && r.Method == http.MethodPost && b.mount(w, r, repository):
	case parts[2] == "blobs" && b.uploads.serve(w, r, repository, target):
	case parts[2] == "blobs" && err == nil && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		b.serveBlob(w, r, repository, digest)
	case parts[2] == "manifests" && r.Method == http.MethodPut:
		b.putManifest(w, r, repository, target)
	default:
		b.next.ServeHTTP(w, r)
	}
}

// mount makes a blob of another repository known to this one. Where it cannot,
// it reports false, and an upload begins instead
// (distribution-spec, "Mounting a blob from another repository").
func (b *backend) mount(w http.ResponseWriter, r *http.Request, repository string) bool {
	query := r.URL.Query()
	digest, err := v1.NewHash(query.Get("mount"))
	if err != nil || !b.blobs.link(repository, query.Get("from"), digest) {
		return false
	}
	w.Header().Set("Location", "/v2/"+repository+"/blobs/"+digest.String())
	w.Header().Set("Docker-Content-Digest", digest.String())
	w.WriteHeader(http.StatusCreated)
	return true
}

func (b *backend) serveBlob(w http.ResponseWriter, r *http.Request, repository string, digest v1.Hash) {
	f, err := b.blobs.open(repository, digest)
	if err != nil {
		writeError(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry", digest.String())
		return
	}
	defer f.Close() //nolint:errcheck // it was only read
	w.Header().Set("Docker-Content-Digest", digest.String())
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, f)
}

type uncheckedKey struct{}

// unchecked marks a request whose manifest is stored as it is.
func unchecked(ctx context.Context) context.Context {
	return context.WithValue(ctx, uncheckedKey{}, true)
}

func (b *backend) putManifest(w http.ResponseWriter, r *http.Request, repository, target string) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client left
	}
	own, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		writeError(w, http.StatusInternalServerError, "UNKNOWN", err.Error(), nil)
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	if r.Context().Value(uncheckedKey{}) == nil {
		if digest, err := v1.NewHash(target); err == nil && digest != own {
			writeError(w, http.StatusBadRequest, "DIGEST_INVALID", "provided digest did not match", nil)
			return
		}
		if missing := b.missing(r, repository, raw); missing != nil {
			writeError(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry",
				map[string]string{"digest": missing.Digest.String()})
			return
		}
	}
	w.Header().Set("Location", "/v2/"+repository+"/manifests/"+own.String())
	b.next.ServeHTTP(w, r)
}

// missing returns the first thing that the manifest needs and the repository
// has not; nil for none.
func (b *backend) missing(r *http.Request, repository string, raw []byte) *v1.Descriptor {
	var m struct {
		Config    *v1.Descriptor
		Layers    []v1.Descriptor
		Manifests []v1.Descriptor
	}
	if json.Unmarshal(raw, &m) != nil {
		return nil // a registry need not understand what it stores
	}
	blobs := m.Layers
	if m.Config != nil {
		blobs = append([]v1.Descriptor{*m.Config}, blobs...)
	}
	for _, d := range blobs {
		if d.MediaType.IsDistributable() && len(d.URLs) == 0 && !b.blobs.known(repository, d.Digest) {
			return &d
		}
	}
	for _, d := range m.Manifests {
		if !b.hasManifest(r.Context(), repository, d.Digest) {
			return &d
		}
	}
	return nil
}

func (b *backend) hasManifest(ctx context.Context, repository string, digest v1.Hash) bool {
	w := httptest.NewRecorder()
	path := "/v2/" + repository + "/manifests/" + digest.String()
	b.next.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodHead, path, http.NoBody))
	return w.Code == http.StatusOK
}

// blobStore keeps blobs in files, and which repository has which. The methods
// with big letters are go-containerregistry's.
type blobStore struct {
	dir string
	mu  sync.Mutex
	has map[string]map[v1.Hash]bool
}

func (s *blobStore) known(repository string, h v1.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.has[repository][h]
}

// link gives a repository a blob that another has.
func (s *blobStore) link(repository, from string, h v1.Hash) bool {
	if !s.known(from, h) {
		return false
	}
	s.add(repository, h)
	return true
}

func (s *blobStore) add(repository string, h v1.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has[repository] == nil {
		s.has[repository] = map[v1.Hash]bool{}
	}
	s.has[repository][h] = true
}

func (s *blobStore) file(h v1.Hash) string { return filepath.Join(s.dir, h.Algorithm+"-"+h.Hex) }

func (s *blobStore) open(repository string, h v1.Hash) (*os.File, error) {
	if !s.known(repository, h) {
		return nil, registry.ErrNotFound
	}
	return os.Open(s.file(h))
}

// Get opens a blob of a repository.
func (s *blobStore) Get(_ context.Context, repository string, h v1.Hash) (io.ReadCloser, error) {
	return s.open(repository, h)
}

// Stat returns the size of a blob of a repository.
func (s *blobStore) Stat(_ context.Context, repository string, h v1.Hash) (int64, error) {
	if !s.known(repository, h) {
		return 0, registry.ErrNotFound
	}
	info, err := os.Stat(s.file(h))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Put keeps a blob, which its reader verifies, and gives it to the repository.
func (s *blobStore) Put(_ context.Context, repository string, h v1.Hash, rc io.ReadCloser) (err error) {
	f, err := os.CreateTemp(s.dir, "upload-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = io.Copy(f, rc)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), s.file(h)); err != nil {
		return err
	}
	// For an upload, go-containerregistry takes one part of the path too many.
	s.add(strings.TrimSuffix(repository, "/blobs"), h)
	return nil
}

// Delete takes a blob away from a repository.
func (s *blobStore) Delete(_ context.Context, repository string, h v1.Hash) error {
	if !s.known(repository, h) {
		return fs.ErrNotExist
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.has[repository], h)
	return nil
}
