package exchange

import (
	"bytes"
	"net/http"
)

// MemoryBody is a request body in memory. It is used with Exchange.BodyInMemory; a pool that sees the MemoryBody itself
// sends it again without a copy.
type MemoryBody struct {
	bytes.Reader
	all []byte
}

// NewMemoryBody returns a body that reads b. The caller must not change b.
func NewMemoryBody(b []byte) *MemoryBody {
	m := &MemoryBody{all: b}
	m.Reset(b)
	return m
}

// Bytes returns the whole body, whatever has been read of it.
func (m *MemoryBody) Bytes() []byte { return m.all }

// Close does nothing.
func (m *MemoryBody) Close() error { return nil }

// HasBody reports whether a request may have a body. Over HTTP/2, r.Body is never http.NoBody, and a body may follow
// although the client announced a length of 0: such a body counts.
func HasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody &&
		(r.ContentLength != 0 || r.ProtoMajor == 2 && r.Header["Content-Length"] != nil)
}
