package upstream

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// newGRPCTransport returns a transport that speaks HTTP/2 without TLS. gRPC needs it, for trailers and for streams in
// both directions. All other requests use HTTP/1.1, which costs less per request.
func newGRPCTransport(limits config.Response) *http.Transport {
	t := &http.Transport{
		DisableCompression:     true,
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		IdleConnTimeout:        maxIdleTime,
		MaxResponseHeaderBytes: int64(limits.HeaderBytes),
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

// roundTripGRPC sends req to the node at address. Errors are *[client.Error].
func roundTripGRPC(t *http.Transport, address string, req *http.Request) (*http.Response, error) {
	u := *req.URL
	u.Scheme, u.Host = "http", address
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
	return resp, nil
}
