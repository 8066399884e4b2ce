package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Errors that callers may want to tell apart with errors.Is.
var (
	// ErrUnavailable: the store did not answer in time, or refused. It says nothing about the session: a visitor must not be
	// treated as logged out. A write may or may not have happened.
	ErrUnavailable = errors.New("session store is unavailable")
	// ErrGone: the session ended while the request was under way. Nothing was written.
	ErrGone = errors.New("session has ended")
	// ErrReadOnly: the request came with a token that a login or renewal has replaced since. Nothing was written.
	ErrReadOnly = errors.New("session token was replaced: this request may only read")
	// ErrLimit: the write would grow a session or cart past its limit. Nothing was written.
	ErrLimit = errors.New("limit reached")
	// ErrInvalid: a name, user, owner, product, quantity or operation is malformed. Nothing was written.
	ErrInvalid = errors.New("invalid")
	// ErrConflict: an update was overtaken by others again and again. Nothing was written.
	ErrConflict = errors.New("too many concurrent updates")
	// ErrOtherUser: a login into a session that belongs to another user. End the session first.
	ErrOtherUser = errors.New("session belongs to another user")
	// ErrHeaderWritten: the response header is out, so a new token can no longer reach the browser.
	ErrHeaderWritten = errors.New("response header is already written")
)

// unavailable marks what the store answered as a fault of the store, unless the caller gave up.
func unavailable(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}

const (
	maxName  = 64  // bytes of a field's name
	maxUser  = 256 // bytes of a user
	maxOwner = 256 // bytes of a cart's owner
)

// checkText holds names to what can be stored, logged and shown without surprise.
func checkText(what, text string, most int) error {
	switch {
	case text == "":
		return fmt.Errorf("%s is empty: %w", what, ErrInvalid)
	case len(text) > most:
		return fmt.Errorf("%s of %d bytes is longer than %d: %w", what, len(text), most, ErrInvalid)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%s %q is not plain text: %w", what, text, ErrInvalid)
	}
	return nil
}
