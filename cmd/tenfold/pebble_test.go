package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"golang.org/x/net/dns/dnsmessage"
)

// pebble is an ACME authority for tests, which really validates names: over DNS, HTTP-01 and TLS-ALPN-01. It counts orders.
type pebble struct {
	directory string // the URL of its directory
	caFile    string // for tls.acme.ca
	roots     *x509.CertPool
	httpPort  int // where it validates names
	tlsPort   int

	away     atomic.Bool   // it closes every connection without an answer
	holding  atomic.Bool   // it answers no new order
	held     chan struct{} // has a value for each order that is not answered
	requests atomic.Int64  // all of them, also while it is away

	block     func(name string)        // orders for the name are refused
	addresses atomic.Pointer[[]string] // of all names, in turn

	mu     sync.Mutex
	orders map[string]int // accepted new orders, by name
}

// startPebble starts an authority whose certificates are valid for a time. All names have the given addresses, in turn.
func startPebble(t *testing.T, validity time.Duration, addresses ...string) *pebble {
	t.Helper()
	os.Setenv("PEBBLE_VA_NOSLEEP", "1") // not t.Setenv: the tests are parallel
	os.Setenv("PEBBLE_AUTHZREUSE", "0") // each order is validated
	p := &pebble{orders: make(map[string]int), held: make(chan struct{}, 100), httpPort: freePort(t, addresses...), tlsPort: freePort(t, addresses...)}
	logger := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	p.block = func(name string) {
		if err := store.AddBlockedDomain(name); err != nil {
			t.Fatal(err)
		}
	}
	authority := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: uint64(validity.Seconds())}})
	p.addresses.Store(&addresses)
	validator := va.New(logger, p.httpPort, p.tlsPort, false, p.serveDNS(t), store)
	front := wfe.New(logger, store, validator, authority, []string{"pebble.test"}, false, false, 1, 1)
	server := httptest.NewTLSServer(p.counting(front.Handler()))
	t.Cleanup(server.Close)
	p.directory = server.URL + wfe.DirectoryPath
	p.caFile = filepath.Join(t.TempDir(), "authority.pem")
	write(t, p.caFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	p.roots = x509.NewCertPool()
	root, err := x509.ParseCertificate(authority.GetRootCert(0).Cert.Raw)
	if err != nil {
		t.Fatal(err)
	}
	p.roots.AddCert(root)
	return p
}

// counting counts the orders that the authority accepts.
func (p *pebble) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		if p.away.Load() {
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path == "/order-plz" && p.holding.Load() {
			io.Copy(io.Discard, r.Body) // otherwise the end of the client is not seen
			p.held <- struct{}{}
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path != "/order-plz" {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		recorded := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(recorded, r)
		if recorded.status == http.StatusCreated {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, name := range namesOfOrder(body) {
				p.orders[name]++
			}
		}
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// namesOfOrder returns the names of a request for an order (RFC 8555 section 7.4).
func namesOfOrder(body []byte) (names []string) {
	var signed struct{ Payload string }
	var order struct{ Identifiers []struct{ Value string } }
	if json.Unmarshal(body, &signed) == nil {
		payload, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
		json.Unmarshal(payload, &order)
	}
	for _, i := range order.Identifiers {
		names = append(names, i.Value)
	}
	return names
}

// ordered returns how many orders were accepted, by name.
func (p *pebble) ordered() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.orders)
}

// handshake connects to a gateway and returns its certificate, which must be one of the authority for the name.
func (p *pebble) handshake(address, name string) (*x509.Certificate, error) {
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{RootCAs: p.roots, ServerName: name}}
	nc, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	return nc.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// serveDNS answers each question for an A record with the addresses, beginning with another one each time. It speaks DNS over
// TCP, as pebble does, and returns its address.
func (p *pebble) serveDNS(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var questions atomic.Int64
	serve := func(nc net.Conn) {
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(patience))
		var length [2]byte
		for {
			if _, err := io.ReadFull(nc, length[:]); err != nil {
				return
			}
			question := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(nc, question); err != nil {
				return
			}
			answer := dnsAnswer(question, *p.addresses.Load(), &questions)
			nc.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
		}
	}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go serve(nc)
		}
	}()
	return l.Addr().String()
}

func dnsAnswer(question []byte, addresses []string, asked *atomic.Int64) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Header.Response, m.Additionals = true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		first := int(asked.Add(1))
		for i := range addresses {
			ip := net.ParseIP(addresses[(first+i)%len(addresses)]).To4()
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte(ip)},
			})
		}
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}

// freePort returns a port that is free on all addresses.
func freePort(t *testing.T, addresses ...string) int {
	t.Helper()
	for range 100 {
		first, err := net.Listen("tcp", addresses[0]+":0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(first.Addr().String())
		free := true
		for _, a := range addresses[1:] {
			l, err := net.Listen("tcp", net.JoinHostPort(a, port))
			if free = free && err == nil; err == nil {
				l.Close()
			}
		}
		first.Close()
		if free {
			return first.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no port is free on all addresses")
	return 0
}
