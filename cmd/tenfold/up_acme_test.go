package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/redistest"
)

// upWithACME starts a tenfold that orders certificates for names from the authority. It listens at the ports where the
// authority validates names.
func upWithACME(t *testing.T, p *pebble, address, storage, store string, names ...string) *running {
	t.Helper()
	dir := t.TempDir()
	var routes strings.Builder
	for _, name := range names {
		fmt.Fprintf(&routes, "  - {host: %s, to: app}\n", name)
	}
	write(t, filepath.Join(dir, "tenfold.yaml"), fmt.Sprintf(`
listen: ["http://%[1]s:%[2]d", "https://%[1]s:%[3]d"]
admin: 127.0.0.1:0
store: %[4]s
tls:
  auto: on
  storage: %[5]s
  acme: {directory: %[6]q, ca: %[7]q}
services: {app: {run: service, nodes: 1}}
routes:
%[8]s`, address, p.httpPort, p.tlsPort, store, storage, p.directory, p.caFile, routes.String()))
	x := start(t, call{args: []string{"up", "-f", "tenfold.yaml", "--access", "off"}, dir: dir, env: []string{"XDG_STATE_HOME=" + t.TempDir()}})
	x.awaitListening()
	x.awaitReady()
	return x
}

func (p *pebble) secure(address string) string { return fmt.Sprintf("%s:%d", address, p.tlsPort) }

// awaitCertificate waits until a gateway has a certificate for a name whose serial number is not the given one.
func (p *pebble) awaitCertificate(x *running, address, name, notSerial string) (serial string) {
	x.t.Helper()
	var last error
	defer func() {
		if serial == "" {
			x.t.Logf("the last handshake: %v", last)
		}
	}()
	x.await("a certificate for "+name+" is served", func() bool {
		leaf, err := p.handshake(p.secure(address), name)
		if last = err; err == nil && leaf.SerialNumber.String() != notSerial {
			serial = leaf.SerialNumber.String()
		}
		return serial != ""
	})
	return serial
}

// visitor makes TLS handshakes with a gateway, one after the other, and counts the failures.
type visitor struct {
	stop     chan struct{}
	done     sync.WaitGroup
	visits   atomic.Int64
	failures atomic.Int64
	last     atomic.Value // error
}

func visit(p *pebble, address string, names ...string) *visitor {
	v := &visitor{stop: make(chan struct{})}
	v.done.Go(func() {
		for i := 0; ; i++ {
			if _, err := p.handshake(p.secure(address), names[i%len(names)]); err != nil {
				v.failures.Add(1)
				v.last.Store(err.Error())
			}
			v.visits.Add(1)
			select {
			case <-time.After(25 * time.Millisecond):
			case <-v.stop:
				return
			}
		}
	})
	return v
}

func (v *visitor) end(t *testing.T) {
	t.Helper()
	close(v.stop)
	v.done.Wait()
	if n := v.failures.Load(); n > 0 || v.visits.Load() == 0 {
		t.Errorf("%d of %d handshakes failed, the last with %v", n, v.visits.Load(), v.last.Load())
	}
}

