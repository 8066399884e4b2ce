package upstream

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
)

// resolver has the addresses of one name.
type resolver struct{ ips atomic.Pointer[[]string] }

func (r *resolver) set(ips ...string) { r.ips.Store(&ips) }

func (r *resolver) lookup(_ context.Context, host string) ([]string, error) {
	ips := *r.ips.Load()
	if host != "app.test" || len(ips) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return append([]string(nil), ips...), nil
}

// Requests to a node with a name follow the name to its new address, and the connections to the old one are closed.
func TestTrafficFollowsTheName(t *testing.T) {
	old := serveCounting(t, "127.0.0.1:0", 1)
	_, port, _ := net.SplitHostPort(old.Listener.Addr().String())
	moved := serveCounting(t, "127.0.0.2:"+port, 1)
	var names resolver
	names.set("127.0.0.1")
	p := startPool(t, "probe: {interval: 10ms}", &Options{LookupHost: names.lookup}, "app.test:"+port)
	if err := p.AwaitReady(t.Context(), "shop-1"); err != nil {
		t.Fatal(err)
	}
	answer := func() string {
		_, body, err := send(t.Context(), p, "GET", "")
		if err != nil {
			t.Error(err)
		}
		return body
	}
	if got := answer(); got != "127.0.0.1:0" {
		t.Errorf("the answer is from %q", got)
	}

	names.set("127.0.0.2", "127.0.0.1") // the order of a list of addresses says nothing
	before := moved.total.Load()
	for range 20 {
		p.members["shop-1"].dialer.resolve(t.Context())
		if got := answer(); got != "127.0.0.1:0" {
			t.Errorf("the answer is from %q although the name still has the old address", got)
		}
	}
	if moved.total.Load() != before {
		t.Error("a probe left an address that the name still has")
	}

	names.set("127.0.0.2")
	await(t, "requests reach the new address", func() bool { return answer() == "127.0.0.2:"+port })
	await(t, "the connections to the old address are closed", func() bool { return old.open.Load() == 0 })

	names.set() // a resolver that fails is no reason to give up the address
	for range 20 {
		if got := answer(); got != "127.0.0.2:"+port {
			t.Errorf("the answer is from %q while the name cannot be resolved", got)
		}
	}
}

// A name with several addresses is ready when one of them is.
func TestNameWithUnreachableAddress(t *testing.T) {
	s := serveCounting(t, "127.0.0.1:0", 1)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	var names resolver
	names.set("127.0.0.9", "127.0.0.1")
	p := startPool(t, "", &Options{LookupHost: names.lookup}, "app.test:"+port)
	if err := p.AwaitReady(t.Context(), "shop-1"); err != nil {
		t.Fatal(err)
	}
	if status, _, err := send(t.Context(), p, "GET", ""); status != 200 || err != nil {
		t.Errorf("%d %v", status, err)
	}
}

func TestUnknownNameFailsTheProbe(t *testing.T) {
	var names resolver
	names.set()
	d := &dialer{endpoint: parseEndpoint("other.test:80"), lookup: names.lookup}
	var dns *net.DNSError
	if _, _, err := d.dialProbe(t.Context()); !errors.As(err, &dns) {
		t.Errorf("%v, want an error of the resolver", err)
	}
}
