package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// grpcConns has the connections to one node for gRPC. They use HTTP/2. gRPC needs it, for trailers and for
// streams in both directions. All other requests use HTTP/1.1, which costs less per request.
type grpcConns struct {
	scheme    string
	transport *http.Transport
	maxLines  int // of a response header

	mu   sync.Mutex
	open map[*grpcConn]struct{}
}

// grpcConn is a connection that is in grpcConns.open until it is closed.
type grpcConn struct {
	net.Conn
	conns *grpcConns
}

func newGRPCConns(d *dialer, s config.Service) *grpcConns {
	c := &grpcConns{scheme: "http", maxLines: s.Response.HeaderLines, open: make(map[*grpcConn]struct{})}
	c.transport = &http.Transport{
		DisableCompression:     true,
		IdleConnTimeout:        s.IdleTimeout,
		MaxResponseHeaderBytes: int64(s.Response.HeaderBytes),
		Protocols:              new(http.Protocols),
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		nc, err := d.dialPlain(ctx)
		if err != nil {
			return nil, err
		}
		return d.handshake(ctx, c.add(nc), protocolHTTP2)
	}
	if d.secure {
		c.scheme = "https"
		c.transport.DialTLSContext = dial
		c.transport.Protocols.SetHTTP2(true)
	} else {
		c.transport.DialContext = dial
		c.transport.Protocols.SetUnencryptedHTTP2(true)
	}
	return c
}

// roundTrip sends req to the node. Errors are *[client.Error].
func (c *grpcConns) roundTrip(req *http.Request) (*http.Response, error) {
	u := *req.URL
	u.Scheme, u.Host = c.scheme, "node"
	req.URL = &u
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		stage := client.Sent
		if e := (*net.OpError)(nil); errors.As(err, &e) && e.Op == "dial" {
			stage = client.NotSent
		}
		if strings.Contains(err.Error(), "response header list larger") { // net/http does not export this error
			err = &client.LimitError{Limit: client.LimitHeaderBytes, Value: int(c.transport.MaxResponseHeaderBytes)}
		}
		return nil, &client.Error{Stage: stage, Err: err}
	}
	if headerLines(resp.Header) > c.maxLines {
		resp.Body.Close()
		return nil, &client.Error{Stage: client.Sent, Err: &client.LimitError{Limit: client.LimitHeaderLines, Value: c.maxLines}}
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
func (c *grpcConns) closeIdle() { c.transport.CloseIdleConnections() }

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
