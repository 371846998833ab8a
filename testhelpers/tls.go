package testhelpers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a certificate that vouches for itself.
type authority struct {
	cert   *x509.Certificate
	file   string
	server *tls.Config
}

func newAuthority(tb testing.TB, edit []func(*x509.Certificate)) *authority {
	tb.Helper()
	template := certificate()
	for _, f := range edit {
		f(template)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("make a key: %v", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatalf("make a certificate: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatalf("read the certificate: %v", err)
	}
	file := filepath.Join(tb.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		tb.Fatalf("keep the certificate: %v", err)
	}
	return &authority{cert: cert, file: file, server: &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}}
}

func certificate() *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "registry of a test"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		IsCA:         true,
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2), net.IPv6loopback},
		KeyUsage:     x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		BasicConstraintsValid: true,
	}
}

// CertPool trusts the registry's certificate; it is empty without WithTLS.
func (reg *Registry) CertPool() *x509.CertPool {
	pool := x509.NewCertPool()
	if reg.ca != nil {
		pool.AddCert(reg.ca.cert)
	}
	return pool
}

// CAFile is a PEM file with the registry's certificate, such as SSL_CERT_FILE
// wants; "" without WithTLS.
func (reg *Registry) CAFile() string {
	if reg.ca == nil {
		return ""
	}
	return reg.ca.file
}
