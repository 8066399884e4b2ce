package gateway

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// outgoing returns the request that the node gets, with the context: r without the fields of the client's connection. It
// changes the header of r, which no step needs any more. protocols are those that the service may switch to.
func outgoing(ctx context.Context, r *http.Request, protocols []string) *http.Request {
	upgrade := wantedUpgrade(r, protocols)
	out := r.WithContext(ctx)
	out.RequestURI = ""
	out.Close = false
	out.Trailer = nil // some servers add trailers to the header, where they would have bypassed every policy
	if r.ContentLength == 0 {
		out.Body = http.NoBody // over HTTP/2, a request without a body has a reader, too
	}
	trailers := hasToken(r.Header["Te"], "trailers")
	wire.RemoveHopByHop(out.Header)
	exchange.From(r).PutRequestID(out.Header)
	if upgrade != "" {
		out.Header["Connection"] = []string{"Upgrade"}
		out.Header["Upgrade"] = []string{upgrade}
	}
	if trailers {
		out.Header["Te"] = []string{"trailers"}
	}
	if len(out.Header["Expect"]) > 0 && !keepsExpect(out) {
		delete(out.Header, "Expect")
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // else the HTTP/2 client would add its own
	}
	return out
}

// keepsExpect reports whether the node decides about Expect: 100-continue (RFC 9110 section 10.1.1). The client sends
// the body when the node has asked for it. A body that is in memory needs no decision any more, and HTTP/1.0 has none.
// The transport for gRPC does not wait for the node.
func keepsExpect(r *http.Request) bool {
	x := exchange.From(r)
	return r.Body != nil && r.Body != http.NoBody && r.ProtoAtLeast(1, 1) && !exchange.IsGRPC(r) && (x == nil || !x.BodyInMemory)
}

// copyHeader copies the end-to-end fields of src to dst. It removes the others from src.
func copyHeader(dst, src http.Header) {
	wire.RemoveHopByHop(src)
	maps.Copy(dst, src)
}

// wantedUpgrade returns the protocols that a request asks for and the service accepts, as a value of the Upgrade field; ""
// for none. No other upgrade is passed on: above all with h2c, a client could send requests to a node past every policy.
// protocols are in lower case.
func wantedUpgrade(r *http.Request, protocols []string) string {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.ContentLength != 0 || !hasToken(r.Header["Connection"], "upgrade") {
		return ""
	}
	var wanted []string
	for _, list := range r.Header["Upgrade"] {
		for protocol := range strings.SplitSeq(list, ",") {
			protocol = wire.TrimOWS(protocol)
			name := strings.ToLower(protocol)
			if !slices.Contains(protocols, name) || name == webSocket && r.Method != http.MethodGet {
				continue
			}
			if name == webSocket {
				protocol = name
			}
			wanted = append(wanted, protocol)
		}
	}
	return strings.Join(wanted, ", ")
}

const webSocket = "websocket"

// hasToken reports whether comma-separated lists contain a token, which is in lower case.
func hasToken(lists []string, token string) bool {
	return slices.ContainsFunc(lists, func(list string) bool { return wire.HasToken(list, token) })
}
