// Package localca is a certificate authority for this machine: it makes certificates for localhost, names below it and
// loopback addresses. Its root is limited to these names (name constraints, RFC 5280 section 4.2.1.10), so that a stolen key
// is of no use for any other name.
package localca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	rootFile = "root.crt"
	keyFile  = "root.key"

	rootValidity = 10 * 365 * 24 * time.Hour
	leafValidity = 90 * 24 * time.Hour // clients accept at most 398 days
	maxLeaves    = 256
)

// ErrName is returned for a name that does not mean this machine.
var ErrName = errors.New("the local authority makes certificates for localhost, names below it and loopback addresses only")

// Authority is the authority of one directory. Open must be called before Certificate. Its methods are safe for concurrent
// use.
type Authority struct {
	dir string

	mu     sync.Mutex // guards what follows
	root   *x509.Certificate
	key    *ecdsa.PrivateKey
	leaf   *ecdsa.PrivateKey
	leaves map[string]*tls.Certificate // by name
}

// New returns the authority whose root is in a directory. It reads and writes nothing.
func New(dir string) *Authority { return &Authority{dir: dir} }

// RootFile is the path of the root certificate, which clients must trust.
func (a *Authority) RootFile() string { return filepath.Join(a.dir, rootFile) }

// Open reads the root, or makes it if the directory does not exist.
func (a *Authority) Open() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.root != nil {
		return nil
	}
	err := a.read()
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(a.dir); err == nil {
			err = a.read()
		}
	}
	if err != nil {
		return fmt.Errorf("local authority in %s: %w", a.dir, err)
	}
	a.leaves = make(map[string]*tls.Certificate)
	a.leaf, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return err
}

func (a *Authority) read() error {
	pair, err := tls.LoadX509KeyPair(a.RootFile(), filepath.Join(a.dir, keyFile))
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return errors.New("the root is not one that tenfold has made")
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		return fmt.Errorf("the root has expired: remove the directory, and trust the new root")
	}
	a.root, a.key = pair.Leaf, key
	return nil
}

// create makes a root. The directory gets its name when its files are complete, so that two processes never mix their roots.
func create(dir string) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(parent, ".local-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert, err := sign(rootTemplate(), nil, key, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		rootFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(filepath.Join(temporary, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	if err := os.Rename(temporary, dir); err != nil {
		if _, again := os.Stat(filepath.Join(dir, rootFile)); again == nil {
			return nil // another process was faster
		}
		return err
	}
	return nil
}

func rootTemplate() *x509.Certificate {
	host, _ := os.Hostname()
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: strings.TrimSpace("tenfold local authority " + host), Organization: []string{"tenfold"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(rootValidity),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{
			{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}, {IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		},
	}
}

// sign makes a certificate for the public key of a key pair. A nil parent makes a root.
func sign(template, parent *x509.Certificate, subject, issuer *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	if parent == nil {
		parent = template
	}
	return x509.CreateCertificate(rand.Reader, template, parent, subject.Public(), issuer)
}

// Certificate returns the certificate for a name or a loopback address. It keeps the last ones, and renews them in time.
func (a *Authority) Certificate(name string) (*tls.Certificate, error) {
	ip := net.ParseIP(name)
	if name != "localhost" && !strings.HasSuffix(name, ".localhost") && !ip.IsLoopback() {
		return nil, ErrName
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.root == nil {
		return nil, errors.New("the local authority is not open")
	}
	if c := a.leaves[name]; c != nil && time.Until(c.Leaf.NotAfter) > leafValidity/3 {
		return c, nil
	}
	if len(a.leaves) >= maxLeaves { // a client chooses names below localhost
		clear(a.leaves)
	}
	c, err := a.issue(name, ip)
	if err == nil {
		a.leaves[name] = c
	}
	return c, err
}

func (a *Authority) issue(name string, ip net.IP) (*tls.Certificate, error) {
	end := time.Now().Add(leafValidity)
	if end.After(a.root.NotAfter) {
		end = a.root.NotAfter
	}
	template := &x509.Certificate{
		Subject: pkix.Name{Organization: []string{"tenfold"}}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := sign(template, a.root, a.leaf, a.key)
	if err != nil {
		return nil, fmt.Errorf("make certificate for %q: %w", name, err)
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der, a.root.Raw}, PrivateKey: a.leaf, Leaf: leaf}, err
}

// Validity returns the validity of the root, or zero times before Open.
func (a *Authority) Validity() (begins, expires time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.root == nil {
		return time.Time{}, time.Time{}
	}
	return a.root.NotBefore, a.root.NotAfter
}

// Name returns the name of the root, or "" before Open.
func (a *Authority) Name() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.root == nil {
		return ""
	}
	return a.root.Subject.CommonName
}

// TrustCommand returns a command that makes this machine trust a root.
func TrustCommand(root string) string {
	switch runtime.GOOS {
	case "darwin":
		return "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain " + root
	case "windows":
		return "certutil -addstore -f ROOT " + root
	}
	return "sudo cp " + root + " /usr/local/share/ca-certificates/tenfold-local.crt && sudo update-ca-certificates"
}
