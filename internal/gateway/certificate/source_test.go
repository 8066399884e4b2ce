package certificate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenfold-go/tenfold/internal/config"
)

// files are a certificate and its key for tests.
type files struct{ cert, key string }

// makeFiles writes a certificate for names, with a key that signs as RSA or ECDSA.
func makeFiles(t testing.TB, dir string, withRSA bool, names ...string) files {
	t.Helper()
	f := files{filepath.Join(dir, names[0]+".crt"), filepath.Join(dir, names[0]+".key")}
	cert, key := pemPair(t, withRSA, time.Hour, names...)
	writeFile(t, f.cert, cert)
	writeFile(t, f.key, key)
	return f
}

func pemPair(t testing.TB, withRSA bool, life time.Duration, names ...string) (cert, key []byte) {
	t.Helper()
	var private any
	var public any
	if withRSA {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		private, public = k, k.Public()
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		private, public = k, k.Public()
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{SerialNumber: serial, NotBefore: time.Now().Add(-life), NotAfter: time.Now().Add(life)}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// configuration reads a file with routes for hosts.
func configuration(t testing.TB, tls string, hosts ...string) *config.Config {
	t.Helper()
	yaml := "tls: " + tls + "\nservices: {app: {run: app}}\nroutes:\n  - {to: app}\n"
	for _, h := range hosts {
		yaml += fmt.Sprintf("  - {host: %q, to: app}\n", h)
	}
	cfg, err := config.Parse("test", []byte(yaml), &config.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func using(t testing.TB, o *Options, cfg *config.Config) *Source {
	t.Helper()
	s := New(o)
	set, err := s.Prepare(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Use(set)
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	return s
}

// shake makes a handshake and returns the certificate of the server.
func shake(s *Source, client *tls.Config) (*x509.Certificate, error) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go tls.Server(b, s.Config()).Handshake()
	client = client.Clone()
	client.InsecureSkipVerify = true
	if client.ServerName == "" {
		client.ServerName = "127.0.0.1" // an address is not sent
	}
	c := tls.Client(a, client)
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	return c.ConnectionState().PeerCertificates[0], nil
}

func wantName(t *testing.T, s *Source, serverName, want string) {
	t.Helper()
	leaf, err := shake(s, &tls.Config{ServerName: serverName})
	switch {
	case err != nil && want != "" || err == nil && want == "":
		t.Errorf("%q: %v, want %q", serverName, err, want)
	case err == nil && !strings.Contains(strings.Join(leaf.DNSNames, " "), want):
		t.Errorf("%q: got a certificate for %q, want %q", serverName, leaf.DNSNames, want)
	case err != nil && !strings.Contains(err.Error(), "unrecognized name"):
		t.Errorf("%q: %v, want the alert unrecognized_name", serverName, err)
	}
}

// An exact name wins over a wildcard, and that over the first certificate.
func TestCertificateIsChosenByName(t *testing.T) {
	dir := t.TempDir()
	first, wild, exact := makeFiles(t, dir, false, "first.test"), makeFiles(t, dir, false, "*.shop.test"), makeFiles(t, dir, false, "www.shop.test", "x.test")
	s := using(t, nil, configuration(t, fmt.Sprintf("{cert: %q, key: %q, certificates: [{cert: %q, key: %q}, {cert: %q, key: %q}]}",
		first.cert, first.key, wild.cert, wild.key, exact.cert, exact.key)))
	for name, want := range map[string]string{
		"first.test": "first.test", "WWW.shop.TEST": "www.shop.test", "x.test": "x.test", "api.shop.test": "*.shop.test",
		"a.b.shop.test": "first.test", "shop.test": "first.test", "other.example": "first.test", "": "first.test",
	} {
		wantName(t, s, name, want)
	}
}

// Of two certificates for one name, a client gets one that it supports.
func TestCertificateThatTheClientSupports(t *testing.T) {
	one, two := makeFiles(t, t.TempDir(), false, "shop.test"), makeFiles(t, t.TempDir(), true, "shop.test")
	s := using(t, nil, configuration(t, fmt.Sprintf("{certificates: [{cert: %q, key: %q}, {cert: %q, key: %q}]}", one.cert, one.key, two.cert, two.key)))
	for suite, want := range map[uint16]x509.PublicKeyAlgorithm{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: x509.ECDSA, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: x509.RSA,
	} {
		leaf, err := shake(s, &tls.Config{ServerName: "shop.test", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		if err != nil || leaf.PublicKeyAlgorithm != want {
			t.Errorf("got %v, %v, want %v", leaf, err, want)
		}
	}
}

// events are the messages of a log.
type events struct {
	mu       sync.Mutex
	messages []string
}

func (e *events) Enabled(context.Context, slog.Level) bool { return true }
func (e *events) WithAttrs([]slog.Attr) slog.Handler       { return e }
func (e *events) WithGroup(string) slog.Handler            { return e }
func (e *events) Handle(_ context.Context, r slog.Record) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.messages = append(e.messages, r.Message)
	return nil
}

func (e *events) count(message string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range e.messages {
		if m == message {
			n++
		}
	}
	return n
}

// Changed files are used for new handshakes: rewritten ones, and links that lead elsewhere. Files that cannot be used leave the
// certificate in place, and are logged once.
func TestChangedFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	old, next := filepath.Join(dir, "..1"), filepath.Join(dir, "..2")
	for _, d := range []string{old, next} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	store := func(dir string, name string) {
		cert, key := pemPair(t, false, time.Hour, name)
		writeFile(t, filepath.Join(dir, "tls.crt"), cert)
		writeFile(t, filepath.Join(dir, "tls.key"), key)
	}
	store(old, "one.test")
	store(next, "two.test")
	link := filepath.Join(dir, "data")
	if err := os.Symlink(old, link); err != nil {
		t.Fatal(err)
	}
	log := &events{}
	s := using(t, &Options{Log: slog.New(log)}, configuration(t, fmt.Sprintf("{cert: %q, key: %q}", link+"/tls.crt", link+"/tls.key")))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	defer running.Wait()
	defer cancel()
	await := func(name string) {
		t.Helper()
		for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			leaf, err := shake(s, &tls.Config{ServerName: "shop.test"})
			if err != nil {
				t.Fatal(err)
			}
			if leaf.DNSNames[0] == name {
				return
			}
			if time.Since(begun) > 20*time.Second {
				t.Fatalf("the certificate is still for %q", leaf.DNSNames)
			}
		}
	}
	await("one.test")
	if err := os.Symlink(next, link+".new"); err != nil { // as Kubernetes does it
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	await("two.test")
	writeFile(t, filepath.Join(next, "tls.crt"), []byte("-----BEGIN CERTI"))
	const failed = "certificate files cannot be used: the certificate before stays"
	for begun := time.Now(); log.count(failed) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatal("a broken file is not logged")
		}
	}
	await("two.test")
	time.Sleep(2 * pollInterval) // it is looked at again
	if n := log.count(failed); n != 1 {
		t.Errorf("a broken file is logged %d times", n)
	}
	store(next, "three.test")
	await("three.test")
	if err := os.Remove(filepath.Join(next, "tls.key")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * pollInterval)
	await("three.test")
}

// A reload swaps the certificates and keeps the keys of session tickets.
func TestSessionsAreResumedAfterAReload(t *testing.T) {
	one, two := makeFiles(t, t.TempDir(), false, "shop.test"), makeFiles(t, t.TempDir(), false, "shop.test", "more.test")
	pair := func(f files) string { return fmt.Sprintf("{cert: %q, key: %q}", f.cert, f.key) }
	s := using(t, nil, configuration(t, pair(one)))
	client := &tls.Config{ServerName: "shop.test", InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1), MaxVersion: tls.VersionTLS12}
	resumed := func() bool {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		go tls.Server(b, s.Config()).Handshake()
		c := tls.Client(a, client)
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		return c.ConnectionState().DidResume
	}
	if resumed() {
		t.Error("the first connection was resumed")
	}
	set, err := s.Prepare(configuration(t, pair(two)))
	if err != nil {
		t.Fatal(err)
	}
	s.Use(set)
	if !resumed() {
		t.Error("the session was not resumed after the reload")
	}
	wantName(t, s, "more.test", "more.test")
	if _, err := s.Prepare(configuration(t, pair(one))); err != nil {
		t.Fatal(err)
	}
	wantName(t, s, "more.test", "more.test") // Prepare alone changes nothing
}

// Local names get certificates of the local authority, and no other name does.
func TestLocalCertificates(t *testing.T) {
	dir := t.TempDir()
	s := using(t, nil, configuration(t, fmt.Sprintf("{auto: local, storage: %q}", dir)))
	roots := x509.NewCertPool()
	root, err := os.ReadFile(filepath.Join(dir, "local", "root.crt"))
	if err != nil || !roots.AppendCertsFromPEM(root) {
		t.Fatalf("the root: %v", err)
	}
	for _, name := range []string{"localhost", "shop.localhost", "LOCALHOST"} {
		leaf, err := shake(s, &tls.Config{ServerName: name})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"shop.test", "a.b.localhost", "localhost.evil.test", "xlocalhost"} {
		wantName(t, s, name, "")
	}
	if info, err := os.Stat(filepath.Join(dir, "local", "root.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
	log := &events{}
	s.log = slog.New(log)
	for range 3 { // reloads
		set, err := s.Prepare(configuration(t, fmt.Sprintf("{auto: local, storage: %q}", dir)))
		if err != nil {
			t.Fatal(err)
		}
		s.Use(set)
		wantName(t, s, "localhost", "localhost")
	}
	if len(log.messages) > 0 {
		t.Errorf("reloads without a change log %q", log.messages)
	}
	if again := using(t, nil, configuration(t, fmt.Sprintf("{auto: local, storage: %q}", dir))); again.Certificates()[0].Expires != s.Certificates()[0].Expires {
		t.Error("a second start has made another root")
	}
}

// Without certificates for a name, and without names at all, handshakes end with the alert unrecognized_name.
func TestNoCertificate(t *testing.T) {
	wantName(t, New(nil), "shop.test", "")
	s := using(t, nil, configuration(t, fmt.Sprintf("{auto: on, storage: %q}", t.TempDir()), "shop.com"))
	for _, name := range []string{"shop.com", "other.com"} {
		wantName(t, s, name, "")
	}
	if _, err := shake(s, &tls.Config{ServerName: "shop.com", NextProtos: []string{acmeProtocol}}); err == nil {
		t.Error("a validation without a challenge was answered")
	}
	if all := s.Certificates(); len(all) != 1 || all[0].Label != "shop.com" || !all[0].Expires.IsZero() {
		t.Errorf("certificates %+v", all)
	}
}

// A directory that cannot be written to is reported when it is opened, and not before: tenfold check writes nothing.
func TestDirectoryThatCannotBeMade(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	writeFile(t, blocked, nil)
	for _, auto := range []string{"on", "local"} {
		s := New(nil)
		cfg := configuration(t, fmt.Sprintf("{auto: on, storage: %q}", blocked+"/x"), map[string]string{"on": "shop.com", "local": "localhost"}[auto])
		set, err := s.Prepare(cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.Use(set)
		if err := s.Open(); err == nil || !strings.Contains(err.Error(), "keep certificates") {
			t.Errorf("%s: %v", auto, err)
		}
	}
}

func TestStateDirectory(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"/var/lib/tenfold":           {"STATE_DIRECTORY": "/var/lib/tenfold:/var/lib/more", "HOME": "/root"},
		"/state/tenfold":             {"XDG_STATE_HOME": "/state", "HOME": "/root"},
		"/root/.local/state/tenfold": {"XDG_STATE_HOME": "relative", "HOME": "/root"},
		"":                           {},
	} {
		if got, err := stateDirectory(func(name string) string { return env[name] }); got != want || (err == nil) != (want != "") {
			t.Errorf("%v: %q, %v, want %q", env, got, err, want)
		}
	}
}

// The log warns once per day of a certificate that ends soon.
func TestExpiryIsLogged(t *testing.T) {
	cert, key := pemPair(t, false, 30*24*time.Hour, "shop.test")
	f := files{filepath.Join(t.TempDir(), "a.crt"), filepath.Join(t.TempDir(), "a.key")}
	writeFile(t, f.cert, cert)
	writeFile(t, f.key, key)
	log := &events{}
	r := prometheus.NewRegistry()
	s := using(t, &Options{Log: slog.New(log), Metrics: sync.OnceValue(func() *Metrics { return NewMetrics(r) })}, configuration(t, fmt.Sprintf("{cert: %q, key: %q}", f.cert, f.key)))
	end := s.Certificates()[0].Expires
	for _, c := range []struct {
		at            time.Duration // before the end
		soon, expired int           // records so far
	}{{11 * 24 * time.Hour, 0, 0}, {9 * 24 * time.Hour, 1, 0}, {9*24*time.Hour - time.Hour, 1, 0}, {7 * 24 * time.Hour, 2, 0}, {-time.Hour, 2, 1}} {
		s.warn(end.Add(-c.at))
		if soon, expired := log.count("certificate expires soon"), log.count("certificate has expired"); soon != c.soon || expired != c.expired {
			t.Errorf("%v before the end: %d and %d records, want %d and %d", c.at, soon, expired, c.soon, c.expired)
		}
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families {
		if m.GetName() == "tenfold_certificate_expiry_timestamp_seconds" && m.GetMetric()[0].GetGauge().GetValue() == float64(end.Unix()) {
			return
		}
	}
	t.Error("the expiry is not exported")
}

// BenchmarkFind measures the choice of a certificate, and BenchmarkHandshake a whole handshake next to one with a fixed
// certificate.
func BenchmarkFind(b *testing.B) {
	s := benchSource(b)
	hello := &tls.ClientHelloInfo{ServerName: "shop.test", SupportedProtos: []string{"h2", "http/1.1"}}
	b.ReportAllocs()
	for b.Loop() {
		if c, err := s.find(hello); c == nil || err != nil {
			b.Fatal(err)
		}
	}
}

func benchSource(b *testing.B) *Source {
	f := makeFiles(b, b.TempDir(), false, "shop.test")
	return using(b, nil, configuration(b, fmt.Sprintf("{cert: %q, key: %q}", f.cert, f.key)))
}

func BenchmarkHandshake(b *testing.B) {
	s := benchSource(b)
	fixed := &tls.Config{Certificates: []tls.Certificate{*s.current.Load().pairs[0].cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	for name, server := range map[string]*tls.Config{"fixed": fixed, "source": s.Config()} {
		b.Run(name, func(b *testing.B) {
			client := &tls.Config{ServerName: "shop.test", InsecureSkipVerify: true, NextProtos: []string{"h2"}}
			b.ReportAllocs()
			for b.Loop() {
				x, y := net.Pipe()
				done := make(chan error, 1)
				go func() { done <- tls.Server(y, server).Handshake() }()
				if err := tls.Client(x, client).Handshake(); err != nil {
					b.Fatal(err)
				}
				if err := <-done; err != nil {
					b.Fatal(err)
				}
				x.Close()
				y.Close()
			}
		})
	}
}
