package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tenfold-go/tenfold/internal/status"
)

// writeCertificate writes a new certificate for localhost with the number, and its key, into the files name.crt and name.key.
func writeCertificate(t *testing.T, name string, number int) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(number)), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	rewrite(t, name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
}

// presented returns the number of the certificate that an address presents.
func presented(t *testing.T, address string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// reload asks the admin address for a reload, which must succeed.
func (x *running) reload() (r status.Reload) {
	x.t.Helper()
	code, answer := x.ask("POST", "/api/reload", "")
	if err := json.Unmarshal([]byte(answer), &r); err != nil || code != 200 {
		x.t.Fatalf("reload: %d %s", code, answer)
	}
	return r
}

// keptSockets are WebSockets that must stay open.
type keptSockets struct {
	t   *testing.T
	ctx context.Context
	all []*websocket.Conn
}

func openKept(t *testing.T, x *running, n int) *keptSockets {
	t.Helper()
	s := &keptSockets{t: t, ctx: t.Context()}
	for range n {
		c, _, err := websocket.Dial(s.ctx, x.url+"/socket", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		if _, _, err := c.Read(s.ctx); err != nil { // the id of the node
			t.Fatal(err)
		}
		s.all = append(s.all, c)
	}
	return s
}

// check sends a message on a socket and reads it back.
func (s *keptSockets) check(i int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	c, message := s.all[i%len(s.all)], fmt.Sprint("message ", i)
	if err := c.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
		s.t.Fatalf("WebSocket %d of %d was cut: %v", i%len(s.all), len(s.all), err)
	}
	if _, got, err := c.Read(ctx); err != nil || string(got) != message {
		s.t.Fatalf("WebSocket %d of %d was cut: %q %v", i%len(s.all), len(s.all), got, err)
	}
}

// level are figures of a process that must not grow with the number of reloads.
type level struct{ goroutines, memory, files float64 }

func (x *running) level() level {
	return level{x.metric("go_goroutines"), x.metric("process_resident_memory_bytes"), x.metric("process_open_fds")}
}

// Reloads cost no request and no WebSocket, whatever they change, and leave nothing behind.
func TestUpReloadsUnderLoad(t *testing.T) {
	reloads, program := 30, "tenfold"
	if soak {
		reloads, program = 1000, buildWithoutRace(t)
	}
	dir := t.TempDir()
	writeCertificate(t, filepath.Join(dir, "tls"), 1)
	file := filepath.Join(dir, "tenfold.yaml")
	// Each step changes one thing: a route, the limit of a service, the limits of HTTP, what a node runs with, a certificate.
	step := func(i int) {
		at := func(k int) int { return (i - k + 5) / 5 } // how often step k of five was taken
		if i%5 == 4 {
			writeCertificate(t, filepath.Join(dir, "tls"), 2+i/5)
		}
		rewrite(t, file, fmt.Sprintf(`
tls: {cert: tls.crt, key: tls.key, redirect: off}
limits: {header_lines: %d}
services:
  service: {run: [service], nodes: 2, limit: {in_flight: %d}}
  other: {run: [service], nodes: 1, env: {ROUND: "%d"}}
routes:
  - {path: /, to: service}
  - {path: /page, to: other}
  - {path: /round-%d, to: other}
`, 100+at(2), 100+at(1), at(3), at(0)))
	}
	step(0)
	x := start(t, call{program: program, args: []string{"up", "-f", file, "--store", "none", "--access", "off", "--admin", "127.0.0.1:0",
		"--listen", "http://127.0.0.1:0", "--listen", "https://127.0.0.1:0"}})
	x.awaitListening()
	x.awaitReady()
	secure := strings.TrimPrefix(x.urls[1], "https://")
	kept := openKept(t, x, 50)
	l := offer(x, 100, func(i int) *http.Request {
		return request("GET", []string{"/small?ms=5", "/page?ms=3", "/chunked?ms=2"}[i%3])
	})
	before := map[string]int{}
	for _, n := range x.nodes() {
		before[n.ID] = n.PID
	}
	var early level
	begun, slowest := time.Now(), time.Duration(0)
	for i := 1; i <= reloads; i++ {
		step(i)
		asked := time.Now()
		if r := x.reload(); len(r.Changes) == 0 && i%5 != 4 {
			t.Fatalf("reload %d changed nothing", i)
		}
		slowest = max(slowest, time.Since(asked))
		kept.check(i)
		if i%5 == 4 {
			if got := presented(t, secure); got != int64(2+i/5) {
				t.Fatalf("reload %d: the certificate is number %d, want %d", i, got, 2+i/5)
			}
		}
		if i == reloads/4 {
			early = x.level()
		}
	}
	took := time.Since(begun)
	for i := range kept.all {
		kept.check(i)
	}
	answers := l.end()
	noneFailed(t, answers)
	for _, n := range x.nodes() {
		if strings.HasPrefix(n.ID, "service-") && before[n.ID] != n.PID {
			t.Errorf("node %s of the service that did not change is another one", n.ID)
		}
	}
	late := x.level()
	if late.goroutines > early.goroutines+30 || late.files > early.files+20 || late.memory > early.memory*1.3+(16<<20) {
		t.Errorf("after a quarter of the reloads %+v, after all of them %+v", early, late)
	}
	figure(t, "reloads-under-load", summarize(answers).pairs("reloads", reloads, "took", took, "slowest_reload", slowest,
		"goroutines", fmt.Sprintf("%.0f->%.0f", early.goroutines, late.goroutines), "memory_mb", fmt.Sprintf("%.0f->%.0f", early.memory/1e6, late.memory/1e6),
		"files", fmt.Sprintf("%.0f->%.0f", early.files, late.files))...)
	for _, c := range kept.all {
		c.CloseNow()
	}
	x.stop()
}
