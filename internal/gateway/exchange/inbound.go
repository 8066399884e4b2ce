package exchange

import (
	"net/http"
	"time"
)

// Inbound is what the engine knows about a request and its connection, and how the other steps control the reading of
// the request's body. Its methods are safe for concurrent use.
type Inbound interface {
	// Refusal returns the refusal of a request that breaks the protocol: in its header, or since then in its body. It
	// returns nil for a request without fault.
	Refusal() *Refusal

	// BodyFault returns the error with which reading the body ended, if that error has cancelled the request.
	BodyFault() error

	// RespondEarly prepares a response that starts before the request's body has been read. The rest of the body may
	// still be read. It is called before the response's header is written.
	RespondEarly()

	// AbandonBody is RespondEarly for a response after which the body is not read any more.
	AbandonBody()

	// SetReason sets the reason phrase of the response with a status, and fields of its header that the server would
	// remove. It is called before the response's header is written.
	SetReason(status int, phrase string, fields http.Header)

	// ReadBodyBy sets the time by which the whole body must have been read. Reads fail after it.
	ReadBodyBy(time.Time)

	// SetReadDeadline sets the time by which the next piece of the body must have been read. Zero means no limit.
	SetReadDeadline(time.Time)
}

// Refusal is the error of a request that breaks the protocol, with the status of the response.
type Refusal struct {
	Status    int
	Reason    string // a sentence for the client
	PlainHTTP bool   // the request came without TLS to a listener that speaks TLS
}

func (r *Refusal) Error() string { return r.Reason }

// Refusal returns why the engine refused the request or its body; nil for a request without fault.
func (x *Exchange) Refusal() *Refusal {
	if x == nil || x.Inbound == nil {
		return nil
	}
	return x.Inbound.Refusal()
}

// BodyFault returns the error with which reading the request's body ended, if that error has cancelled the request. It
// tells a broken body from a client that went away: the request's context says only that it is cancelled.
func (x *Exchange) BodyFault() error {
	if x == nil || x.Inbound == nil {
		return nil
	}
	return x.Inbound.BodyFault()
}

// RespondEarly is called before the header of a response is written while the request's body may still be read.
func (x *Exchange) RespondEarly() {
	if x != nil && x.Inbound != nil {
		x.Inbound.RespondEarly()
	}
}

// AbandonBody is called before the header of a response is written when the rest of the request's body is not needed.
func (x *Exchange) AbandonBody() {
	if x != nil && x.Inbound != nil {
		x.Inbound.AbandonBody()
	}
}

// SetReason is called before the header of a response is written whose reason phrase is not the usual one of its status,
// or that has fields which a server removes.
func (x *Exchange) SetReason(status int, phrase string, fields http.Header) {
	if x != nil && x.Inbound != nil {
		x.Inbound.SetReason(status, phrase, fields)
	}
}

// ReadBodyBy sets the time by which the whole body of the request must have been read. Reads fail after it.
func (x *Exchange) ReadBodyBy(t time.Time) {
	if x != nil && x.Inbound != nil {
		x.Inbound.ReadBodyBy(t)
	}
}

// SetReadDeadline sets the time by which the next piece of the body must have been read. Zero means no limit.
func (x *Exchange) SetReadDeadline(t time.Time) {
	if x != nil && x.Inbound != nil {
		x.Inbound.SetReadDeadline(t)
	}
}
