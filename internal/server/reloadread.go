package server

import (
	"errors"
	"slices"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/status"
)

// read reads the file, compares it with the running configuration, and checks that a reload can make it run.
func (r *reload) read() error {
	if err := r.readFile(); err != nil {
		return err
	}
	r.result.Services = append(r.result.Services, r.stay(status.Compare(r.running, r.file.Config))...)
	if problems := r.fixed(); len(problems) > 0 {
		return problems
	}
	return nil
}

// stay changes the effect on the services whose version only a deploy changes: those that were rolled back, and those
// with a version that gets a share of the requests.
func (r *reload) stay(changes []status.ServiceChange) []status.ServiceChange {
	for _, s := range r.status.Services() {
		i := slices.IndexFunc(changes, func(c status.ServiceChange) bool { return c.Name == s.Name })
		if i < 0 {
			continue
		}
		c := &changes[i]
		c.Version, c.RolledBack, c.Canary = s.Version, s.RolledBack, s.Canary
		if c.Effect == status.EffectRoll && (s.RolledBack || s.Canary != nil) {
			c.Effect = status.EffectStay
		}
	}
	return changes
}

// readFile reads the file, and compares it with the running configuration.
func (r *reload) readFile() (err error) {
	if r.file, err = r.load(); err != nil {
		if problems := (config.Problems)(nil); !errors.As(err, &problems) {
			err = config.Problems{{Message: err.Error()}} // the file cannot be read
		}
		return err
	}
	r.result.File = r.file.Name
	r.result.Notes = append(r.result.Notes, r.file.Notes()...)
	r.result.Changes = append(r.result.Changes, config.Diff(r.running, r.file.Config)...)
	return nil
}

// fixed returns a problem for each key that differs and that a reload cannot change.
func (r *reload) fixed() (problems config.Problems) {
	for _, key := range []struct {
		path    string
		changed bool
	}{
		{"store", r.running.Store != r.file.Store},
		{"admin.listen", r.running.Admin.Listen != r.file.Admin.Listen},
		{"admin.token", r.running.Admin.Token != r.file.Admin.Token},
		{"log.format", r.running.Log.Format != r.file.Log.Format},
		{"log.file", r.running.Log.File != r.file.Log.File},
		{"log.size", r.running.Log.Size != r.file.Log.Size},
		{"log.keep", r.running.Log.Keep != r.file.Log.Keep},
	} {
		if key.changed {
			problems = append(problems, r.file.Problem(key.path, errFixed))
		}
	}
	return problems
}

// errFixed is the problem of a key that a reload cannot change.
var errFixed error = &ConfigError{
	errors.New("cannot be changed by a reload"), "restart tenfold to change it, or write the old value again",
}

// missingCommands returns a problem for each command that cannot be found and that new nodes would run.
func (r *reload) missingCommands() (problems config.Problems) {
	var started []config.Service
	for _, change := range r.result.Services {
		if change.Effect == status.EffectStart || change.Effect == status.EffectRoll {
			started = append(started, *serviceOf(r.file.Config, change.Name))
		}
	}
	for _, err := range MissingCommands(started) {
		problems = append(problems, r.file.Problem("services."+err.Service+"."+err.Key, err))
	}
	return problems
}
