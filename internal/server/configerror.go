package server

import "errors"

// ConfigError says that a part cannot work with its configuration.
type ConfigError struct {
	Err  error
	hint string
}

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// Hint says what would be right. Without an own hint it is that of Err, or "".
func (e *ConfigError) Hint() string {
	h := (interface{ Hint() string })(nil)
	if e.hint == "" && errors.As(e.Err, &h) {
		return h.Hint()
	}
	return e.hint
}
