package daemon_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/buildpacks-community/pack-manifest/pkg/index"
	"github.com/buildpacks-community/pack-manifest/testhelpers"
)

// write writes a file below a folder.
func write(t *testing.T, content string, elem ...string) {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeContext writes a context as Docker's client does, and returns where its
// TLS files go. That of the name unverified does not verify its daemon.
func writeContext(t *testing.T, config, name, host string) (tlsDir string) {
	t.Helper()
	id := digest.FromString(name).Encoded()
	meta := map[string]any{
		"Name": name, "Metadata": map[string]any{"Description": "of a test"},
		"Endpoints": map[string]any{"docker": map[string]any{"Host": host, "SkipTLSVerify": name == "unverified"}},
	}
	write(t, string(must[[]byte](t)(json.Marshal(meta))), config, "contexts", "meta", id, "meta.json")
	return filepath.Join(config, "contexts", "tls", id, "docker")
}

// The daemon is found in the order of Docker's client, and an error says by
// what.
func TestWhichDaemon(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	testhelpers.Saved{Image: image(t, arm(), 1), Ref: ref}.In(t, l.d)
	here, nowhere := l.d.Host, "unix:///no/such/socket"
	good, bad := t.TempDir(), t.TempDir()
	writeContext(t, good, "works", here)
	writeContext(t, good, "broken", nowhere)
	write(t, `{"currentContext": "works"}`, good, "config.json")
	writeContext(t, bad, "broken", nowhere)
	write(t, `{"currentContext": "broken"}`, bad, "config.json")
	write(t, `{"currentContext": "broken"}`, bad, ".docker", "config.json")
	for name, c := range map[string]struct {
		env  map[string]string
		kind error
		says string
	}{
		"DOCKER_HOST before a context":    {env: map[string]string{"DOCKER_HOST": here, "DOCKER_CONTEXT": "none", "DOCKER_CONFIG": bad}},
		"DOCKER_CONTEXT before the file":  {env: map[string]string{"DOCKER_CONTEXT": "works", "DOCKER_CONFIG": good}},
		"the current context":             {env: map[string]string{"DOCKER_CONFIG": good}},
		"a context that leads nowhere":    {map[string]string{"DOCKER_CONTEXT": "broken", "DOCKER_CONFIG": good}, index.ErrUnreachable, nowhere + ` (context "broken" of DOCKER_CONTEXT)`},
		"a current one that does":         {map[string]string{"DOCKER_CONFIG": bad}, index.ErrUnreachable, `(current context "broken" of ` + filepath.Join(bad, "config.json")},
		"a context that is not there":     {map[string]string{"DOCKER_CONTEXT": "none", "DOCKER_CONFIG": good}, index.ErrNotFound, `Docker context "none": it is not in ` + filepath.Join(good, "contexts")},
		"a current one that is not there": {map[string]string{"HOME": bad}, index.ErrNotFound, `Docker context "broken"`},
		"a name that leads out":           {map[string]string{"DOCKER_CONTEXT": "../x", "DOCKER_CONFIG": good}, index.ErrNotFound, `Docker context "../x"`},
		"no address":                      {map[string]string{"DOCKER_HOST": "docker.example.com"}, index.ErrUsage, "its DOCKER_HOST is no address"},
		"an unknown protocol":             {map[string]string{"DOCKER_HOST": "ftp://docker.example.com"}, index.ErrUsage, "is no address"},
		"a version that is none":          {map[string]string{"DOCKER_HOST": here, "DOCKER_API_VERSION": "one"}, index.ErrUsage, "one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := l.open(c.env).Resolve(t.Context(), ref)
			if c.kind == nil {
				if err != nil || len(got) != 1 {
					t.Errorf("%d images, %v", len(got), err)
				}
				return
			}
			l := &lab{t: t, temp: t.TempDir()}
			l.fails(err, c.kind, c.says)
		})
	}
}

// A configuration that cannot be read is an error, not a reason to take another
// daemon.
func TestBrokenConfiguration(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dir := t.TempDir()
	write(t, "{", dir, "config.json")
	_, err := l.open(map[string]string{"DOCKER_CONFIG": dir}).Resolve(t.Context(), ref)
	l.fails(err, index.ErrUsage, filepath.Join(dir, "config.json"))
	tlsDir := writeContext(t, dir, "tls", "tcp://127.0.0.1:1")
	write(t, "no certificate", tlsDir, "ca.pem")
	_, err = l.open(map[string]string{"DOCKER_CONFIG": dir, "DOCKER_CONTEXT": "tls"}).Resolve(t.Context(), ref)
	l.fails(err, index.ErrUsage, `Docker context "tls"`, "ca.pem")
}

