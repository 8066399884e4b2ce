package guard

import (
	"net/http"
	"strconv"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// Violations that only HTTP/2 allows on the wire.
var (
	badLength   = &wire.Violation{Status: 400, Reason: "invalid Content-Length"}
	manyLengths = &wire.Violation{Status: 400, Reason: "more than one Content-Length"}
	missingBody = &wire.Violation{Status: 400, Reason: "the request ends before the length in Content-Length"}
	outerSpace  = &wire.Violation{Status: 400, Reason: "whitespace around a header value"}
)

// RefusalHTTP2 applies the rules of the guard to a request that net/http's HTTP/2 server has read. That server checks
// less than RFC 9113 section 8 requires. Its results are those of Refusal.
func RefusalHTTP2(r *http.Request) (status int, reason string, ok bool) {
	if v := checkHTTP2(r); v != nil {
		return v.Status, v.Reason, true
	}
	return 0, "", false
}

func checkHTTP2(r *http.Request) *wire.Violation {
	if r.Method != http.MethodConnect && (!wire.ValidTarget(r.RequestURI) || !validEscapes([]byte(r.RequestURI))) {
		return badTarget
	}
	for _, values := range r.Header {
		for _, v := range values {
			if len(wire.TrimOWS(v)) != len(v) { // RFC 9113 section 8.2.1
				return outerSpace
			}
		}
	}
	for _, v := range r.Header["Expect"] {
		if !wire.EqualFold(v, "100-continue") {
			return unknownExpect
		}
	}
	return checkLength(r)
}

// checkLength compares Content-Length with the length that the server uses: 0 for a request without a body, and for a
// length that it cannot read (RFC 9113 section 8.1.1).
func checkLength(r *http.Request) *wire.Violation {
	values := r.Header["Content-Length"]
	switch {
	case len(values) == 0:
		return nil
	case len(values) > 1:
		return manyLengths
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	switch {
	case err != nil:
		return badLength
	case int64(n) != r.ContentLength:
		return missingBody
	}
	return nil
}
