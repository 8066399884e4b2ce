package session

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"
)

// changes are new values by field. A nil value deletes the field.
type changes map[string]*string

func (s *Session) get(ctx context.Context, name string) (string, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return "", false, err
	}
	value, ok := s.current(name)
	return value, ok, nil
}

// current returns the value of a field as this request sees it. The session is loaded; s.mu is held.
func (s *Session) current(name string) (string, bool) {
	if value, changed := s.pending[name]; changed {
		if value == nil {
			return "", false
		}
		return *value, true
	}
	value, ok := s.record.values[name]
	return value, ok
}

// set changes a field with the next save, or at once if the header is written. A nil value deletes the field.
func (s *Session) set(ctx context.Context, name string, value *string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(ctx); err != nil {
		return err
	}
	return s.change(ctx, name, value)
}

// change adds a change to the pending ones. The session is writable; s.mu is held.
func (s *Session) change(ctx context.Context, name string, value *string) error {
	next := maps.Clone(s.pending)
	if next == nil {
		next = changes{}
	}
	next[name] = value
	if err := s.checkLimits(next); value != nil && err != nil {
		return err
	}
	s.pending = next
	s.ensured = s.ensured || value != nil
	if s.headerWritten {
		return s.save(ctx)
	}
	return nil
}

// checkLimits compares the loaded session and its changes with the limits. The store checks again when it saves them,
// because other requests may add fields at the same time.
func (s *Session) checkLimits(c changes) error {
	fields, bytes := 0, 0
	for name, value := range s.record.values {
		if _, changed := c[name]; !changed {
			fields, bytes = fields+1, bytes+len(name)+len(value)
		}
	}
	for name, value := range c {
		if value != nil {
			fields, bytes = fields+1, bytes+len(name)+len(*value)
		}
	}
	if fields > s.all.o.MaxFields || bytes > s.all.o.MaxBytes {
		return fmt.Errorf("session of %d fields and %d bytes, at most %d and %d: %w",
			fields, bytes, s.all.o.MaxFields, s.all.o.MaxBytes, ErrLimit)
	}
	return nil
}

// pop deletes a field and returns the value that it had, and whether it was set.
func (s *Session) pop(ctx context.Context, name string) (value string, ok bool, err error) {
	if _, ok, err := s.get(ctx, name); err != nil || !ok {
		return "", false, err
	}
	err = s.update(ctx, name, func(old string) (*string, error) {
		value = old
		return nil, nil
	})
	return value, value != "", err
}

// update replaces the value of a field by the result of next, atomically. An empty value means that the field is not
// set; a nil result deletes it. If another request changes the field first, update calls next again. After every second
// failure it waits for a random time that grows, so that even a hundred concurrent requests succeed.
func (s *Session) update(ctx context.Context, name string, next func(old string) (*string, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(ctx); err != nil {
		return err
	}
	if s.record.state == absent { // no other request knows this session
		old, _ := s.current(name)
		value, err := next(old)
		if err != nil {
			return err
		}
		return s.change(ctx, name, value)
	}
	if err := s.save(ctx); err != nil {
		return err
	}
	old := s.record.values[name]
	for attempt := range maxAttempts {
		value, err := next(old)
		if err != nil || value == nil && old == "" {
			return err
		}
		now, ok, err := s.swap(ctx, name, old, value)
		if err != nil || ok {
			return err
		}
		old = now
		if attempt%2 == 0 {
			continue // without a wait: the value that the store just returned is recent
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("update field %q: %w", name, ctx.Err())
		case <-time.After(rand.N(min(4*time.Millisecond<<(attempt/4), maxPause))):
		}
	}
	return fmt.Errorf("update field %q: %w", name, ErrConflict)
}

const (
	maxAttempts = 60
	maxPause    = 256 * time.Millisecond
)

// swap replaces the value of a field if it is still old. It returns the value that the field has now.
func (s *Session) swap(ctx context.Context, name, old string, value *string) (now string, ok bool, err error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	now, ok, err = s.all.swap(ctx, s.id, hashToken(s.token), name, old, value)
	if err != nil {
		return "", false, s.noteError(err)
	}
	s.record.values[name] = now
	if now == "" {
		delete(s.record.values, name)
	}
	return now, ok, nil
}
