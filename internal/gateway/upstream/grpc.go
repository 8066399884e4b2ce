package upstream

import (
	"errors"
	"net"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// newGRPCTransport speaks HTTP/2 without TLS to the nodes. gRPC needs it (trailers, streams in both directions); everything
// else goes over HTTP/1.1, which is cheaper per request.
func newGRPCTransport() *http.Transport {
	t := &http.Transport{
		DisableCompression: true,
		DialContext:        (&net.Dialer{Timeout: dialTimeout}).DialContext,
		IdleConnTimeout:    maxIdleTime,
		Protocols:          new(http.Protocols),
	}
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

func (p *Pool) exchangeGRPC(m *member, req *http.Request) (*http.Response, error) {
	u := *req.URL
	u.Scheme, u.Host = "http", m.conns.address
	req.URL = &u
	resp, err := p.grpc.RoundTrip(req)
	if err != nil {
		stage := client.Sent
		if e := (*net.OpError)(nil); errors.As(err, &e) && e.Op == "dial" {
			stage = client.NotSent
		}
		return nil, &client.Error{Stage: stage, Err: err}
	}
	return resp, nil
}
