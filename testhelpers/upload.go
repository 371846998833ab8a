package testhelpers

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// uploads are the blobs on their way into a backend. As Distribution v3 does,
// they keep what came of a request that was cut, tell how much that is, and take
// the rest by PATCH, by PUT or by both (distribution-spec, "Pushing a blob in
// chunks").
type uploads struct {
	blobs *blobStore

	mu   sync.Mutex
	open map[string]*incoming // by id
}

// incoming is one upload. Its requests come one after the other.
type incoming struct {
	id         string
	repository string
	mu         sync.Mutex
	file       string
	size       int64
}

// serve answers what concerns an upload. It reports false for a request that
// does not: a POST that has the whole blob.
func (u *uploads) serve(w http.ResponseWriter, r *http.Request, repository, target string) bool {
	rest, ok := strings.CutPrefix(target, "uploads")
	if !ok || r.Method == http.MethodPost && r.URL.Query().Has("digest") {
		return false
	}
	if r.Method == http.MethodPost {
		u.begin(w, repository)
		return true
	}
	u.mu.Lock()
	in := u.open[strings.Trim(rest, "/")]
	u.mu.Unlock()
	if in == nil || in.repository != repository {
		writeError(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", nil)
		return true
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	switch r.Method {
	case http.MethodGet:
		in.answer(w, http.StatusNoContent)
	case http.MethodPatch:
		if in.take(w, r) {
			in.answer(w, http.StatusAccepted)
		}
	case http.MethodPut:
		if in.take(w, r) {
			u.finish(w, r, in)
		}
	default:
		writeError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "the operation is unsupported", nil)
	}
	return true
}

func (u *uploads) begin(w http.ResponseWriter, repository string) {
	in := &incoming{id: rand.Text(), repository: repository}
	in.file = filepath.Join(u.blobs.dir, "incoming-"+in.id)
	if err := os.WriteFile(in.file, nil, 0o600); err != nil {
		writeError(w, http.StatusInternalServerError, "UNKNOWN", err.Error(), nil)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open[in.id] = in
	in.answer(w, http.StatusAccepted)
}

// answer says how far the upload is. The first byte and none at all are told
// apart by no registry.
func (in *incoming) answer(w http.ResponseWriter, status int) {
	w.Header().Set("Location", "/v2/"+in.repository+"/blobs/uploads/"+in.id)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(in.size-1, 0)))
	w.Header().Set("Docker-Upload-Uuid", in.id)
	w.WriteHeader(status)
}

// take adds the request's body to the upload, if it is the next part. What came
// of a body that was cut stays.
func (in *incoming) take(w http.ResponseWriter, r *http.Request) bool {
	if part := r.Header.Get("Content-Range"); part != "" {
		var from, to int64
		if _, err := fmt.Sscanf(part, "%d-%d", &from, &to); err != nil || from != in.size || to-from+1 != r.ContentLength {
			in.answer(w, http.StatusRequestedRangeNotSatisfiable)
			return false
		}
	}
	f, err := os.OpenFile(in.file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		writeError(w, http.StatusInternalServerError, "UNKNOWN", err.Error(), nil)
		return false
	}
	n, err := io.Copy(f, r.Body)
	in.size += n
	if err = errors.Join(err, f.Close()); err != nil {
		writeError(w, http.StatusInternalServerError, "UNKNOWN", err.Error(), nil)
		return false
	}
	return true
}

// finish makes a blob of an upload that is what its digest says.
func (u *uploads) finish(w http.ResponseWriter, r *http.Request, in *incoming) {
	want, err := v1.NewHash(r.URL.Query().Get("digest"))
	if err == nil {
		err = in.check(want)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, "DIGEST_INVALID", err.Error(), nil)
		return
	}
	u.mu.Lock()
	delete(u.open, in.id)
	u.mu.Unlock()
	if err := os.Rename(in.file, u.blobs.file(want)); err != nil {
		writeError(w, http.StatusInternalServerError, "UNKNOWN", err.Error(), nil)
		return
	}
	u.blobs.add(in.repository, want)
	w.Header().Set("Location", (&url.URL{Path: "/v2/" + in.repository + "/blobs/" + want.String()}).String())
	w.Header().Set("Docker-Content-Digest", want.String())
	w.WriteHeader(http.StatusCreated)
}

func (in *incoming) check(want v1.Hash) (err error) {
	h, err := v1.Hasher(want.Algorithm)
	if err != nil {
		return err
	}
	f, err := os.Open(in.file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want.Hex {
		return fmt.Errorf("provided digest did not match uploaded content: %s", got)
	}
	return nil
}
