package policy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tenfold-go/tenfold/internal/gateway/exchange"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
	"github.com/tenfold-go/tenfold/internal/http1/client"
	"github.com/tenfold-go/tenfold/kit/idempotency"
)

// roomBytes is what the bodies of all requests with a key may take of a gateway's memory. Whoever wants to fill it must send
// it, and is refused when it is full; without an end, strangers who never finish their bodies could have all memory.
const roomBytes = 256 << 20

// room is memory that requests share.
type room struct{ free atomic.Int64 }

// take reports whether there are n bytes left, and takes them then.
func (m *room) take(n int) bool {
	if m.free.Add(-int64(n)) >= 0 {
		return true
	}
	m.give(n)
	return false
}

func (m *room) give(n int) { m.free.Add(int64(n)) }

// kept is the body of one request in memory.
type kept struct {
	room *room
	b    []byte // all of whose capacity is taken from room
}

// release gives the memory back.
func (k *kept) release() {
	k.room.give(cap(k.b))
	k.b = nil
}

var errNoRoom = errors.New("bodies of requests with a key take all memory that they may have")

// read takes in a body to its end, or up to one byte more than most.
func (k *kept) read(body io.Reader, length int64, most int) error {
	for len(k.b) <= most {
		if len(k.b) == cap(k.b) {
			if err := k.grow(length, most); err != nil {
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

// firstBytes is what a body gets before any of it has come: who only announces a large one costs no more.
const firstBytes = 4 << 10

// grow doubles the memory, up to the length, which is -1 if it is not known, or to most. One byte more than that is for the
// end, or for what must not be there.
func (k *kept) grow(length int64, most int) error {
	end := most
	if length >= int64(len(k.b)) {
		end = int(min(length, int64(most)))
	}
	size := max(firstBytes, 2*cap(k.b))
	if size >= end {
		size = end + 1
	}
	if !k.room.take(size) {
		return errNoRoom
	}
	grown := make([]byte, len(k.b), size)
	copy(grown, k.b)
	k.room.give(cap(k.b))
	k.b = grown
	return nil
}

// admit reads the body of a request that may be done once into body. A problem refuses it; badKey is what is
// wrong with its key.
func (p *idempotent) admit(r *http.Request, badKey error, body *kept) *problem.Problem {
	switch {
	case exchange.IsGRPC(r):
		return &problem.Problem{Status: http.StatusUnsupportedMediaType, Reason: "key_with_grpc",
			Detail: "the answers of gRPC are streams, which cannot be given again under an Idempotency-Key"}
	case errors.Is(badKey, idempotency.ErrNoKey):
		return &problem.Problem{Status: http.StatusBadRequest, Reason: "key_missing", Detail: "this path wants an Idempotency-Key header, " +
			"so that a request that is sent twice is done once"}
	case badKey != nil:
		return &problem.Problem{Status: http.StatusBadRequest, Reason: "key_malformed", Detail: badKey.Error()}
	case r.ContentLength > int64(p.config.BodyBytes):
		return p.tooLarge()
	case r.Body == nil || r.Body == http.NoBody:
		return nil
	}
	exchange.From(r).ReadBodyBy(time.Now().Add(p.patience))
	err := body.read(r.Body, r.ContentLength, p.config.BodyBytes)
	switch {
	case err == errNoRoom:
		return &problem.Problem{Status: http.StatusServiceUnavailable, Reason: "bodies_full", RetryAfter: time.Second, Err: err,
			Detail: "too many requests with an Idempotency-Key are under way, and nothing was done: try again with the same key"}
	case err != nil:
		return problem.Of(r, &client.BodyError{Err: err})
	case len(body.b) > p.config.BodyBytes:
		return p.tooLarge()
	}
	return nil
}

func (p *idempotent) tooLarge() *problem.Problem {
	return &problem.Problem{Status: http.StatusRequestEntityTooLarge, Reason: "body_too_large",
		Detail: fmt.Sprintf("the body of a request with an Idempotency-Key may have %d bytes here", p.config.BodyBytes)}
}
