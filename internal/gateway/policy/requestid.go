package policy

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"sync"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
)

// RequestID gives every request an id: the one in X-Request-Id, from any client, if it is well-formed, or else a new one of
// 128 bits. The id goes to the service, to the client and into the log. It proves nothing: a client chooses its own.
func RequestID() Policy {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := ""
			if given := r.Header[exchange.RequestIDHeader]; len(given) == 1 && validRequestID(given[0]) {
				id = given[0]
			} else {
				id = newRequestID()
			}
			delete(r.Header, exchange.RequestIDHeader) // the proxy sets it
			w.Header()[exchange.RequestIDHeader] = exchange.From(r).SetRequestID(id)
			next.ServeHTTP(w, r)
		})
	}
}

const maxRequestID = 128

// validRequestID accepts letters, digits and a few characters that have no meaning in logs, shells and HTML.
func validRequestID(s string) bool {
	if s == "" || len(s) > maxRequestID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !unreserved(c) && c != ':' && c != '/' && c != '+' && c != '=' && c != '@' {
			return false
		}
	}
	return true
}

// idBlock is a number of ids as one text, so that an id costs a fraction of an allocation and of a system call.
type idBlock struct {
	text string
	used int
}

const (
	idBytes    = 16
	idDigits   = 2 * idBytes
	idsAtATime = 64
)

var idBlocks = sync.Pool{New: func() any { return &idBlock{} }}

func newRequestID() string {
	b := idBlocks.Get().(*idBlock)
	defer idBlocks.Put(b)
	if b.used == len(b.text) {
		var random [idsAtATime * idBytes]byte
		rand.Read(random[:]) // never fails
		b.text, b.used = hex.EncodeToString(random[:]), 0
	}
	b.used += idDigits
	return b.text[b.used-idDigits : b.used]
}
