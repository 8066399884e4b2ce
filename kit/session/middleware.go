package session

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

type contextKey struct{}

// Middleware gives each request its session, see [From]. It saves the changes and sets the cookie before the response
// header is written, so a client that has its response finds its changes on every node.
//
// A malformed cookie is ignored without asking the store. An unknown or expired one is ignored after one request to the
// store. In both cases nothing is stored.
//
// If the session could not be read or saved, OnError responds, and the response of the handler is dropped. A handler
// that can work without its session calls [Session.IgnoreStoreError]. If the session was ended during the request, its
// changes are dropped without an error, as if the logout had come after them. Changes of a handler that panics are
// dropped.
//
// A response that sets the cookie gets "Cache-Control: no-store". A response that used the session gets "Vary: Cookie".
func (all *Sessions) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := all.Open(all.tokenOf(r))
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, s))
		res := &responseWriter{ResponseWriter: w, request: r, session: s, original: w.Header().Clone()}
		next.ServeHTTP(res, r)
		res.commit()
	})
}

// From returns the session of a request that came through Middleware. It panics for any other context: then the handler
// is not wrapped in Middleware.
func From(ctx context.Context) *Session {
	s, ok := ctx.Value(contextKey{}).(*Session)
	if !ok {
		panic("session: this request did not come through Sessions.Middleware")
	}
	return s
}

// ServeError responds to a request that failed with an error of this package. It is the default of Options.OnError.
// Handlers may call it too:
//
//	ErrUnavailable, an ended context                503 with Retry-After: the visitor is still logged in
//	ErrReadOnly, ErrGone, ErrConflict, ErrOtherUser 409: the session has changed during the request
//	ErrLimit                                        413
//	ErrInvalid                                      400
//	any other error                                 500
func ServeError(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case is(err, ErrUnavailable, context.Canceled, context.DeadlineExceeded):
		w.Header().Set("Retry-After", "5")
		http.Error(w, "your session is not available at the moment: try again", http.StatusServiceUnavailable)
	case is(err, ErrOtherUser):
		http.Error(w, "another user is logged in: log out first", http.StatusConflict)
	case is(err, ErrReadOnly, ErrGone, ErrConflict):
		http.Error(w, "your session has changed: reload the page", http.StatusConflict)
	case is(err, ErrLimit):
		http.Error(w, "your session is full", http.StatusRequestEntityTooLarge)
	case is(err, ErrInvalid):
		http.Error(w, "invalid request", http.StatusBadRequest)
	default:
		http.Error(w, "internal server error", http.StatusInternalServerError)
	}
}

// is reports whether err is one of the targets.
func is(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// tokenOf returns the first well-formed token in the cookies of the request, or "".
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

// cookie returns a cookie with a token. With an empty token it deletes the cookie.
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

// commit saves the changes. It returns the cookie to set, or nil, and whether the session was used. From then on the
// header counts as written.
func (s *Session) commit(ctx context.Context) (cookie *http.Cookie, used bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.headerWritten = true }()
	if s.storeErr != nil {
		return nil, true, s.storeErr
	}
	if err := s.save(ctx); err != nil && !errors.Is(err, ErrGone) {
		return nil, true, err
	}
	switch {
	case s.sendToken && s.record.state == active:
		cookie = s.all.cookie(s.token)
	case s.clearToken:
		cookie = s.all.cookie("")
	}
	return cookie, s.used, nil
}
