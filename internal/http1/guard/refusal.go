package guard

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// refusalHeader marks a request that replaces a refused one. Its value begins with a secret of this process. The guard
// drops a client's field of that name, so that clients cannot forge one.
const refusalHeader = "Tenfold-Refusal"

var refusalSecret = rand.Text()

// Refusal reports whether the guard refused the request, in its head or since then in its body, and returns the status
// and the reason to answer with. The outermost handler calls it first, and again after reading the body failed. Such a
// request has no body. Its method, URL and Host are those of the refused request as far as they are valid, for the log.
func Refusal(r *http.Request) (status int, reason string, ok bool) {
	if values := r.Header[refusalHeader]; len(values) == 1 {
		secret, rest, _ := strings.Cut(values[0], " ")
		if subtle.ConstantTimeCompare([]byte(secret), []byte(refusalSecret)) == 1 {
			code, reason, _ := strings.Cut(rest, " ")
			status, err := strconv.Atoi(code)
			return status, reason, err == nil
		}
	}
	if c, _ := r.Context().Value(connKey{}).(*conn); c != nil {
		if v := c.bodyViolation.Load(); v != nil {
			return v.Status, v.Reason, true
		}
	}
	return 0, "", false
}

// RefusedError is the error of reading a request body that breaks the protocol. net/http cancels the context of the
// request at the same time, as it does when the client disconnects. Refusal tells the two apart.
type RefusedError struct {
	Status int
	Reason string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("request refused with %d: %s", e.Status, e.Reason)
}

// appendRefusal writes the request that replaces a refused one.
func (r *requestHead) appendRefusal(b []byte, v *wire.Violation) []byte {
	method, target := r.method, r.target
	if method == nil {
		method = []byte("GET")
	}
	if target == nil || target[0] != '/' { // net/http answers OPTIONS * without the handler, and may reject other forms
		target = []byte("/")
	}
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.host...)
	b = append(b, "\r\nConnection: close\r\n"+refusalHeader+": "...)
	b = append(b, refusalSecret...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(v.Status), 10)
	b = append(b, ' ')
	b = append(b, v.Reason...)
	return append(b, "\r\n\r\n"...)
}
