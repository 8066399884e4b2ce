package wire

import "sync"

// BufferSize is the size of a pooled buffer in bytes.
const BufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([BufferSize]byte) }}

// GetBuffer takes a buffer from a pool, so that idle connections hold none.
func GetBuffer() *[BufferSize]byte { return buffers.Get().(*[BufferSize]byte) }

// PutBuffer returns a buffer to the pool.
func PutBuffer(b *[BufferSize]byte) { buffers.Put(b) }
