package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// Login makes the session one of a user, under a new token and with its data, pending changes included. Absolute starts
// again. For Grace, the old token can still read the session as it was before; after that it opens nothing. Call Login
// at each login, also if the user is logged in already. Call it only after the user has proved the identity.
//
// If another request has renewed or ended the session in the meantime, Login starts a separate session: a second click
// on "log in" works too. Such a request can only read before Login, so set fields after Login.
//
// Errors: ErrInvalid for the user, ErrOtherUser, ErrHeaderWritten, ErrLimit. ErrGone if the session ends at the same
// time.
func (s *Session) Login(ctx context.Context, user string) error {
	if err := checkText("user", user, maxUser); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return err
	}
	if s.headerWritten {
		return fmt.Errorf("log in: %w", ErrHeaderWritten)
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	generation, err := s.all.generation(ctx, user) // before the login, so that a RevokeUser from now on ends it
	if err != nil {
		return s.noteError(err)
	}
	pending := s.pending
	if s.record.state == active {
		err := s.renew(ctx, user, generation)
		if !errors.Is(err, ErrReadOnly) {
			return err
		}
		// Another request of this visitor has replaced the token, for example a second click.
	}
	if s.record.user != "" && s.record.user != user {
		return ErrOtherUser
	}
	return s.loginNew(ctx, user, generation, pending)
}

// loginNew stores a new session of a user, with the fields that this one can read and the pending changes.
func (s *Session) loginNew(ctx context.Context, user, generation string, pending changes) error {
	if s.record.state != absent {
		fields := changes{}
		for name, value := range s.record.values {
			fields[name] = &value
		}
		maps.Copy(fields, pending)
		s.reset()
		s.pending = fields
	}
	token := newToken(s.id)
	if err := s.all.create(ctx, s.id, hashToken(token), user, generation, s.pending); err != nil {
		return s.noteError(err)
	}
	s.setToken(token, user)
	s.applyPending()
	return nil
}

// Renew replaces the token like Login, for another change of the visitor's rights. It does not extend Absolute. If the
// session is not stored, nothing happens.
//
// Errors: ErrGone, ErrReadOnly, ErrHeaderWritten, ErrLimit.
func (s *Session) Renew(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(ctx); err != nil {
		return err
	}
	if s.headerWritten {
		return fmt.Errorf("renew session: %w", ErrHeaderWritten)
	}
	if s.record.state == absent {
		return nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	return s.renew(ctx, "", "")
}

// renew replaces the token. With a user it is a login.
func (s *Session) renew(ctx context.Context, user, generation string) error {
	token := newToken(s.id)
	if err := s.all.renew(ctx, s.id, hashToken(s.token), hashToken(token), user, generation, s.pending); err != nil {
		return s.noteError(err)
	}
	if user == "" {
		user = s.record.user
	}
	s.setToken(token, user)
	s.applyPending()
	return nil
}

// End ends the session: this is the logout. A request in flight can neither write to it nor restore it. Fields that are
// set after End belong to a new session.
func (s *Session) End(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return err
	}
	if state := s.record.state; state == active || state == replaced {
		ctx, cancel := s.withTimeout(ctx)
		defer cancel()
		if err := s.all.end(ctx, s.id); err != nil {
			return s.noteError(err)
		}
	}
	s.clearToken = s.clearToken || s.hadToken
	s.reset()
	return nil
}
