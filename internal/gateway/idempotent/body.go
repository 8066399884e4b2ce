package idempotent

import (
	"errors"
	"io"
	"sync/atomic"
)

// bodyMemory limits the memory that the request bodies of a gateway take together. A client must send a body to use up the
// memory. Without the limit, clients that never finish their bodies could use up all memory.
const bodyMemory = 256 << 20

// memoryBudget is memory that requests share.
type memoryBudget struct{ free atomic.Int64 }

// take reports whether n bytes are available, and if so takes them.
func (m *memoryBudget) take(n int) bool {
	if m.free.Add(-int64(n)) >= 0 {
		return true
	}
	m.give(n)
	return false
}

func (m *memoryBudget) give(n int) { m.free.Add(int64(n)) }

var errMemoryLimit = errors.New("memory limit for request bodies with an Idempotency-Key reached")

// bufferedBody is the body of one request in memory.
type bufferedBody struct {
	budget *memoryBudget
	b      []byte // its capacity is taken from the budget
}

// release returns the memory to the budget.
func (k *bufferedBody) release() {
	k.budget.give(cap(k.b))
	k.b = nil
}

// read reads a body to its end, but at most limit+1 bytes. length is the announced length, or -1. It returns errMemoryLimit when
// the budget is used up.
func (k *bufferedBody) read(body io.Reader, length int64, limit int) error {
	for len(k.b) <= limit {
		if len(k.b) == cap(k.b) {
			if err := k.grow(length, limit); err != nil {
				return err
			}
		}
		n, err := body.Read(k.b[len(k.b):cap(k.b)])
		k.b = k.b[:len(k.b)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// firstBytes is the memory for a body before any byte has come. So a large announced length alone costs no more.
const firstBytes = 4 << 10

// grow doubles the memory, up to the length of the body, or to limit if the length is not known. One further byte serves to find
// the end of the body, or a byte too many.
func (k *bufferedBody) grow(length int64, limit int) error {
	end := limit
	if length >= int64(len(k.b)) {
		end = int(min(length, int64(limit)))
	}
	size := max(firstBytes, 2*cap(k.b))
	if size >= end {
		size = end + 1
	}
	if !k.budget.take(size) {
		return errMemoryLimit
	}
	grown := make([]byte, len(k.b), size)
	copy(grown, k.b)
	k.budget.give(cap(k.b))
	k.b = grown
	return nil
}
