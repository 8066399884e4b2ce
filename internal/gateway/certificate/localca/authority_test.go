package localca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func opened(t *testing.T, dir string) *Authority {
	t.Helper()
	a := New(dir)
	if err := a.Open(); err != nil {
		t.Fatal(err)
	}
	return a
}

func rootsOf(t *testing.T, a *Authority) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(a.RootFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		t.Fatal("the root is not PEM")
	}
	return pool
}

func TestCertificatesForThisMachineOnly(t *testing.T) {
	a := opened(t, filepath.Join(t.TempDir(), "local"))
	pool := rootsOf(t, a)
	for _, name := range []string{"localhost", "shop.localhost", "127.0.0.1", "127.0.0.2", "::1"} {
		c, err := a.Certificate(name)
		if err != nil {
			t.Fatal(err)
		}
		host := name
		if strings.Contains(name, ":") {
			host = "[" + name + "]"
		}
		if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again, _ := a.Certificate(name); again != c {
			t.Errorf("%s: every handshake makes a certificate", name)
		}
	}
	for _, name := range []string{"", "shop.example", "localhost.shop.example", "10.0.0.1", "::", "notlocalhost", "localhost."} {
		if _, err := a.Certificate(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A stolen key of the root is of no use for other names: clients refuse such a certificate.
func TestRootIsLimitedToThisMachine(t *testing.T) {
	a := opened(t, filepath.Join(t.TempDir(), "local"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := sign(&x509.Certificate{
		DNSNames: []string{"bank.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.root, key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: rootsOf(t, a), DNSName: "bank.example"}); err == nil {
		t.Error("a certificate for another name is valid")
	}
}

// Several processes that start at the same time share one root.
func TestOneRootPerDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "local")
	all := make([]*Authority, 8)
	var starting sync.WaitGroup
	for i := range all {
		all[i] = New(dir)
		starting.Go(func() {
			if err := all[i].Open(); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	for _, a := range all {
		if !a.root.Equal(all[0].root) {
			t.Error("there are several roots")
		}
	}
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, all[0].RootFile(): 0o600, filepath.Join(dir, "root.key"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// A client chooses names below localhost: they are not kept indefinitely.
func TestKeptCertificatesAreLimited(t *testing.T) {
	a := opened(t, filepath.Join(t.TempDir(), "local"))
	for i := range 3 * maxLeaves {
		if _, err := a.Certificate(fmt.Sprintf("n%d.localhost", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(a.leaves); n > maxLeaves {
		t.Errorf("%d certificates are kept, the limit is %d", n, maxLeaves)
	}
}

func TestRootThatCannotBeUsed(t *testing.T) {
	if _, err := New(t.TempDir()).Certificate("localhost"); err == nil {
		t.Error("a certificate before Open")
	}
	dir := filepath.Join(t.TempDir(), "local")
	a := opened(t, dir)
	expired := rootTemplate()
	expired.NotBefore, expired.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	der, err := sign(expired, nil, a.key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{
		"expired": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), "broken": []byte("x"), "empty": nil,
	} {
		if err := os.WriteFile(a.RootFile(), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := New(dir).Open(); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
