package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/status"
)

// Deploy gives one service the version of the file. The file is read again and checked as a whole: after any
// problem, nothing changes, and Deploy returns all problems as [config.Problems]. The settings of the service change in
// place first; then its nodes are replaced, next to other reloads and deploys. A version whose nodes do not get ready is
// held back: Deploy returns the error of the fleet, and the service runs as before.
func (s *Server) Deploy(ctx context.Context, service string, how status.Deploy) (*status.Reload, error) {
	release, err := s.claim(service)
	if err != nil {
		return nil, err
	}
	defer release()
	if how.Promote {
		d := s.newReload(nil)
		d.result.Services = []status.ServiceChange{{Name: service, Effect: status.EffectRoll}}
		err := s.fleet.Promote(ctx, service)
		d.finish(err)
		return d.result, err
	}
	if s.load == nil {
		return nil, ErrNoFile
	}
	var d *deploy
	result, err := s.oneByOne(ctx, func(ctx context.Context, r *reload) error {
		d = &deploy{reload: r, service: service}
		return d.prepare(ctx)
	})
	if err != nil {
		return result, err
	}
	if how.Share > 0 {
		err = s.fleet.DeployShare(ctx, d.next, how.Share)
	} else {
		err = s.fleet.Deploy(ctx, d.next)
	}
	if err != nil && d.applied {
		_, undone := s.oneByOne(context.WithoutCancel(ctx), func(ctx context.Context, r *reload) error { return d.undo(ctx, r) })
		err = errors.Join(err, undone)
	}
	d.reload.finish(err)
	return d.result, err
}

// Rollback runs the version of a service before the last deploy, or ends a deploy to a share.
func (s *Server) Rollback(ctx context.Context, service string) error {
	release, err := s.claim(service)
	if err != nil {
		return err
	}
	defer release()
	return s.fleet.Rollback(ctx, service)
}

// claim refuses a second deploy or rollback of a service, and an upgrade, until release is called.
func (s *Server) claim(service string) (release func(), err error) {
	end, err := s.operations.begin("deploy of " + service)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			end()
		}
	}()
	s.deploying.Lock()
	defer s.deploying.Unlock()
	if s.deploying.services[service] {
		return nil, fmt.Errorf("service %q: %w: another deploy or rollback of it is not finished", service, fleet.ErrBusy)
	}
	s.deploying.services[service] = true
	return func() {
		s.deploying.Lock()
		defer s.deploying.Unlock()
		delete(s.deploying.services, service)
		end()
	}, nil
}

// deploy is one deploy. It uses the steps of a reload for one service.
type deploy struct {
	*reload
	service string
	next    fleet.Service
	before  config.Service // in the configuration that ran
	applied bool           // the settings of the service were changed
}

// prepare reads the file, and changes the settings of the service. The program follows with the nodes.
func (d *deploy) prepare(ctx context.Context) error {
	if _, ok := d.fleet.Running(d.service); !ok {
		return d.fleet.Unknown()
	}
	if err := d.read(); err != nil {
		return err
	}
	to := *serviceOf(d.file.Config, d.service)
	d.before = *serviceOf(d.running, d.service)
	to.Worker = d.before.Worker // the routes stay those that run
	for _, err := range MissingCommands([]config.Service{to}) {
		return config.Problems{d.file.Problem("services."+d.service+"."+err.Key, err)}
	}
	d.next = d.fleetService(&to)
	return d.apply(ctx, to)
}

// read reads the file, and keeps of the differences those that concern the service.
func (d *deploy) read() error {
	if err := d.readFile(); err != nil {
		return err
	}
	if !slices.ContainsFunc(d.file.Services, func(s config.Service) bool { return s.Name == d.service }) {
		return config.Problems{d.file.Problem("services", fmt.Errorf("there is no service %q in the file any more", d.service))}
	}
	prefix := "services." + d.service
	d.result.Changes = slices.DeleteFunc(d.result.Changes, func(c config.Change) bool {
		return c.Path != prefix && !strings.HasPrefix(c.Path, prefix+".")
	})
	d.result.Services = []status.ServiceChange{{Name: d.service, Effect: status.EffectRoll}}
	return nil
}

// apply makes the gateway and the next reload use other settings of the service.
func (d *deploy) apply(ctx context.Context, to config.Service) error {
	cfg := withService(d.running, to)
	next, err := d.gateway.Prepare(ctx, cfg)
	if err != nil {
		return config.Problems{d.file.Problem(pathOf(err, cfg), err)}
	}
	next.Commit().Finish()
	d.use(cfg)
	d.applied = true
	return nil
}

// undo brings the settings of the service back, after its new nodes were held back. r is the reload as which it runs.
func (d *deploy) undo(ctx context.Context, r *reload) error {
	cfg := withService(r.config(), d.before)
	next, err := r.gateway.Prepare(ctx, cfg)
	if err != nil {
		return fmt.Errorf("bring back the settings of service %q: %w", d.service, err)
	}
	next.Commit().Finish()
	r.use(cfg)
	return nil
}

// use makes cfg the configuration that runs.
func (s *Server) use(cfg *config.Config) {
	s.cfg.Store(cfg)
	s.status.Use(cfg)
}

// withService returns a configuration with another form of one of its services.
func withService(cfg *config.Config, to config.Service) *config.Config {
	with := *cfg
	with.Services = slices.Clone(cfg.Services)
	*serviceOf(&with, to.Name) = to
	return &with
}
