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
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/status"
)

// ErrNoFile refuses a reload when nothing can be read again.
var ErrNoFile error = &ConfigError{
	errors.New("this tenfold runs a command line or standard input, which cannot be read again"),
	"put the services into a file, and start with: tenfold up -f FILE",
}

// HeldBackError says that a reload is done, but that the new nodes of some services do not work. Their old nodes serve on.
type HeldBackError struct{ Services []string }

func (e *HeldBackError) Error() string {
	return fmt.Sprintf("reloaded, but held back: %s", quoted(e.Services))
}

// Hint says what to do next.
func (e *HeldBackError) Hint() string {
	return "the old nodes serve on; correct the service and reload again"
}

func quoted(names []string) (list string) {
	for i, name := range names {
		if i > 0 {
			list += ", "
		}
		list += fmt.Sprintf("%q", name)
	}
	return list
}

// reloads runs one reload after the other.
type reloads struct {
	requests chan reloadRequest
	ended    chan struct{} // closed when run has returned
}

type reloadRequest struct {
	do     func(context.Context, *reload) error
	result chan reloadResult // capacity 1
}

type reloadResult struct {
	*status.Reload
	err error
}

func newReloads() reloads {
	return reloads{requests: make(chan reloadRequest), ended: make(chan struct{})}
}

// Reload reads the file again and makes it run. It checks and builds all of it first, and starts the nodes of new
// services. After any problem, what runs goes on as it is, and Reload returns all problems as [config.Problems]. It
// returns a [*HeldBackError] when the nodes of a service could not be replaced. Reloads run one after the other; ctx
// limits how long a reload waits for its turn. by says for the log who wants it.
func (s *Server) Reload(ctx context.Context, by string) (*status.Reload, error) {
	if s.load == nil {
		return nil, ErrNoFile
	}
	end, err := s.operations.begin("reload")
	if err != nil {
		s.log.Warn("reload refused", "by", by, "err", err)
		return nil, err
	}
	defer end()
	s.notifier.Reloading("reloading")
	defer s.notifier.Ready("serving")
	return s.oneByOne(ctx, func(ctx context.Context, r *reload) error {
		begun := time.Now()
		err := r.run(ctx)
		r.finish(err)
		r.report(by, time.Since(begun), err)
		return err
	})
}

// oneByOne calls do when no other reload works.
func (s *Server) oneByOne(ctx context.Context, do func(context.Context, *reload) error) (*status.Reload, error) {
	q := reloadRequest{do, make(chan reloadResult, 1)}
	select {
	case s.reloads.requests <- q:
	case <-s.reloads.ended:
		return nil, fleet.ErrNotRunning
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r := <-q.result
	return r.Reload, r.err
}

// runReloads runs the requested reloads until ctx ends, and waits for the drains of removed services.
func (s *Server) runReloads(ctx context.Context) error {
	defer close(s.reloads.ended)
	var removals sync.WaitGroup
	defer removals.Wait()
	for {
		select {
		case q := <-s.reloads.requests:
			r := s.newReload(&removals)
			err := q.do(ctx, r)
			r.finish(err)
			q.result <- reloadResult{r.result, err}
		case <-ctx.Done():
			return nil
		}
	}
}

// Diff says what Reload would do.
func (s *Server) Diff() (*status.Reload, error) {
	if s.load == nil {
		return nil, ErrNoFile
	}
	r := s.newReload(nil)
	err := r.read()
	r.finish(err)
	return r.result, err
}

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
		log.Error("not reloaded: what ran before runs on", "problems", len(r.result.Problems))
	default:
		log.Error("reloaded, and services are held back", "err", err)
	}
}

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
	r.result.Notes = append(r.result.Notes, r.later()...)
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

// missingCommands returns a problem for each command that cannot be found and that new nodes would run.
func (r *reload) missingCommands() (problems config.Problems) {
	var started []config.Service
	for _, change := range r.result.Services {
		if change.Effect == status.EffectStart || change.Effect == status.EffectRoll {
			started = append(started, *serviceOf(r.file.Config, change.Name))
		}
	}
	for _, err := range MissingCommands(started) {
		problems = append(problems, r.file.Problem("services."+err.Service+".run", err))
	}
	return problems
}

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
