package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Errors that a caller can tell apart with errors.Is.
var (
	// ErrUnavailable: the store did not respond in time, or refused. The session may exist: do not treat the visitor as
	// logged out. A write may have happened.
	ErrUnavailable = errors.New("session store is unavailable")
	// ErrGone: the session ended during the request. Nothing was written.
	ErrGone = errors.New("session has ended")
	// ErrReadOnly: a login or renewal has replaced the token of the request. Nothing was written.
	ErrReadOnly = errors.New("session token was replaced: this request may only read")
	// ErrLimit: the write would exceed the limits of a session. Nothing was written.
	ErrLimit = errors.New("session limit reached")
	// ErrInvalid: a user is empty, too long or not plain text. Nothing was written.
	ErrInvalid = errors.New("invalid")
	// ErrConflict: other requests changed the field at every attempt of an update. Nothing was written.
	ErrConflict = errors.New("too many concurrent updates")
	// ErrOtherUser: the session belongs to another user than the one that logs in. End the session first.
	ErrOtherUser = errors.New("session belongs to another user")
	// ErrHeaderWritten: the response header is written, so a new token cannot reach the browser.
	ErrHeaderWritten = errors.New("response header is already written")
)

// unavailable marks an error as a fault of the store, unless the caller cancelled. It returns nil if err is nil.
func unavailable(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	case strings.HasPrefix(err.Error(), "MOVED "):
		const cause = "the server is a Redis Cluster and the client is not a cluster client"
		return fmt.Errorf("%s: %w: %s: %w", doing, ErrUnavailable, cause, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}

const (
	maxName = 64  // bytes of a field's name
	maxUser = 256 // bytes of a user
)

// checkText returns ErrInvalid if a text is empty, longer than most bytes, or not plain text.
func checkText(what, text string, most int) error {
	switch {
	case text == "":
		return fmt.Errorf("%s is empty: %w", what, ErrInvalid)
	case len(text) > most:
		return fmt.Errorf("%s has %d bytes, at most %d: %w", what, len(text), most, ErrInvalid)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%s %q is not plain text: %w", what, text, ErrInvalid)
	}
	return nil
}