// An address may have a password in it by mistake: it is never repeated.
func TestCredentialsOfAnAddress(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, host := range []string{"tcp://user:hunter2@127.0.0.1:1", "ssh://user:hunter2@127.0.0.1:1", "http://hunter2@127.0.0.1:1", "tcp://user:hun%ter2@127.0.0.1:1"} {
		_, err := l.open(map[string]string{"DOCKER_HOST": host}).Resolve(t.Context(), ref)
		l.fails(err, index.ErrUsage, "DOCKER_HOST")
		if strings.Contains(err.Error(), "hun") {
			t.Errorf("the password is in %q", err)
		}
	}
}

// pair makes a certificate with its key, for a server and a client, and writes
// the files of Docker.
func pair(t *testing.T, dir string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must[[]byte](t)(x509.MarshalECPrivateKey(key))})
	for name, content := range map[string][]byte{"ca.pem": cert, "cert.pem": cert, "key.pem": secret} {
		write(t, string(content), dir, name)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return must[tls.Certificate](t)(tls.X509KeyPair(cert, secret)), pool
}

// A daemon behind TLS is spoken with as DOCKER_TLS_VERIFY, DOCKER_CERT_PATH or
// the context say, and knows its clients.
func TestTLS(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	testhelpers.Saved{Image: image(t, arm(), 1), Ref: ref}.In(t, l.d)
	certs, others, config := t.TempDir(), t.TempDir(), t.TempDir()
	own, pool := pair(t, certs)
	pair(t, others)
	server := httptest.NewUnstartedServer(http.HandlerFunc(l.d.ServeHTTP))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	host := "tcp://" + strings.TrimPrefix(server.URL, "https://")
	for name, authority := range map[string]string{"tls": certs, "unverified": others, "wrong": others} {
		dir := writeContext(t, config, name, host)
		for file, from := range map[string]string{"ca.pem": authority, "cert.pem": certs, "key.pem": certs} {
			write(t, string(must[[]byte](t)(os.ReadFile(filepath.Join(from, file)))), dir, file)
		}
	}
	mixed := t.TempDir()
	for file, from := range map[string]string{"ca.pem": others, "cert.pem": certs, "key.pem": certs} {
		write(t, string(must[[]byte](t)(os.ReadFile(filepath.Join(from, file)))), mixed, file)
	}
	for name, env := range map[string]map[string]string{
		"of anybody":      {"DOCKER_HOST": host, "DOCKER_CERT_PATH": mixed},
		"!of nobody":      {"DOCKER_HOST": host, "DOCKER_CERT_PATH": mixed, "DOCKER_TLS_VERIFY": "1"},
		"!by https":       {"DOCKER_HOST": server.URL, "DOCKER_CERT_PATH": mixed},
		"verified":        {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": certs},
		"by https":        {"DOCKER_HOST": server.URL, "DOCKER_CERT_PATH": certs},
		"the default":     {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CONFIG": certs},
		"not verified":    {"DOCKER_HOST": host, "DOCKER_TLS": "1", "DOCKER_CERT_PATH": certs},
		"by a context":    {"DOCKER_CONTEXT": "tls", "DOCKER_CONFIG": config},
		"unverified":      {"DOCKER_CONTEXT": "unverified", "DOCKER_CONFIG": config},
		"!a context's":    {"DOCKER_CONTEXT": "wrong", "DOCKER_CONFIG": config},
		"!another's":      {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": others},
		"!no certificate": {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": t.TempDir()},
		"!plain":          {"DOCKER_HOST": host},
	} {
		c := l.open(env)
		got, err := c.Resolve(t.Context(), ref)
		if strings.HasPrefix(name, "!") {
			if err == nil || !strings.Contains(err.Error(), "Docker daemon at "+orHost(env, host)) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %d images, %v", name, len(got), err)
		}
		if _, platform, err := c.Holds(t.Context()); err != nil || platform.Architecture != "amd64" {
			t.Errorf("%s: the daemon is for %s, %v", name, platform, err)
		}
	}
}

// orHost is where an environment says that the daemon is.
func orHost(env map[string]string, other string) string {
	if host := env["DOCKER_HOST"]; host != "" {
		return host
	}
	return other
}

// ssh is asked to bring the daemon here; without a host that answers there is
// none.
func TestSSH(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	testhelpers.Peer(t, "ssh")
	_, err := l.open(map[string]string{"DOCKER_HOST": "ssh://nobody@127.0.0.1:1"}).Resolve(t.Context(), ref)
	l.fails(err, index.ErrUnreachable, "Docker daemon at ssh://nobody@127.0.0.1:1 (DOCKER_HOST)")
}
