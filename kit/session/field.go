package session

import (
	"context"
	"encoding/json"
	"fmt"
)

// Field is a typed field of sessions, by its name: 1 to 64 bytes of text that do not begin with an underscore. Declare it as
// a constant:
//
//	const theme session.Field[string] = "theme"
//
// Values are stored as JSON, so services in other languages can read them.
type Field[T any] string

// Get returns the field's value, and whether it is set. It sees what this request has set.
//
// Errors: ErrUnavailable, or that of the value not being JSON of a T.
func (f Field[T]) Get(ctx context.Context, s *Session) (value T, ok bool, err error) {
	text, ok, err := s.get(ctx, string(f))
	if err != nil || !ok {
		return value, false, err
	}
	if err := f.decode(text, &value); err != nil {
		return value, false, err
	}
	return value, true, nil
}

// Set changes the field. It is saved with all other changes before the response header is written; after that, Set saves at
// once. Of two requests that set one field the later wins; fields that a request does not set are not touched.
//
// Errors: ErrInvalid for the name, ErrLimit, ErrGone, ErrReadOnly, ErrHeaderWritten when a session would have to begin, or
// that of a value which cannot be JSON.
func (f Field[T]) Set(ctx context.Context, s *Session, value T) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode field %q: %w", string(f), err)
	}
	encoded := string(text)
	return s.set(ctx, string(f), &encoded)
}

// Delete removes the field, as Set changes it. It is no error when it is not set.
func (f Field[T]) Delete(ctx context.Context, s *Session) error { return s.set(ctx, string(f), nil) }

// Update changes the field atomically, at once: change gets the present value, or a zero one, and what it leaves is stored
// if nobody changed the field meanwhile; else change runs again. So it must do nothing else, and must not use the session.
// An error of change is returned as it is, and nothing is stored. Pending changes are saved first.
//
// After ErrUnavailable the change may have been stored or not. For counters that many requests change at once, ErrConflict
// is possible after 60 attempts.
//
// Errors: those of Set, and ErrConflict.
func (f Field[T]) Update(ctx context.Context, s *Session, change func(*T) error) (T, error) {
	var value T
	err := s.update(ctx, string(f), func(old string) (string, error) {
		value = *new(T)
		if old != "" {
			if err := f.decode(old, &value); err != nil {
				return "", err
			}
		}
		if err := change(&value); err != nil {
			return "", err
		}
		text, err := json.Marshal(value)
		if err != nil {
			return "", fmt.Errorf("encode field %q: %w", string(f), err)
		}
		return string(text), nil
	})
	return value, err
}

func (f Field[T]) decode(text string, value *T) error {
	if err := json.Unmarshal([]byte(text), value); err != nil {
		return fmt.Errorf("decode field %q: %w", string(f), err)
	}
	return nil
}
