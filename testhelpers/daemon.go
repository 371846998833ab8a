package testhelpers

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Daemon answers over a socket as the Engine API of Docker does, as far as
// images are saved and loaded. Set its fields before it is asked.
type Daemon struct {
	// Host is what DOCKER_HOST is to be.
	Host string
	// Lists says that the store is containerd's, which holds lists.
	Lists bool
	// Platform is the daemon's: OS, and the architecture as uname calls it;
	// linux/x86_64 where it is zero.
	Platform v1.Platform
	// Handle answers in the daemon's place where it returns true; nil never.
	Handle func(w http.ResponseWriter, r *http.Request) bool

	mu     sync.Mutex
	images map[string]DaemonImage
	asked  []string
	loaded [][]byte
}

// DaemonImage is an image of a Daemon.
type DaemonImage struct {
	ID    string
	Saved []byte // what "docker save" gives
}

// apiVersion is that of Docker 20.10.
const apiVersion = "1.41"

// NewDaemon starts a daemon that ends with the test. What other processes are to
// find is set by edits.
func NewDaemon(tb testing.TB, edits ...func(*Daemon)) *Daemon {
	tb.Helper()
	dir, err := os.MkdirTemp("", "docker-") //nolint:usetesting // the path of a socket is 107 bytes at most
	if err != nil {
		tb.Fatalf("start a daemon: %v", err)
	}
	socket := filepath.Join(dir, "sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		tb.Fatalf("start a daemon: %v", err)
	}
	d := &Daemon{Host: "unix://" + socket, images: map[string]DaemonImage{}}
	for _, edit := range edits {
		edit(d)
	}
	server := &http.Server{Handler: d}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }() //nolint:errcheck // it ends by Close
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Errorf("end a daemon: %v", err)
		}
		<-ended
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("tidy after a daemon: %v", err)
		}
	})
	return d
}

// Hold gives the daemon an image under a reference.
func (d *Daemon) Hold(ref string, image DaemonImage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.images[ref] = image
}

// Asked are the requests so far: method, and path without the version.
func (d *Daemon) Asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

// Loaded are the archives that were loaded.
func (d *Daemon) Loaded() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([][]byte(nil), d.loaded...)
}

// ServeHTTP implements http.Handler.
func (d *Daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v"+apiVersion)
	d.mu.Lock()
	d.asked = append(d.asked, r.Method+" "+path)
	d.mu.Unlock()
	w.Header().Set("Api-Version", apiVersion)
	if d.Handle != nil && d.Handle(w, r) {
		return
	}
	name, inspected := strings.CutSuffix(strings.TrimPrefix(path, "/images/"), "/json")
	switch {
	case path == "/_ping":
		w.WriteHeader(http.StatusOK)
	case path == "/info":
		d.info(w)
	case path == "/images/get":
		d.save(w, r.URL.Query().Get("names"))
	case path == "/images/load":
		d.load(w, r)
	case inspected:
		d.inspect(w, name)
	default:
		d.fail(w, http.StatusNotFound, "page not found")
	}
}

func (d *Daemon) fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	writeJSON(w, map[string]string{"message": message})
}

func (d *Daemon) image(name string) (DaemonImage, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	image, ok := d.images[name]
	return image, ok
}

func (d *Daemon) inspect(w http.ResponseWriter, name string) {
	image, ok := d.image(name)
	if !ok {
		d.fail(w, http.StatusNotFound, "No such image: "+name)
		return
	}
	writeJSON(w, map[string]string{"Id": image.ID})
}

func (d *Daemon) save(w http.ResponseWriter, name string) {
	image, ok := d.image(name)
	if !ok {
		d.fail(w, http.StatusNotFound, "reference does not exist")
		return
	}
	w.Header().Set("Content-Type", "application/x-tar")
	send(w, image.Saved)
}

func (d *Daemon) load(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		d.fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	d.mu.Lock()
	d.loaded = append(d.loaded, raw)
	d.mu.Unlock()
	writeJSON(w, map[string]string{"stream": "Loaded image"})
}

func (d *Daemon) info(w http.ResponseWriter) {
	p := d.Platform
	if p.OS == "" {
		p = v1.Platform{OS: "linux", Architecture: "x86_64"}
	}
	status := [][2]string{{"Backing Filesystem", "extfs"}}
	if d.Lists {
		status = [][2]string{{"driver-type", "io.containerd.snapshotter.v1"}}
	}
	writeJSON(w, map[string]any{"OSType": p.OS, "Architecture": p.Architecture, "OSVersion": p.OSVersion, "DriverStatus": status})
}
