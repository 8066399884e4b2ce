package session

import (
	"context"
	"errors"
	"sync"
)

// Session is one visitor's session, for as long as one request. Get it with [From] or [Sessions.Open]. Its methods may be
// called concurrently; they take turns.
//
// The store is asked once, at first use: a request that never uses its session costs nothing, and does not keep it alive.
// Every method that does I/O may return ErrUnavailable, or the error of a context that was cancelled.
type Session struct {
	all *Sessions

	mu      sync.Mutex // held during I/O too: what happens to one session of one request has an order
	token   string     // proves that the session is ours; "" while nothing is stored
	id      string
	brought bool // the visitor came with a token
	used    bool // somebody asked for something
	loaded  bool
	record  record
	pending changes
	begun   bool // is to be stored, even without a field
	sealed  bool // the header is out: no cookie can be set, changes are saved at once
	issue   bool // the visitor has to get the token
	clear   bool // the visitor has to forget the token
	fault   error
}

// restart makes it an empty session of which nothing is stored.
func (s *Session) restart() {
	s.token, s.id, s.loaded, s.record, s.pending, s.begun, s.issue = "", newID(), true, record{}, nil, false, false
}

// ID names the session in logs and as owner of other data, such as a guest's cart. It proves nothing, so it is no secret;
// it stays the same through Login and Renew. It is "" as long as the session is not stored nor about to be: see Begin.
func (s *Session) ID(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return "", err
	}
	if s.record.state == ended || s.record.state == fresh && !s.begun {
		return "", nil
	}
	return s.id, nil
}

// Begin makes sure that the session is stored with this response even if no field is set, and returns its ID.
//
// Errors: ErrGone, ErrHeaderWritten for a new session.
func (s *Session) Begin(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(ctx); err != nil && !errors.Is(err, ErrReadOnly) {
		return "", err
	}
	s.begun = true
	return s.id, nil
}

// User returns who logged in, or "" for a guest.
func (s *Session) User(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return "", err
	}
	return s.record.user, nil
}

// Token returns the secret that opens this session, or "" while it is not stored. Middleware sends it as a cookie; visitors
// that come another way have to be given it after each Login, Renew and first Save. Never log it.
func (s *Session) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// String names the session without its secret, so that a session that gets into a log does no harm.
func (s *Session) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "session " + s.id
}

// Save writes pending changes now. Middleware does it before the response header is written.
//
// Errors: ErrGone, ErrReadOnly, ErrLimit.
func (s *Session) Save(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save(ctx)
}

// Dismiss says that the handler has dealt with the error of the store that it got: its own response goes out, where
// Middleware would have answered with OnError. Changes that are not saved yet are dropped.
func (s *Session) Dismiss() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.pending, s.begun = nil, nil, false
}

// load asks the store once. If it does not answer, every later use fails with the same error, without waiting again.
func (s *Session) load(ctx context.Context) error {
	s.used = true
	if s.fault != nil && !s.loaded {
		return s.fault
	}
	if s.loaded {
		return nil
	}
	ctx, cancel := s.patience(ctx)
	defer cancel()
	r, err := s.all.load(ctx, s.id, hashToken(s.token))
	if err != nil {
		return s.failed(err)
	}
	if r.state == fresh {
		s.restart()
		return nil
	}
	s.loaded, s.record = true, r
	return nil
}

func (s *Session) writable(ctx context.Context) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	switch {
	case s.record.state == replaced:
		return ErrReadOnly
	case s.record.state == ended:
		return ErrGone
	case s.record.state == fresh && s.sealed:
		return ErrHeaderWritten
	}
	return nil
}

// save writes what is pending, if the session is stored or has begun.
func (s *Session) save(ctx context.Context) error {
	ctx, cancel := s.patience(ctx)
	defer cancel()
	switch {
	case s.record.state == live && len(s.pending) > 0:
		if err := s.all.save(ctx, s.id, hashToken(s.token), s.pending); err != nil {
			return s.failed(err)
		}
	case s.record.state == fresh && s.begun:
		token := newToken(s.id)
		if err := s.all.create(ctx, s.id, hashToken(token), "", "", s.pending); err != nil {
			return s.failed(err)
		}
		s.issued(token, "")
	}
	s.absorb()
	return nil
}

// issued notes that the session is stored under a new token.
func (s *Session) issued(token, user string) {
	s.token, s.issue = token, true
	s.record.state, s.record.user = live, user
}

// absorb makes pending changes part of what is stored.
func (s *Session) absorb() {
	if s.record.values == nil {
		s.record.values = map[string]string{}
	}
	for name, value := range s.pending {
		if value == nil {
			delete(s.record.values, name)
		} else {
			s.record.values[name] = *value
		}
	}
	s.pending = nil
}

// failed notes what an error of the store means for the rest of the request.
func (s *Session) failed(err error) error {
	switch {
	case errors.Is(err, ErrGone):
		s.record, s.pending = record{state: ended}, nil
	case errors.Is(err, ErrReadOnly):
		s.record.state, s.pending = replaced, nil
	case errors.Is(err, ErrLimit):
		s.pending = nil
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.Canceled):
		s.fault = err
	}
	return err
}

func (s *Session) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.all.o.Timeout)
}
