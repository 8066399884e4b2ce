package idempotency

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
)

// ReplayedHeader marks a response that was recorded before. Its value is "true".
const ReplayedHeader = "Idempotency-Replayed"

// Handler responds to a request and does its work through tx, which is committed together with the response. The rules
// of [Effect] hold for it. r.Body is complete and in memory. The response is held back until the commit, so w can
// neither flush nor hijack. If Handler returns an error, its response is dropped and everything is rolled back.
type Handler[T any] func(w http.ResponseWriter, r *http.Request, tx T) error

// Caller returns who sends a request, for example the user or tenant that a middleware has authenticated. A caller
// never gets the response of another caller. An empty string refuses the request. With a constant, all clients are one
// caller: each of them can then read the responses of the others by guessing a key.
type Caller func(*http.Request) string

// Required returns next as an http.Handler for requests with an Idempotency-Key. [ServeError] lists the responses that
// next does not write itself. A repeated response is marked "Idempotency-Replayed: true". It has the recorded status,
// header and body, without cookies and without the header fields of a connection.
//
// Place authentication, permissions and rate limits before it: a recorded response is sent without asking next.
func (s *Store[T]) Required(caller Caller, next Handler[T]) http.Handler {
	return &middleware[T]{s, caller, next, true}
}

// Optional is like Required, but a request without a key is processed at once, in a separate transaction, and not recorded.
// The transaction is committed if the status is one that would be recorded (see [Response]).
func (s *Store[T]) Optional(caller Caller, next Handler[T]) http.Handler {
	return &middleware[T]{s, caller, next, false}
}

type middleware[T any] struct {
	store    *Store[T]
	caller   Caller
	next     Handler[T]
	required bool
}

func (m *middleware[T]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	res, replayed, err := m.respond(w, r)
	if err != nil {
		if statusOf(err) >= 500 && r.Context().Err() == nil { // a client that disconnects is no fault
			m.store.o.Log.Error("request failed", "method", r.Method, "route", r.Pattern, "err", err)
		}
		m.store.o.OnError(w, r, err)
		return
	}
	header := w.Header()
	maps.Copy(header, res.Header)
	if replayed {
		header.Set(ReplayedHeader, "true")
	}
	if bodyAllowed(res.Status) {
		header.Set("Content-Length", strconv.Itoa(len(res.Body)))
	}
	w.WriteHeader(res.Status)
	w.Write(res.Body) // fails only if the client has disconnected; its retry gets the recorded response
}

// respond checks everything that it can check before it takes a connection, and reads the body: a client that sends
// slowly must not keep a transaction open.
func (m *middleware[T]) respond(w http.ResponseWriter, r *http.Request) (Response, bool, error) {
	value, err := KeyOf(r)
	if err != nil && (m.required || !errors.Is(err, ErrNoKey)) {
		return Response{}, false, err
	}
	keyed := err == nil
	key := Key{Value: value}
	if keyed {
		key.Caller = m.caller(r)
		if err := key.check(); err != nil {
			return Response{}, false, err
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(m.store.o.MaxBody)))
	if err != nil {
		return Response{}, false, &bodyError{err}
	}
	effect := m.effect(r, body)
	if keyed {
		return m.store.Do(r.Context(), key, FingerprintOf(r, body), effect)
	}
	ctx, cancel := context.WithTimeout(r.Context(), m.store.o.Timeout)
	defer cancel()
	res, _, err := m.store.transact(ctx, nil, effect)
	return res, false, withCause(ctx, err)
}

// effect returns an Effect that runs the handler for a request whose body has been read.
func (m *middleware[T]) effect(r *http.Request, body []byte) Effect[T] {
	return func(ctx context.Context, tx T) (Response, error) {
		r := r.WithContext(ctx)
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := &responseRecorder{header: http.Header{}, maxBody: m.store.o.MaxResponse}
		if err := m.next(rec, r, tx); err != nil {
			return Response{}, err
		}
		return rec.response()
	}
}

// bodyError says that the body of a request could not be read: it was too large, incomplete or malformed.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "read request body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }
