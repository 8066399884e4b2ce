package exchange

import "bytes"

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
