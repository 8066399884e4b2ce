package idempotent

import (
	"encoding/binary"
	"fmt"

	"github.com/tenfold-go/tenfold/internal/gateway/response"
)

// result is what is recorded under a key: that its request is done, and its response if that was kept.
type result struct {
	response response.Response // with kept false only the status; status 0 if the result cannot be read
	kept     bool
}

// The first byte of a stored result.
const (
	formKept   = 1 // a response follows
	formUnkept = 2 // a status follows
)

func (r result) encode() []byte {
	if !r.kept {
		return binary.BigEndian.AppendUint16([]byte{formUnkept}, uint16(r.response.Status))
	}
	return r.response.Append(append(make([]byte, 0, 1+r.response.Size()), formKept))
}

// decodeResult reads a stored result. The body of the response is part of b.
func decodeResult(b []byte) (r result, err error) {
	if len(b) == 0 {
		return result{}, fmt.Errorf("%w: no bytes", response.ErrMalformed)
	}
	switch form := b[0]; form {
	case formKept:
		r.kept = true
		r.response, err = response.Decode(b[1:])
	case formUnkept:
		var rest []byte
		r.response.Status, rest, err = response.CutStatus(b[1:])
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%w: bytes after the status", response.ErrMalformed)
		}
	default:
		err = fmt.Errorf("%w: form %d", response.ErrMalformed, form)
	}
	if err != nil {
		return result{}, err
	}
	return r, nil
}
