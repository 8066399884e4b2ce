package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// dialer opens the connections to one node, for requests and for probes. Requests go to the IP address that the last
// successful probe used.
type dialer struct {
	endpoint
	tls func() *tls.Config // for nodes that speak TLS

	lookup func(ctx context.Context, host string) ([]string, error) // see Options.LookupHost
	onMove func()                                                   // called when requests have to go to another address

	freeDescriptors func() // closes idle connections of all nodes; nil for none

	current atomic.Pointer[string] // the address of the last successful probe; nil before the first one
}

// Protocols for ALPN.
const (
	protocolHTTP1 = "http/1.1"
	protocolHTTP2 = "h2"
)

// dial connects to the node for requests over HTTP/1.1.
func (d *dialer) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	nc, err := d.dialPlain(ctx)
	if err != nil {
		return nil, err
	}
	return d.handshake(ctx, nc, protocolHTTP1)
}

// dialPlain connects to the node, and leaves the TLS handshake to the caller.
func (d *dialer) dialPlain(ctx context.Context) (net.Conn, error) {
	address := d.address
	if current := d.current.Load(); current != nil {
		address = *current
	}
	nc, err := d.connect(ctx, address)
	if err != nil && shortageOf(err) == "descriptors" && d.freeDescriptors != nil {
		d.freeDescriptors()
		nc, err = d.connect(ctx, address)
	}
	return nc, err
}

// handshake returns a connection that speaks TLS over nc if the node does, or else nc. It closes nc when it fails.
func (d *dialer) handshake(ctx context.Context, nc net.Conn, protocol string) (net.Conn, error) {
	if !d.secure {
		return nc, nil
	}
	c := d.tls().Clone()
	c.NextProtos = []string{protocol}
	if c.ServerName == "" {
		c.ServerName = d.hostname()
	}
	secured := tls.Client(nc, c)
	err := secured.HandshakeContext(ctx)
	if got := secured.ConnectionState().NegotiatedProtocol; err == nil && protocol == protocolHTTP2 && got != protocol {
		err = errors.New("the node does not offer HTTP/2 in its TLS handshake (ALPN)")
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secured, nil
}

func (d *dialer) connect(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext(ctx, d.network, address)
}

// dialProbe connects to the node for a probe, and returns the address that it used. It resolves the node's name again.
// It prefers the address of the last successful probe, if the name still has that address.
func (d *dialer) dialProbe(ctx context.Context) (nc net.Conn, address string, err error) {
	addresses, err := d.resolve(ctx)
	if err != nil {
		return nil, "", err
	}
	var errs []error
	for i, address := range addresses {
		nc, err := d.connectWithin(ctx, address, len(addresses)-i)
		if err == nil {
			nc, err = d.handshake(ctx, nc, protocolHTTP1)
		}
		if err == nil {
			return nc, address, nil
		}
		errs = append(errs, err)
	}
	return nil, "", errors.Join(errs...)
}

// resolve returns the addresses of the node, the preferred one first. When the name of the node cannot be resolved, it
// returns the address of the last successful probe.
func (d *dialer) resolve(ctx context.Context) ([]string, error) {
	if d.name == "" {
		return []string{d.address}, nil
	}
	current := d.current.Load()
	ips, err := d.lookup(ctx, d.name)
	if err == nil && len(ips) == 0 {
		err = &net.DNSError{Err: "no addresses", Name: d.name, IsNotFound: true}
	}
	switch {
	case err != nil && current != nil:
		return []string{*current}, nil
	case err != nil:
		return nil, err
	}
	_, port, _ := net.SplitHostPort(d.address)
	addresses := make([]string, len(ips))
	for i, ip := range ips {
		addresses[i] = net.JoinHostPort(ip, port)
		if current != nil && addresses[i] == *current {
			addresses[0], addresses[i] = addresses[i], addresses[0]
		}
	}
	return addresses, nil
}

// connectWithin connects in an equal share of the time that is left for n addresses.
func (d *dialer) connectWithin(ctx context.Context, address string, n int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(n))
		defer cancel()
	}
	return d.connect(ctx, address)
}

// use makes requests go to the address of a successful probe.
func (d *dialer) use(address string) {
	old := d.current.Swap(&address)
	if old != nil && *old != address {
		d.onMove()
	}
}
