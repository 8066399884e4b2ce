package session

import (
	"context"
	"errors"
	"sync"
)

// Session is the session of one visitor, for the time of one request. [From] and [Sessions.Open] return it. It is safe
// for concurrent use: its methods run one after the other.
//
// The first method that needs the session loads it. A request that does not use its session asks the store nothing, and
// does not extend the session. Every method that does I/O may return ErrUnavailable, or the error of a context that was
// cancelled.
type Session struct {
	all *Sessions

	mu            sync.Mutex // guards the fields below; it is held during I/O, so that the operations of a request have an order
	token         string     // proves that the session belongs to the visitor; "" while nothing is stored
	id            string
	hadToken      bool // the request had a well-formed token
	used          bool // a method was called that needs the session
	loaded        bool
	record        record
	pending       changes
	ensured       bool  // the session must be stored, even without a field
	headerWritten bool  // no cookie can be set any more, and changes are saved at once
	sendToken     bool  // the response must give the token to the visitor
	clearToken    bool  // the response must delete the token at the visitor
	storeErr      error // the first error of the store in this request
}

// reset makes it a new session that is not stored.
func (s *Session) reset() {
	s.token, s.id, s.loaded, s.record, s.pending, s.ensured, s.sendToken = "", newID(), true, record{}, nil, false, false
}

// ID returns a name of the session for logs and for other data that belongs to it, such as a guest's cart. It proves
// nothing, so it is not secret. It stays the same through Login and Renew. It is "" if the session is not stored and
// will not be; see Ensure.
func (s *Session) ID(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return "", err
	}
	if s.record.state == ended || s.record.state == absent && !s.ensured {
		return "", nil
	}
	return s.id, nil
}

// Ensure makes sure that the session is stored with this response, even if no field is set. It returns the ID.
//
// Errors: ErrGone; ErrHeaderWritten if the session is new.
func (s *Session) Ensure(ctx context.Context) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(ctx); err != nil && !errors.Is(err, ErrReadOnly) {
		return "", err
	}
	s.ensured = true
	return s.id, nil
}

// User returns the user that logged in, or "" for a guest.
func (s *Session) User(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return "", err
	}
	return s.record.user, nil
}

// Token returns the secret that opens this session, or "" if it is not stored. Middleware sends it as a cookie. A
// visitor without cookies must get it after each Login, each Renew and the first Save. Do not log it.
func (s *Session) Token() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token
}

// String returns a text for logs. It contains the ID and not the token.
func (s *Session) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "session " + s.id
}

// Save writes the pending changes. Middleware calls it before the response header is written.
//
// Errors: ErrGone, ErrReadOnly, ErrLimit.
func (s *Session) Save(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save(ctx)
}

// IgnoreStoreError tells Middleware that the handler has dealt with the error of the store. Then the response of the
// handler is sent; without this call Middleware would drop it and call OnError. Changes that are not saved are dropped.
func (s *Session) IgnoreStoreError() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storeErr, s.pending, s.ensured = nil, nil, false
}

// load reads the session from the store once. If the store does not respond, every later use fails at once with the
// same error.
func (s *Session) load(ctx context.Context) error {
	s.used = true
	if s.storeErr != nil && !s.loaded {
		return s.storeErr
	}
	if s.loaded {
		return nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	r, err := s.all.load(ctx, s.id, hashToken(s.token))
	if err != nil {
		return s.noteError(err)
	}
	if r.state == absent {
		s.reset()
		return nil
	}
	s.loaded, s.record = true, r
	return nil
}

// writable loads the session and returns an error if it cannot be written.
func (s *Session) writable(ctx context.Context) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	switch {
	case s.record.state == replaced:
		return ErrReadOnly
	case s.record.state == ended:
		return ErrGone
	case s.record.state == absent && s.headerWritten:
		return ErrHeaderWritten
	}
	return nil
}

// save writes the pending changes. It stores a new session if a field is set or Ensure was called.
func (s *Session) save(ctx context.Context) error {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	switch {
	case s.record.state == active && len(s.pending) > 0:
		if err := s.all.save(ctx, s.id, hashToken(s.token), s.pending); err != nil {
			return s.noteError(err)
		}
	case s.record.state == absent && s.ensured:
		token := newToken(s.id)
		if err := s.all.create(ctx, s.id, hashToken(token), "", "", s.pending); err != nil {
			return s.noteError(err)
		}
		s.setToken(token, "")
	}
	s.applyPending()
	return nil
}

// setToken notes that the session is stored under a new token.
func (s *Session) setToken(token, user string) {
	s.token, s.sendToken = token, true
	s.record.state, s.record.user = active, user
}

// applyPending copies the pending changes, which are saved now, to the record.
func (s *Session) applyPending() {
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

// noteError changes the session to what an error of the store means for the rest of the request. It returns the error.
func (s *Session) noteError(err error) error {
	switch {
	case errors.Is(err, ErrGone):
		s.record, s.pending = record{state: ended}, nil
	case errors.Is(err, ErrReadOnly):
		s.record.state, s.pending = replaced, nil
	case errors.Is(err, ErrLimit):
		s.pending = nil
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.Canceled):
		s.storeErr = err
	}
	return err
}

func (s *Session) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.all.o.Timeout)
}
