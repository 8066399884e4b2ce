package exchange

import (
	"net/http"
	"strings"
)

// IsGRPC reports whether a request is a gRPC call. Those go to the nodes over HTTP/2.
func IsGRPC(r *http.Request) bool {
	return r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}
