package server

import (
	"errors"

	"github.com/tenfold-go/tenfold/internal/config"
)

// errLater is the note about a key that a reload accepts and does not apply.
var errLater error = &ConfigError{errors.New("takes effect at the next start or upgrade: the log is open already"), "tenfold upgrade, or restart tenfold"}

// later returns a note for each key of the log that differs and that a reload does not apply.
func (r *reload) later() (notes []config.Problem) {
	was, is := r.running.Log, r.file.Log
	for _, key := range []struct {
		path    string
		changed bool
	}{
		{"log.format", was.Format != is.Format}, {"log.file", was.File != is.File},
		{"log.size", was.Size != is.Size}, {"log.keep", was.Keep != is.Keep},
	} {
		if key.changed {
			notes = append(notes, r.file.Problem(key.path, errLater))
		}
	}
	return notes
}
