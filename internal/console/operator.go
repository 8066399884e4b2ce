package console

import (
	"context"
	"errors"

	"github.com/tenfold-go/tenfold/internal/status"
)

// Reader is what the console shows. Its methods may be called concurrently.
type Reader interface {
	Services() []status.Service
	Nodes() []status.Node
	Routes() []status.Route
	Store() status.Store
	Certificates() []status.Certificate
}

// Operator changes a running tenfold. Its methods may be called concurrently. An error that wraps [ErrUnknown] or
// [ErrRefused] becomes 404 or 409, any other one 500.
type Operator interface {
	Restart(ctx context.Context, service string) error
	Scale(ctx context.Context, service string, nodes int) error
	// Drain refuses the last ready node of a list of addresses, unless force is set.
	Drain(ctx context.Context, node string, force bool) error
	Undrain(node string) error
	// Deploy gives a service the version of the file. Without an error about the file or the new nodes, its result may be nil.
	Deploy(ctx context.Context, service string, how status.Deploy) (*status.Reload, error)
	// Rollback runs the version of a service before the last deploy, or ends a deploy to a share.
	Rollback(ctx context.Context, service string) error
	// Reload makes the file run as it is now. by is the caller, for the log. The result is nil when it is refused.
	Reload(ctx context.Context, by string) (*status.Reload, error)
	// Upgrade lets a new process of the program serve, and returns when it does.
	Upgrade(ctx context.Context) (*status.Upgrade, error)
	// Diff says what Reload would do.
	Diff() (*status.Reload, error)
}

var (
	ErrUnknown = errors.New("not found")
	ErrRefused = errors.New("not allowed in the current state")
)