// Two tenfolds on one store order each certificate once, renew it once, and serve throughout: also while the authority is
// away, after a restart without it, and under a flood of names that no route has.
func TestUpACME(t *testing.T) {
	t.Parallel()
	const a, b = "127.0.0.1", "127.0.0.2"
	p := startPebble(t, 45*time.Second, a, b) // a third of the life, 15 s, is for the renewal
	p.addresses.Store(&[]string{a})           // until both listen
	store := redistest.Start(t).URL()
	names := []string{"shop.test", "api.shop.test"}
	first, second := upWithACME(t, p, a, "store", store, names...), upWithACME(t, p, b, "store", store, names...)
	serials := map[string]string{}
	for _, name := range names {
		serials[name] = p.awaitCertificate(first, a, name, "")
		if got := p.awaitCertificate(second, b, name, ""); got != serials[name] {
			t.Errorf("%s: the gateways have different certificates, %s and %s", name, serials[name], got)
		}
	}
	wantOrders(t, p, "issued", 1, names)

	p.addresses.Store(&[]string{a, b}) // a challenge may reach the gateway that has not ordered
	visitors := []*visitor{visit(p, a, names...), visit(p, b, names...)}
	goroutines := first.metric("go_goroutines")
	floodNames(t, p, a)
	floodNames(t, p, b)
	first.await("the flood leaves nothing behind", func() bool { return first.metric("go_goroutines") < goroutines+20 })
	wantOrders(t, p, "after the flood", 1, names)

	for _, name := range names {
		old := serials[name]
		serials[name] = p.awaitCertificate(first, a, name, old)
		if got := p.awaitCertificate(second, b, name, old); got != serials[name] {
			t.Errorf("%s: the gateways have renewed differently: %s and %s", name, serials[name], got)
		}
	}
	wantOrders(t, p, "renewed", 2, names)

	// The authority is away: a restart needs it no more.
	p.away.Store(true)
	visitors[1].end(t)
	second.stop()
	second = upWithACME(t, p, b, "store", store, names...)
	for _, name := range names {
		if got := p.awaitCertificate(second, b, name, ""); got != serials[name] {
			t.Errorf("%s: certificate %s after the restart, want %s", name, got, serials[name])
		}
	}
	visitors[1] = visit(p, b, names...)
	second.stderr.await(second, `certificate was not ordered.*retry_in_s":5,`)
	p.away.Store(false)
	for _, name := range names {
		p.awaitCertificate(second, b, name, serials[name])
		p.awaitCertificate(first, a, name, serials[name])
	}
	wantOrders(t, p, "renewed after the authority was away", 3, names)
	for _, v := range visitors {
		v.end(t)
	}
	if status := second.verb("status"); !strings.Contains(status, "shop.test") {
		t.Errorf("status does not show the certificate:\n%s", status)
	}
	first.stop()
	second.stop()
	figure(t, "acme", "orders_per_name", p.ordered()[names[0]], "handshakes", visitors[0].visits.Load()+visitors[1].visits.Load(), "failed", 0)
}

func wantOrders(t *testing.T, p *pebble, when string, each int, names []string) {
	t.Helper()
	orders := p.ordered()
	for _, name := range names {
		if orders[name] != each {
			t.Errorf("%s: %d orders for %s, want %d", when, orders[name], name, each)
		}
		delete(orders, name)
	}
	if len(orders) > 0 {
		t.Errorf("%s: orders for other names: %v", when, orders)
	}
}

// floodNames asks a gateway for certificates and for challenges of names that no route has, and for challenges of one that
// has.
func floodNames(t *testing.T, p *pebble, address string) {
	t.Helper()
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 100 {
				name := fmt.Sprintf("%d-%d.attacker.test", worker, i)
				for _, protocols := range [][]string{nil, {"acme-tls/1"}} {
					nc, err := net.Dial("tcp", p.secure(address))
					if err != nil {
						t.Error(err)
						return
					}
					c := tls.Client(nc, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: protocols})
					if err := c.Handshake(); err == nil {
						t.Errorf("%s has a certificate", name)
					} else if protocols == nil && !strings.Contains(err.Error(), "unrecognized name") {
						t.Errorf("%s: %v", name, err)
					}
					nc.Close()
				}
				for _, host := range []string{name, "shop.test"} {
					req, _ := http.NewRequest("GET", fmt.Sprintf("http://%s:%d/.well-known/acme-challenge/%d", address, p.httpPort, i), nil)
					req.Host = host
					resp, err := http.DefaultTransport.RoundTrip(req)
					if err != nil {
						t.Error(err)
						return
					}
					resp.Body.Close()
				}
			}
		})
	}
	all.Wait()
}

