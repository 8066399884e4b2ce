package idempotency

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
)

// ReplayedHeader marks an answer that was recorded before: its value is "true".
const ReplayedHeader = "Idempotency-Replayed"

// Handler answers a request and does what it asks through tx, which is committed together with the answer. The rules of
// [Effect] hold. r.Body is complete and in memory. The answer is held back until the commit, so w can neither flush nor
// hijack. If Handler returns an error, its answer is dropped and everything rolled back.
type Handler func(w http.ResponseWriter, r *http.Request, tx *sql.Tx) error

// Caller tells who sends a request, such as the user or tenant that a middleware before it has authenticated. Two callers
// never see each other's answers. The empty string refuses the request; a constant makes all callers one, who can then
// read each other's answers by guessing a key.
type Caller func(*http.Request) string

// Required returns next as an http.Handler for requests with an Idempotency-Key. What the client gets beside next's own
// answers, all as application/problem+json, is described at [ServeError]. An answer that is a repetition is marked
// "Idempotency-Replayed: true"; it has the recorded status, body and header, but for cookies and what belongs to one
// connection.
//
// Authentication, permissions and rate limits belong before it: a recorded answer is given without asking next.
func (s *Store) Required(caller Caller, next Handler) http.Handler {
	return &middleware{s, caller, next, true}
}

// Optional is like Required, but a request without a key is done at once, in a transaction of its own, and not recorded.
// The transaction is committed if the status is [Final].
func (s *Store) Optional(caller Caller, next Handler) http.Handler {
	return &middleware{s, caller, next, false}
}

type middleware struct {
	store    *Store
	caller   Caller
	next     Handler
	required bool
}

func (m *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	res, replayed, err := m.answer(w, r)
	if err != nil {
		if statusOf(err) >= 500 && r.Context().Err() == nil { // what fails because the client left is no fault
			m.store.o.Log.Error("request failed", "method", r.Method, "route", r.Pattern, "error", err)
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
	w.Write(res.Body) // the only error is a client that left, and it can ask again
}

// answer checks all that can be checked before it takes a connection, and reads the body: nobody holds a transaction open
// by sending slowly.
func (m *middleware) answer(w http.ResponseWriter, r *http.Request) (Response, bool, error) {
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
	return res, false, because(ctx, err)
}

// effect is the handler's run for a request whose body has been read.
func (m *middleware) effect(r *http.Request, body []byte) Effect {
	return func(ctx context.Context, tx *sql.Tx) (Response, error) {
		r := r.WithContext(ctx)
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := &recorder{header: http.Header{}, room: m.store.o.MaxResponse}
		if err := m.next(rec, r, tx); err != nil {
			return Response{}, err
		}
		return rec.response()
	}
}

// bodyError says that the request's body could not be read: too large, cut off or malformed.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "read request body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }
