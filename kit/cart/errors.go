package cart

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
	// ErrUnavailable: the store did not respond in time, or refused. An operation may have happened. With an id, retry
	// it.
	ErrUnavailable = errors.New("cart store is unavailable")
	// ErrLimit: the cart, a quantity or the memory for ids is full. Nothing was written.
	ErrLimit = errors.New("cart limit reached")
	// ErrInvalid: an owner, a product, a quantity or an id is invalid. Nothing was written.
	ErrInvalid = errors.New("invalid")
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
	maxOwner   = 256 // bytes
	maxProduct = 128 // bytes
	maxOp      = 255 // bytes: as long as an Idempotency-Key may be
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