// A tenfold with a folder keeps its certificates over a kill, orders each once, and orders nothing for names that a file has.
func TestUpACMEInAFolder(t *testing.T) {
	t.Parallel()
	const a = "127.0.0.1"
	p := startPebble(t, time.Hour, a)
	folder := filepath.Join(t.TempDir(), "certificates")
	x := upWithACME(t, p, a, folder, "none", "shop.test")
	serial := p.awaitCertificate(x, a, "shop.test", "")
	kill(t, x.cmd.Process.Pid, syscall.SIGKILL)
	<-x.exited
	x.awaitAllGone()
	p.away.Store(true)
	x = upWithACME(t, p, a, folder, "none", "shop.test")
	if got := p.awaitCertificate(x, a, "shop.test", ""); got != serial {
		t.Errorf("certificate %s after the kill, want %s", got, serial)
	}
	wantOrders(t, p, "after a kill", 1, []string{"shop.test"})

	// A reload orders the certificate of a new route.
	p.away.Store(false)
	file := filepath.Join(x.cmd.Dir, "tenfold.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(text)+"  - {host: new.test, to: app}\n")
	x.signal(syscall.SIGHUP)
	p.awaitCertificate(x, a, "new.test", "")
	if got := p.awaitCertificate(x, a, "shop.test", ""); got != serial {
		t.Errorf("certificate %s after the reload, want %s", got, serial)
	}
	wantOrders(t, p, "after a reload", 1, []string{"shop.test", "new.test"})
	write(t, file, string(text))
	x.signal(syscall.SIGHUP)
	x.await("the name without a route has no certificate", func() bool {
		_, err := p.handshake(p.secure(a), "new.test")
		return err != nil && strings.Contains(err.Error(), "unrecognized name")
	})
	var secret []string
	filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if info, err := d.Info(); err == nil && (info.Mode().Perm()&0o077) != 0 && !d.IsDir() {
			secret = append(secret, path)
		}
		return nil
	})
	if len(secret) > 0 {
		t.Errorf("files that others can read: %q", secret)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	x.stop()
}

// A name that the authority refuses is not ordered again and again, and holds up no other name.
func TestUpACMERefusedName(t *testing.T) {
	t.Parallel()
	const a = "127.0.0.1"
	p := startPebble(t, time.Hour, a)
	p.block("refused.test")
	x := upWithACME(t, p, a, filepath.Join(t.TempDir(), "c"), "none", "refused.test", "shop.test")
	p.awaitCertificate(x, a, "shop.test", "")
	x.stderr.await(x, `certificate was not ordered.*refused.test.*retry_in_s":60,`)
	if status := x.verb("status"); !strings.Contains(status, "refused.test: NOT ORDERED") || !strings.Contains(status, "no certificate yet") {
		t.Errorf("status:\n%s", status)
	}
	x.stop()
	wantOrders(t, p, "with a name that is refused", 1, []string{"shop.test"})
}

// A gateway that is killed while it orders holds the others up only until its lock has expired.
func TestUpACMETakeover(t *testing.T) {
	t.Parallel()
	const a, b = "127.0.0.3", "127.0.0.4"
	p := startPebble(t, time.Hour, a, b)
	p.addresses.Store(&[]string{b})
	store := redistest.Start(t).URL()
	p.holding.Store(true)
	first := upWithACME(t, p, a, "store", store, "shop.test")
	select {
	case <-p.held:
	case <-time.After(patience):
		t.Fatal("the first gateway has not ordered")
	}
	second := upWithACME(t, p, b, "store", store, "shop.test")
	kill(t, first.cmd.Process.Pid, syscall.SIGKILL)
	<-first.exited
	begun := time.Now()
	p.holding.Store(false)
	p.awaitCertificate(second, b, "shop.test", "")
	wantOrders(t, p, "after the takeover", 1, []string{"shop.test"})
	figure(t, "acme-takeover", "seconds", time.Since(begun).Seconds())
	second.stop()
}
