package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pemFiles returns a certificate and its key as PEM.
func pemFiles(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// Certificates are read as editors write them. What cannot be read is refused with the reason.
func TestCertificateFilesOfEditors(t *testing.T) {
	cert, key := pemFiles(t)
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "f.pem")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	const bom = "\xef\xbb\xbf"
	for _, crlf := range []string{"\n", "\r\n", "\r"} {
		files := KeyPair{Cert: write(bom + strings.ReplaceAll(cert, "\n", crlf)), Key: write(bom + strings.ReplaceAll(key, "\n", crlf))}
		if _, err := files.Load(); err != nil {
			t.Errorf("line ends %q: %v", crlf, err)
		}
	}
	wide := "\xff\xfe" + strings.Join(strings.Split(cert, ""), "\x00") + "\x00"
	files := KeyPair{Cert: write(wide), Key: write(key)}
	if _, err := files.Load(); err == nil || !strings.Contains(err.Error(), "cert: line 1, column 1: the file is UTF-16") {
		t.Errorf("UTF-16: got %v", err)
	}
}

func TestKeyURLsAreASCII(t *testing.T) {
	for _, s := range []string{"https://issuer.example/keys?q=a b", "https://\u00fc.example/keys", "https://issuer.example/\u00a0"} {
		if err := checkKeyURL(s); err == nil || !strings.Contains(err.Error(), "a character that a URL cannot have") {
			t.Errorf("%q: got %v", s, err)
		}
	}
}
