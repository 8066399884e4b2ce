package server

import (
	"context"
	"errors"

	"github.com/tenfold-go/tenfold/internal/console"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/status"
)

// operator passes the orders of the console to the fleet and translates the fleet's errors for the console.
type operator struct {
	fleet  *fleet.Fleet
	server *Server
}

var _ console.Operator = operator{}

func (o operator) Restart(ctx context.Context, service string) error {
	return translate(o.server.restart(ctx, service))
}

func (o operator) Scale(ctx context.Context, service string, nodes int) error {
	return o.during("scaling of "+service, func() error { return o.fleet.Scale(ctx, service, nodes) })
}

func (o operator) Drain(ctx context.Context, id string, force bool) error {
	return o.during("drain of "+id, func() error { return o.fleet.Drain(ctx, id, force) })
}

func (o operator) Undrain(id string) error {
	return o.during("undrain of "+id, func() error { return o.fleet.Undrain(id) })
}

func (o operator) Reload(ctx context.Context, by string) (*status.Reload, error) {
	r, err := o.server.Reload(ctx, by)
	return r, translate(err)
}

func (o operator) Diff() (*status.Reload, error) {
	r, err := o.server.Diff()
	return r, translate(err)
}

func (o operator) Upgrade(ctx context.Context) (*status.Upgrade, error) {
	u, err := o.server.Upgrade(ctx)
	return u, translate(err)
}

// during does something that an upgrade must not overlap.
func (o operator) during(description string, do func() error) error {
	end, err := o.server.operations.begin(description)
	if err != nil {
		return translate(err)
	}
	defer end()
	return translate(do())
}

func (o operator) Deploy(ctx context.Context, service string, how status.Deploy) (*status.Reload, error) {
	r, err := o.server.Deploy(ctx, service, how)
	return r, translate(err)
}

func (o operator) Rollback(ctx context.Context, service string) error {
	return translate(o.server.Rollback(ctx, service))
}

// translate marks an error of the fleet with the error of the console that it stands for.
func translate(err error) error {
	for _, unknown := range []error{fleet.ErrUnknownService, fleet.ErrUnknownNode} {
		if errors.Is(err, unknown) {
			return &refusal{err, console.ErrUnknown}
		}
	}
	for _, refused := range []error{
		fleet.ErrStatic, fleet.ErrRemote, fleet.ErrBusy, fleet.ErrSize, fleet.ErrNotRunning, ErrNoFile,
		ErrUpgrading, ErrChanging, ErrHandedOver, ErrNoUpgrade, fleet.ErrNoPrevious, fleet.ErrCanary, fleet.ErrNoCanary, fleet.ErrWorker,
		fleet.ErrLastReady, fleet.ErrNotDraining, fleet.ErrEnding, fleet.ErrUndrained,
	} {
		if errors.Is(err, refused) {
			return &refusal{err, console.ErrRefused}
		}
	}
	return err
}

// refusal is an error of the fleet. It has the text of the fleet and wraps the console's error kind, too.
type refusal struct {
	error
	kind error
}

func (r *refusal) Unwrap() []error { return []error{r.error, r.kind} }
