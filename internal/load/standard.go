package load

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"
)

// standard is the slow caller: net/http, which speaks TLS and HTTP/2. All users share its connections.
type standard struct {
	target    *Target
	transport *http.Transport
}

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

func (s *standard) visit(u *user, intended, free time.Duration) (done time.Duration, cut bool) {
	sent := u.run.now()
	ctx, cancel := context.WithTimeout(u.run.cut, u.run.options.Timeout)
	defer cancel()
	resp, err := s.transport.RoundTrip(s.target.request(ctx))
	var a answer
	if err == nil {
		a.fault = statusFault(resp.StatusCode)
		a.bytes, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if err != nil {
		a = failed(u.run, err)
	}
	done = u.run.now()
	u.tally.request(intended, free, sent, done, a)
	if a.none && !a.cut && u.run.line == nil {
		u.run.pause(refusedPause)
		done = u.run.now()
	}
	return done, a.cut
}

func (s *standard) rehearse(u *user) { rehearseOnce(s, u) }

func (s *standard) close() {}
