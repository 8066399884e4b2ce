package session

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

type contextKey struct{}

// Middleware gives each request its session, see [From]. What changed is saved before the response header is written, and
// the cookie set with it, so a client that has its answer finds its changes on every node.
//
// A cookie that is malformed in any way is no session, and costs no look-up. Nor is one that is unknown or expired. Neither
// stores anything.
//
// If the session could not be read or saved, OnError answers in place of the handler, whose response is dropped; see
// [Session.Dismiss] for handlers that can do without. Changes of a session that was ended meanwhile are dropped silently: the
// logout came right after them. Changes of a handler that panics are dropped.
//
// Responses that set the cookie are marked "Cache-Control: no-store", those that used the session "Vary: Cookie".
func (all *Sessions) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := all.Open(all.tokenOf(r))
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, s))
		res := &response{ResponseWriter: w, request: r, session: s, before: w.Header().Clone()}
		next.ServeHTTP(res, r)
		res.begin()
	})
}

// From returns the session of a request that came through Middleware. It panics for any other context, because then the
// Middleware was forgotten.
func From(ctx context.Context) *Session {
	s, ok := ctx.Value(contextKey{}).(*Session)
	if !ok {
		panic("session: this request did not come through Sessions.Middleware")
	}
	return s
}

// ServeError answers a request that failed with an error of this package. It is the default of Options.OnError, and handlers
// may use it too:
//
//	ErrUnavailable                                 503 with Retry-After: the visitor is still logged in, trying again is right
//	ErrReadOnly, ErrGone, ErrConflict, ErrOtherUser 409: the session is not what it was when the request came
//	ErrLimit                                       413
//	ErrInvalid                                     400
//	any other                                      500; 503 if the request's time was up
func ServeError(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case is(err, ErrUnavailable, context.Canceled, context.DeadlineExceeded):
		w.Header().Set("Retry-After", "5")
		http.Error(w, "your session cannot be read right now: try again in a moment", http.StatusServiceUnavailable)
	case is(err, ErrOtherUser):
		http.Error(w, "somebody else is logged in here: log out first", http.StatusConflict)
	case is(err, ErrReadOnly, ErrGone, ErrConflict):
		http.Error(w, "your session has just changed: reload the page", http.StatusConflict)
	case is(err, ErrLimit):
		http.Error(w, "your session has no room for this", http.StatusRequestEntityTooLarge)
	case is(err, ErrInvalid):
		http.Error(w, "this request is not valid", http.StatusBadRequest)
	default:
		http.Error(w, "internal server error", http.StatusInternalServerError)
	}
}

func is(err error, any ...error) bool {
	return slices.ContainsFunc(any, func(e error) bool { return errors.Is(err, e) })
}

// tokenOf returns the first well-formed token among the request's cookies.
func (all *Sessions) tokenOf(r *http.Request) string {
	for _, c := range r.CookiesNamed(all.cookieName()) {
		if _, ok := parseToken(c.Value); ok {
			return c.Value
		}
	}
	return ""
}

func (all *Sessions) cookieName() string {
	if all.o.Insecure {
		return all.o.Cookie
	}
	return "__Host-" + all.o.Cookie
}

// cookie carries a token, or deletes the cookie when there is none.
func (all *Sessions) cookie(token string) *http.Cookie {
	c := &http.Cookie{
		Name: all.cookieName(), Value: token, Path: "/",
		Secure: !all.o.Insecure, HttpOnly: true, SameSite: all.o.SameSite,
	}
	switch {
	case token == "":
		c.MaxAge = -1
	case all.o.Persistent:
		c.MaxAge = int(all.o.Absolute / time.Second)
	}
	return c
}

// commit saves what changed and returns the cookie to set, if any, and whether the session was used. From then on the header
// counts as written.
func (s *Session) commit(ctx context.Context) (cookie *http.Cookie, used bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.sealed = true }()
	if s.fault != nil {
		return nil, true, s.fault
	}
	if err := s.save(ctx); err != nil && !errors.Is(err, ErrGone) {
		return nil, true, err
	}
	switch {
	case s.issue && s.record.state == live:
		cookie = s.all.cookie(s.token)
	case s.clear:
		cookie = s.all.cookie("")
	}
	return cookie, s.used, nil
}
