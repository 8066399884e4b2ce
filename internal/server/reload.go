package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/status"
)

// reload is one reload.
type reload struct {
	*Server
	running  *config.Config
	file     *config.File
	result   *status.Reload
	removals *sync.WaitGroup
	added    []string // services that the fleet has and the running configuration does not have
	serving  []string // workers that have nodes for requests, which the running configuration does not have
}

func (s *Server) newReload(removals *sync.WaitGroup) *reload {
	return &reload{
		Server: s, running: s.runningConfig(), removals: removals, result: &status.Reload{
			Problems: []config.Problem{}, Notes: []config.Problem{}, Changes: []config.Change{}, Services: []status.ServiceChange{},
		},
	}
}

// runningConfig returns the configuration that runs. The program of a service is that of its nodes: after a rollback it is
// older than that of the file.
func (s *Server) runningConfig() *config.Config {
	cfg := *s.config()
	cfg.Services = slices.Clone(cfg.Services)
	for i := range cfg.Services {
		running, ok := s.fleet.Running(cfg.Services[i].Name)
		if ok && running.Kind() == config.Owned && cfg.Services[i].Kind() == config.Owned {
			cfg.Services[i] = config.WithProgram(&cfg.Services[i], &running)
		}
	}
	return &cfg
}

// run is the reload. See the package comment for its steps.
func (r *reload) run(ctx context.Context) error {
	if err := r.read(); err != nil {
		return err
	}
	if problems := r.missingCommands(); len(problems) > 0 {
		return problems
	}
	next, err := r.gateway.Prepare(ctx, r.file.Config)
	if err != nil {
		return config.Problems{r.file.Problem(pathOf(err, r.file.Config), err)}
	}
	problems := r.startNew(ctx)
	if len(problems) == 0 {
		problems = r.startServing(ctx)
	}
	if len(problems) > 0 {
		r.removeNew()
		next.Abort()
		return problems
	}
	replaced := next.Commit()
	r.cfg.Store(r.file.Config)
	r.status.Use(r.file.Config)
	if r.reloaded != nil {
		r.reloaded()
	}
	err = r.update(ctx)
	r.removeOld(replaced.Finish)
	return err
}

// finish puts the error of the reload into its result.
func (r *reload) finish(err error) {
	r.result.OK = err == nil
	if err == nil {
		return
	}
	r.result.Error = err.Error()
	if problems := (config.Problems)(nil); errors.As(err, &problems) {
		r.result.Problems = problems
		r.result.File = cmp.Or(r.result.File, problems[0].File)
		r.result.Error = fmt.Sprintf("%d problems in the file: nothing has changed", len(problems))
		if len(problems) == 1 {
			r.result.Error = "1 problem in the file: nothing has changed"
		}
	}
}

// report logs the result of the reload.
func (r *reload) report(by string, took time.Duration, err error) {
	r.metrics.countReload(err)
	log := r.log.With("file", r.result.File, "by", by, "took_ms", took.Milliseconds())
	for _, p := range r.result.Problems {
		r.log.Error("problem in the file", "err", p.String())
	}
	switch {
	case err == nil:
		log.Info("reloaded", "changes", len(r.result.Changes), "services", len(r.result.Services))
	case len(r.result.Problems) > 0:
		log.Error("not reloaded: the running configuration stays in use", "problems", len(r.result.Problems))
	default:
		log.Error("reloaded, and services are held back", "err", err)
	}
}
