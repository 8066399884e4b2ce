package load

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"
)

// netHTTPCaller repeats one request with net/http, which supports TLS and HTTP/2. It costs several times as much CPU
// time as rawCaller. All users share its connections.
type netHTTPCaller struct {
	target    *Target
	transport *http.Transport
}

func (c *netHTTPCaller) visit(ctx context.Context, u *user, scheduled, free time.Duration) visitEnd {
	sent := u.run.now()
	res := c.exchange(ctx, u.run.options.Timeout)
	done := u.run.now()
	u.tally.request(scheduled, free, sent, done, res)
	return visitEnd{at: done, aborted: res.aborted, refused: res.noLatency}
}

func (c *netHTTPCaller) exchange(ctx context.Context, timeout time.Duration) result {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := c.transport.RoundTrip(c.target.request(limited))
	if err != nil {
		return failure(ctx, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return failure(ctx, err)
	}
	return result{kind: statusKind(resp.StatusCode)}
}

func (c *netHTTPCaller) tryVisits(ctx context.Context, u *user) {
	now := u.run.now()
	c.visit(ctx, u, now, now)
}

func (c *netHTTPCaller) close() {}

func newTransport(o *Options) *http.Transport {
	config := o.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: o.Timeout, KeepAlive: -1}).DialContext,
		TLSClientConfig:     config,
		ForceAttemptHTTP2:   true,
		MaxConnsPerHost:     o.Connections,
		MaxIdleConns:        o.Connections,
		MaxIdleConnsPerHost: o.Connections,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}
}
