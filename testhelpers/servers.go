package testhelpers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	readyWithin = 30 * time.Second
	endWithin   = 15 * time.Second
	pollEvery   = 20 * time.Millisecond
)

// ServerOption changes the configuration of a registry that is a process.
type ServerOption func(tb testing.TB, s *serverSettings)

type serverSettings struct{ auth, validation string }

// WithURLs accepts manifests whose layers are at URLs that pattern, a regular
// expression, fits. Without it Distribution refuses them all.
func WithURLs(pattern string) ServerOption {
	return func(_ testing.TB, s *serverSettings) {
		s.validation = fmt.Sprintf("validation:\n  manifests:\n    urls:\n      allow:\n        - %q\n", pattern)
	}
}

// WithHtpasswd lets only requests with this user and password pass.
func WithHtpasswd(user, password string) ServerOption {
	return func(tb testing.TB, s *serverSettings) {
		tb.Helper()
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			tb.Fatalf("hash the password: %v", err)
		}
		file := filepath.Join(tb.TempDir(), "htpasswd")
		if err := os.WriteFile(file, []byte(user+":"+string(hash)+"\n"), 0o600); err != nil {
			tb.Fatalf("write the password: %v", err)
		}
		s.auth = fmt.Sprintf("auth:\n  htpasswd:\n    realm: test\n    path: %q\n", file)
	}
}

// StartDistribution starts a CNCF Distribution v3 registry that speaks plain
// HTTP and allows to delete, and returns its host and port.
func StartDistribution(tb testing.TB, opts ...ServerOption) (host string) {
	tb.Helper()
	return startRegistry(tb, Tool(tb, "registry"), opts)
}

// StartDockerRegistry starts the system's docker-registry, which is Distribution
// v2, as StartDistribution does.
func StartDockerRegistry(tb testing.TB, opts ...ServerOption) (host string) {
	tb.Helper()
	return startRegistry(tb, Peer(tb, "docker-registry"), opts)
}

func startRegistry(tb testing.TB, program string, opts []ServerOption) string {
	tb.Helper()
	var s serverSettings
	for _, opt := range opts {
		opt(tb, &s)
	}
	config := fmt.Sprintf(`version: 0.1
log:
  level: info
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: %q
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: false
http:
  addr: 127.0.0.1:0
  secret: a-secret-of-a-test
%s%s`, filepath.Join(tb.TempDir(), "registry"), s.auth, s.validation)
	file := filepath.Join(tb.TempDir(), "registry.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		tb.Fatalf("configure a registry: %v", err)
	}
	cmd := exec.Command(program, "serve", file)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none")
	// The system picks the port and the registry tells it: a port that was free
	// a moment ago may be another test's by now.
	var host string
	startProcess(tb, cmd, func(ctx context.Context, wrote string) bool {
		said := listening.FindStringSubmatch(wrote)
		if said == nil {
			return false
		}
		host = said[1]
		return answers(ctx, http.DefaultTransport, "http://"+host+"/v2/")
	})
	return host
}

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:[0-9]+)`)

// StartDockerd returns the DOCKER_HOST of a Docker daemon: that of the
// environment, else of one of its own, which needs root and has no network.
func StartDockerd(tb testing.TB) (dockerHost string) {
	tb.Helper()
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		return host
	}
	const program = "/usr/sbin/dockerd"
	if _, err := os.Stat(program); err != nil || os.Geteuid() != 0 {
		Missing(tb, "a Docker daemon", "set DOCKER_HOST, or install docker.io and run as root")
	}
	dir, err := os.MkdirTemp("", "dockerd-") //nolint:usetesting // the path of a socket is 107 bytes at most
	if err != nil {
		tb.Fatalf("start dockerd: %v", err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Logf("tidy after dockerd: %v", err)
		}
	})
	socket := filepath.Join(dir, "sock")
	cmd := exec.Command(program, "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs",
		"--data-root="+filepath.Join(dir, "data"), "--exec-root="+filepath.Join(dir, "exec"),
		"--pidfile="+filepath.Join(dir, "pid"), "--host=unix://"+socket)
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}
	startProcess(tb, cmd, func(ctx context.Context, _ string) bool {
		return answers(ctx, transport, "http://docker/_ping")
	})
	return "unix://" + socket
}

// answers asks an address whether anything answers.
func answers(ctx context.Context, transport http.RoundTripper, address string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return false
	}
	r.Close = true // no connection outlives the question
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil
}

// output is what a process wrote so far. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns all that was written.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startProcess starts a server, waits until it is ready, which may depend on
// what it wrote, and ends it with the test. What it wrote is shown if the test
// fails.
func startProcess(tb testing.TB, cmd *exec.Cmd, ready func(ctx context.Context, wrote string) bool) {
	tb.Helper()
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = endWithin
	if err := cmd.Start(); err != nil {
		tb.Fatalf("start %s: %v", cmd.Path, err)
	}
	exited := make(chan struct{})
	var exitErr error
	go func() { exitErr = cmd.Wait(); close(exited) }()
	tb.Cleanup(func() {
		end(cmd, exited)
		if tb.Failed() {
			tb.Logf("%s (%v) wrote:\n%s", cmd.Path, exitErr, tail(out.String()))
		}
	})
	ctx, cancel := context.WithTimeout(tb.Context(), readyWithin)
	defer cancel()
	for !ready(ctx, out.String()) {
		select {
		case <-exited:
			tb.Fatalf("%s ended before it was ready: %v", cmd.Path, exitErr)
		case <-ctx.Done():
			tb.Fatalf("%s is not ready after %s", cmd.Path, readyWithin)
		case <-time.After(pollEvery):
		}
	}
}

// end asks a process to end, and makes it.
func end(cmd *exec.Cmd, exited <-chan struct{}) {
	if err := cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		<-exited
		return
	}
	select {
	case <-exited:
	case <-time.After(endWithin):
		_ = cmd.Process.Kill() //nolint:errcheck // it has ended then
		<-exited
	}
}

func tail(s string) string {
	const most = 8 << 10
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return strings.TrimSpace(s)
}
