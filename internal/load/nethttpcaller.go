package load

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
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
	repeated := 0
	resp, err := repeatClosed(c.transport, c.target.Request(limited), &repeated)
	if err == nil {
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
	}
	res := failure(ctx, err)
	if err == nil {
		res = result{kind: statusKind(resp.StatusCode)}
	}
	res.repeated = repeated
	return res
}

// maxSentAgain bounds how often a request is sent again: each kept connection of a pool may have been closed.
const maxSentAgain = 10

// repeatClosed sends a request over a pool of connections. It sends it again if the target closed a connection that had
// carried requests before any byte of the response. net/http does so itself for a GET. repeatClosed also does it for
// the other methods, and adds all repetitions to repeated.
func repeatClosed(transport *http.Transport, req *http.Request, repeated *int) (*http.Response, error) {
	for n := 0; ; n++ {
		var tries, used, answered atomic.Int64
		traced := req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) {
				tries.Add(1)
				used.Store(0)
				if info.Reused {
					used.Store(1)
				}
			},
			GotFirstResponseByte: func() { answered.Store(1) },
		}))
		resp, err := transport.RoundTrip(traced)
		*repeated += max(0, int(tries.Load())-1)
		if err == nil || n == maxSentAgain || req.Context().Err() != nil || used.Load() == 0 || answered.Load() != 0 ||
			!isClosed(err) {
			return resp, err
		}
		if req, err = rewound(req, err); err != nil {
			return nil, err
		}
		*repeated++
	}
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
