package session

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"time"
)

// changes are new values by field; nil deletes one.
type changes map[string]*string

func (s *Session) get(ctx context.Context, name string) (string, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return "", false, err
	}
	if value, changed := s.pending[name]; changed {
		if value == nil {
			return "", false, nil
		}
		return *value, true, nil
	}
	value, ok := s.record.values[name]
	return value, ok, nil
}

// set changes a field with the next save, or at once when the header is out. A nil value deletes it.
func (s *Session) set(ctx context.Context, name string, value *string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := checkName(name); err != nil {
		return err
	}
	if err := s.writable(ctx); err != nil {
		return err
	}
	return s.change(ctx, name, value)
}

func (s *Session) change(ctx context.Context, name string, value *string) error {
	next := maps.Clone(s.pending)
	if next == nil {
		next = changes{}
	}
	next[name] = value
	if err := s.fits(next); value != nil && err != nil {
		return err
	}
	s.pending = next
	s.begun = s.begun || value != nil
	if s.sealed {
		return s.save(ctx)
	}
	return nil
}

func checkName(name string) error {
	if strings.HasPrefix(name, "_") {
		return fmt.Errorf("field %q begins with an underscore: %w", name, ErrInvalid)
	}
	return checkText("field", name, maxName)
}

// fits holds what we know of the session to its limits. The store has the last word: others may be adding to it too.
func (s *Session) fits(c changes) error {
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
		return fmt.Errorf("session of %d fields, %d bytes; at most %d, %d: %w",
			fields, bytes, s.all.o.MaxFields, s.all.o.MaxBytes, ErrLimit)
	}
	return nil
}

// update changes a field from what it is to what next makes of it; "" stands for no value. Who is overtaken tries again,
// every second time after a random pause that grows, so that even a hundred at once get through.
func (s *Session) update(ctx context.Context, name string, next func(old string) (string, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := checkName(name); err != nil {
		return err
	}
	if err := s.writable(ctx); err != nil {
		return err
	}
	if s.record.state == fresh { // nobody else knows this session
		var old string
		if value := s.pending[name]; value != nil {
			old = *value
		}
		value, err := next(old)
		if err != nil {
			return err
		}
		return s.change(ctx, name, &value)
	}
	if err := s.save(ctx); err != nil {
		return err
	}
	old := s.record.values[name]
	for try := range maxTries {
		value, err := next(old)
		if err != nil {
			return err
		}
		now, ok, err := s.swap(ctx, name, old, value)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
		old = now
		if try%2 == 0 {
			continue // at once: the answer that refused the last try is as young as can be
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("update field %q: %w", name, ctx.Err())
		case <-time.After(rand.N(min(4*time.Millisecond<<(try/4), maxPause))):
		}
	}
	return fmt.Errorf("update field %q: %w", name, ErrConflict)
}

const (
	maxTries = 60
	maxPause = 256 * time.Millisecond
)

func (s *Session) swap(ctx context.Context, name, old, value string) (now string, ok bool, err error) {
	ctx, cancel := s.patience(ctx)
	defer cancel()
	now, ok, err = s.all.swap(ctx, s.id, hashToken(s.token), name, old, value)
	if err != nil {
		return "", false, s.failed(err)
	}
	s.record.values[name] = now
	if now == "" {
		delete(s.record.values, name)
	}
	return now, ok, nil
}
