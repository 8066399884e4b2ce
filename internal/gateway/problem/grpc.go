package problem

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// grpcCodes are the codes of gRPC for the statuses of problems. The rest of a request that fails is UNKNOWN, as in
// gRPC's own table for responses of proxies, or INTERNAL, if the client has caused it.
var grpcCodes = map[int]int{
	http.StatusBadRequest:            13, // INTERNAL
	http.StatusUnauthorized:          16, // UNAUTHENTICATED
	http.StatusForbidden:             7,  // PERMISSION_DENIED
	http.StatusNotFound:              12, // UNIMPLEMENTED
	http.StatusMethodNotAllowed:      12,
	http.StatusRequestTimeout:        4,  // DEADLINE_EXCEEDED
	http.StatusConflict:              10, // ABORTED
	http.StatusRequestEntityTooLarge: 8,  // RESOURCE_EXHAUSTED
	http.StatusUnsupportedMediaType:  12, // the method has another form only
	http.StatusUnprocessableEntity:   3,  // INVALID_ARGUMENT
	http.StatusTooManyRequests:       8,
	http.StatusBadGateway:            14, // UNAVAILABLE
	http.StatusServiceUnavailable:    14,
	http.StatusGatewayTimeout:        4,
}

func grpcCode(status int) int {
	if code, ok := grpcCodes[status]; ok {
		return code
	}
	if status < 500 {
		return 13
	}
	return 2
}

// writeGRPC answers a gRPC call in the form Trailers-Only: status 200 and the code of gRPC in the header. A client of
// gRPC does not read another status, nor a body. The exchange keeps the status of the problem, for the log.
func (p *Problem) writeGRPC(w http.ResponseWriter, r *http.Request) {
	if x := exchange.From(r); x != nil && x.Status == 0 {
		x.Status = p.Status
	}
	h := w.Header()
	h.Set("Content-Type", r.Header.Get("Content-Type"))
	h.Set("Grpc-Status", strconv.Itoa(grpcCode(p.Status)))
	h.Set("Grpc-Message", grpcMessage(p.Reason+": "+p.Detail))
	w.WriteHeader(http.StatusOK)
}

// grpcMessage percent-encodes a message as gRPC requires: all but printable ASCII, and the percent sign.
func grpcMessage(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			b.WriteString("%" + strings.ToUpper(strconv.FormatInt(int64(c)|0x100, 16)[1:]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
