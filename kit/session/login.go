package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// Login gives the session to a user, under a new token and with its data, pending changes included; Absolute begins anew. The
// old token shows the session as it was before, read-only, for Grace, to the requests that were under way; then it is worth
// nothing. Call it at each login, also of a user who is logged in already, and never for a user who has not proved to be it.
//
// A request whose session was renewed by another one since, or ended, logs into a session of its own: a second click on
// "log in" works too. It may only read until then, so set fields after Login, not before.
//
// Errors: ErrInvalid for the user, ErrOtherUser, ErrHeaderWritten, ErrGone when the session ends meanwhile, ErrLimit.
func (s *Session) Login(ctx context.Context, user string) error {
	if err := checkText("user", user, maxUser); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return err
	}
	if s.sealed {
		return fmt.Errorf("log in: %w", ErrHeaderWritten)
	}
	ctx, cancel := s.patience(ctx)
	defer cancel()
	generation, err := s.all.generation(ctx, user) // first: a RevokeUser from here on ends this login too
	if err != nil {
		return s.failed(err)
	}
	pending := s.pending
	if s.record.state == live {
		err := s.renew(ctx, user, generation)
		if !errors.Is(err, ErrReadOnly) {
			return err
		}
		// Another request of this visitor was faster, such as a second click.
	}
	if s.record.user != "" && s.record.user != user {
		return ErrOtherUser
	}
	return s.loginAnew(ctx, user, generation, pending)
}

// loginAnew begins a session for a user with the fields that this one shows, and those pending.
func (s *Session) loginAnew(ctx context.Context, user, generation string, pending changes) error {
	if s.record.state != fresh {
		fields := changes{}
		for name, value := range s.record.values {
			fields[name] = &value
		}
		maps.Copy(fields, pending)
		s.restart()
		s.pending = fields
	}
	token := newToken(s.id)
	if err := s.all.create(ctx, s.id, hashToken(token), user, generation, s.pending); err != nil {
		return s.failed(err)
	}
	s.issued(token, user)
	s.absorb()
	return nil
}

// Renew replaces the token, as Login does, for another change of what the visitor may do. It does not extend Absolute. A
// session that is not stored yet needs no renewal: nothing happens.
//
// Errors: ErrGone, ErrReadOnly, ErrHeaderWritten, ErrLimit.
func (s *Session) Renew(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(ctx); err != nil {
		return err
	}
	if s.sealed {
		return fmt.Errorf("renew session: %w", ErrHeaderWritten)
	}
	if s.record.state == fresh {
		return nil
	}
	ctx, cancel := s.patience(ctx)
	defer cancel()
	return s.renew(ctx, "", "")
}

func (s *Session) renew(ctx context.Context, user, generation string) error {
	token := newToken(s.id)
	if err := s.all.renew(ctx, s.id, hashToken(s.token), hashToken(token), user, generation, s.pending); err != nil {
		return s.failed(err)
	}
	if user == "" {
		user = s.record.user
	}
	s.issued(token, user)
	s.absorb()
	return nil
}

// End ends the session: this is the logout. No request that is still under way can write to it or bring it back. What is
// set afterwards begins a new session.
func (s *Session) End(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return err
	}
	if state := s.record.state; state == live || state == replaced {
		ctx, cancel := s.patience(ctx)
		defer cancel()
		if err := s.all.end(ctx, s.id); err != nil {
			return s.failed(err)
		}
	}
	s.clear = s.clear || s.brought
	s.restart()
	return nil
}
