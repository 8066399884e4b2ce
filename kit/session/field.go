package session

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Field is a typed field of sessions. Declare it as a package variable:
//
//	var theme = session.NewField[string]("theme")
//
// Values are stored as JSON, so services in other languages can read them.
type Field[T any] struct{ name string }

// NewField returns the field with a name of 1 to 64 bytes of plain text that does not begin with an underscore. It
// panics if the name is invalid.
func NewField[T any](name string) Field[T] {
	err := checkText("name", name, maxName)
	if strings.HasPrefix(name, "_") {
		err = fmt.Errorf("name %q begins with an underscore", name)
	}
	if err != nil {
		panic("session: new field: " + err.Error())
	}
	return Field[T]{name}
}

// Name returns the name of the field.
func (f Field[T]) Name() string {
	if f.name == "" {
		panic("session: field without a name: use NewField")
	}
	return f.name
}

// Get returns the value of the field, and whether it is set. It sees the changes of this request.
//
// Errors: ErrUnavailable, or the error of decoding the stored JSON as a T.
func (f Field[T]) Get(ctx context.Context, s *Session) (value T, ok bool, err error) {
	text, ok, err := s.get(ctx, f.Name())
	if err != nil || !ok {
		return value, false, err
	}
	if err := f.decode(text, &value); err != nil {
		return value, false, err
	}
	return value, true, nil
}

// Set sets the field. The value is saved together with all other changes before the response header is written. After
// that, Set saves it at once. If two requests set the same field, the later one decides. Fields that a request does not
// set do not change.
//
// Errors: ErrLimit, ErrGone, ErrReadOnly, or the error of encoding the value as JSON. ErrHeaderWritten if the session
// is new and the header is written.
func (f Field[T]) Set(ctx context.Context, s *Session, value T) error {
	text, err := f.encode(value)
	if err != nil {
		return err
	}
	return s.set(ctx, f.Name(), &text)
}

// Delete removes the field, at the same time as Set would set it. If the field is not set, nothing happens.
func (f Field[T]) Delete(ctx context.Context, s *Session) error { return s.set(ctx, f.Name(), nil) }

// Pop removes the field at once and returns its value, and whether it was set. Of concurrent requests, exactly one gets
// the value. Use it for flash messages: one request sets a message, the next one shows it. Pending changes are saved
// first. After ErrUnavailable the value may be lost.
//
// Errors: those of Get; those of Update if the field is set.
func (f Field[T]) Pop(ctx context.Context, s *Session) (value T, ok bool, err error) {
	text, ok, err := s.pop(ctx, f.Name())
	if err != nil || !ok {
		return value, false, err
	}
	if err := f.decode(text, &value); err != nil {
		return value, false, err
	}
	return value, true, nil
}

// Update changes the field atomically and at once. It calls change with the present value, or with the zero value, and
// stores the result if no other request has changed the field in the meantime. Otherwise it calls change again. So
// change must have no other effect, and must not use the session. If change returns an error, Update returns it and
// stores nothing. Pending changes are saved first.
//
// After ErrUnavailable the change may have been stored. If very many requests change a field at the same time, Update
// returns ErrConflict after 60 attempts.
//
// Errors: those of Get and Set, and ErrConflict.
func (f Field[T]) Update(ctx context.Context, s *Session, change func(*T) error) (T, error) {
	var value T
	err := s.update(ctx, f.Name(), func(old string) (*string, error) {
		value = *new(T)
		if old != "" {
			if err := f.decode(old, &value); err != nil {
				return nil, err
			}
		}
		if err := change(&value); err != nil {
			return nil, err
		}
		text, err := f.encode(value)
		return &text, err
	})
	return value, err
}

func (f Field[T]) encode(value T) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode field %q: %w", f.name, err)
	}
	return string(text), nil
}

func (f Field[T]) decode(text string, value *T) error {
	if err := json.Unmarshal([]byte(text), value); err != nil {
		return fmt.Errorf("decode field %q: %w", f.name, err)
	}
	return nil
}
