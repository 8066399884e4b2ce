package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/status"
)

// startNew starts the nodes of new services, and waits until they are ready.
func (r *reload) startNew(ctx context.Context) (problems config.Problems) {
	for _, change := range r.result.Services {
		if change.Effect != status.EffectStart {
			continue
		}
		if err := r.fleet.Add(r.fleetService(serviceOf(r.file.Config, change.Name))); err != nil {
			return config.Problems{r.file.Problem("services."+change.Name, err)}
		}
		r.added = append(r.added, change.Name)
	}
	var waiting sync.WaitGroup
	errs := make([]error, len(r.added))
	for i, name := range r.added {
		waiting.Go(func() { errs[i] = r.fleet.AwaitReady(ctx, name) })
	}
	waiting.Wait()
	for i, name := range r.added {
		if errs[i] != nil {
			problems = append(problems, r.file.Problem("services."+name, errs[i]))
		}
	}
	return problems
}

// startServing gives workers to which routes lead from now on nodes that listen, before a request can reach them.
func (r *reload) startServing(ctx context.Context) (problems config.Problems) {
	for _, change := range r.result.Services {
		if change.Effect == status.EffectStart || change.Effect == status.EffectStop {
			continue
		}
		service := serviceOf(r.file.Config, change.Name)
		if service.Worker || !serviceOf(r.running, change.Name).Worker {
			continue
		}
		if err := r.fleet.Update(ctx, r.fleetService(service)); err != nil {
			return config.Problems{r.file.Problem("services."+change.Name, err)}
		}
		r.serving = append(r.serving, change.Name)
	}
	return nil
}

// removeNew undoes startNew and startServing.
func (r *reload) removeNew() {
	var all sync.WaitGroup
	defer all.Wait()
	for _, name := range r.added {
		all.Go(func() {
			if err := r.fleet.Remove(context.Background(), name); err != nil {
				r.log.Error("new service not removed", "service", name, "err", err)
			}
		})
	}
	for _, name := range r.serving {
		if err := r.fleet.Update(context.Background(), r.fleetService(serviceOf(r.running, name))); err != nil {
			r.log.Error("service is not a worker again", "service", name, "err", err)
		}
	}
}

// update changes the services that are in both configurations. It goes on after a service that is held back.
func (r *reload) update(ctx context.Context) error {
	var held []string
	for i := range r.result.Services {
		change := &r.result.Services[i]
		if change.Effect == status.EffectStart || change.Effect == status.EffectStop || slices.Contains(r.serving, change.Name) {
			continue
		}
		err := r.fleet.Update(ctx, r.fleetService(serviceOf(r.file.Config, change.Name)))
		if err == nil || errors.Is(err, fleet.ErrRolledBack) || errors.Is(err, fleet.ErrCanary) {
			continue // the settings were taken, and only a deploy changes the version
		}
		held = append(held, change.Name)
		change.Error = err.Error()
		r.keep(change.Name)
	}
	if len(held) == 0 {
		return nil
	}
	return errors.Join(&HeldBackError{held}, r.applyKept(ctx))
}

// applyKept makes the gateway use the old settings of the services that keep puts back: the old nodes may need them.
func (r *reload) applyKept(ctx context.Context) error {
	next, err := r.gateway.Prepare(ctx, r.config())
	if err != nil {
		return fmt.Errorf("bring back the settings of the services that are held back: %w", err)
	}
	next.Commit().Finish()
	r.status.Use(r.config())
	return nil
}

// keep puts the old form of a service into the running configuration, so that the next reload tries the new form again.
func (r *reload) keep(name string) {
	cfg := *r.cfg.Load()
	cfg.Services = slices.Clone(cfg.Services)
	*serviceOf(&cfg, name) = *serviceOf(r.running, name)
	r.cfg.Store(&cfg)
}

// removeOld drains the services that are gone, next to later reloads. finished is called after all of them.
func (r *reload) removeOld(finished func()) {
	var gone sync.WaitGroup
	for _, change := range r.result.Services {
		if change.Effect != status.EffectStop {
			continue
		}
		gone.Go(func() {
			if err := r.fleet.Remove(context.Background(), change.Name); err != nil {
				r.log.Error("service not removed", "service", change.Name, "err", err)
			}
		})
	}
	r.removals.Go(func() {
		gone.Wait()
		finished()
	})
}

// serviceOf returns the service of a configuration with this name, which must exist.
func serviceOf(cfg *config.Config, name string) *config.Service {
	i := slices.IndexFunc(cfg.Services, func(s config.Service) bool { return s.Name == name })
	return &cfg.Services[i]
}
