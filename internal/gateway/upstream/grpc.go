package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// grpcConns has the connections to one node for gRPC. They use HTTP/2. gRPC needs it, for trailers and for
// streams in both directions. All other requests use HTTP/1.1, which costs less per request.
type grpcConns struct {
	dialer *dialer
	scheme string
	using  atomic.Pointer[grpcTransport]

	mu   sync.Mutex
	open map[*grpcConn]struct{}
}

// grpcTransport is the transport for one form of the settings.
type grpcTransport struct {
	*http.Transport
	maxLines int // of a response header
}

// grpcConn is a connection that is in grpcConns.open until it is closed.
type grpcConn struct {
	net.Conn
	conns *grpcConns
}

func newGRPCConns(d *dialer, s config.Service) *grpcConns {
	c := &grpcConns{dialer: d, scheme: "http", open: make(map[*grpcConn]struct{})}
	if d.secure {
		c.scheme = "https"
	}
	c.using.Store(c.transport(s))
	return c
}

// renew makes new connections follow the settings. The present ones are closed when they are idle.
func (c *grpcConns) renew(s config.Service) { c.using.Swap(c.transport(s)).CloseIdleConnections() }

func (c *grpcConns) transport(s config.Service) *grpcTransport {
	t := &http.Transport{
		DisableCompression:     true,
		IdleConnTimeout:        s.IdleTimeout,
		MaxResponseHeaderBytes: int64(s.Response.HeaderBytes),
		Protocols:              new(http.Protocols),
	}
	if c.dialer.secure {
		t.DialTLSContext = c.dial
		t.Protocols.SetHTTP2(true)
	} else {
		t.DialContext = c.dial
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return &grpcTransport{t, s.Response.HeaderLines}
}

func (c *grpcConns) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	nc, err := c.dialer.dialPlain(ctx)
	if err != nil {
		return nil, err
	}
	return c.dialer.handshake(ctx, c.add(nc), protocolHTTP2)
}

// roundTrip sends req to the node. Errors are *[client.Error].
func (c *grpcConns) roundTrip(req *http.Request) (*http.Response, error) {
	t := c.using.Load()
	u := *req.URL
	u.Scheme, u.Host = c.scheme, "node"
	req.URL = &u
	resp, err := t.RoundTrip(req)
	if err != nil {
		stage := client.Sent
		if e := (*net.OpError)(nil); errors.As(err, &e) && e.Op == "dial" {
			stage = client.NotSent
		}
		if strings.Contains(err.Error(), "response header list larger") { // net/http does not export this error
			err = &client.LimitError{Limit: client.LimitHeaderBytes, Value: int(t.MaxResponseHeaderBytes)}
		}
		return nil, &client.Error{Stage: stage, Err: err}
	}
	if headerLines(resp.Header) > t.maxLines {
		resp.Body.Close()
		return nil, &client.Error{Stage: client.Sent, Err: &client.LimitError{Limit: client.LimitHeaderLines, Value: t.maxLines}}
	}
	return resp, nil
}

func headerLines(h http.Header) (n int) {
	for _, values := range h {
		n += len(values)
	}
	return n
}

func (c *grpcConns) add(nc net.Conn) *grpcConn {
	k := &grpcConn{nc, c}
	c.mu.Lock()
	c.open[k] = struct{}{}
	c.mu.Unlock()
	return k
}

func (k *grpcConn) Close() error {
	k.conns.mu.Lock()
	delete(k.conns.open, k)
	k.conns.mu.Unlock()
	return k.Conn.Close()
}

// closeIdle closes the connections without a stream.
func (c *grpcConns) closeIdle() { c.using.Load().CloseIdleConnections() }

// close closes all connections. The transport learns late that a stream has ended, so that it may still regard a
// connection as busy when the last request of the node has ended.
func (c *grpcConns) close() {
	c.closeIdle()
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.open {
		k.Conn.Close()
	}
	clear(c.open)
}
