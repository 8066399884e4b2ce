package fleet

import (
	"cmp"
	"context"
	"log/slog"
	"time"
)

// Options tune a Fleet. Zero fields mean their defaults.
type Options struct {
	Log     *slog.Logger // one record per change of a node; default: discard
	Metrics *Metrics     // default: not exported
	// Env returns KEY=VALUE for every node, for example REDIS_URL. It is called at each start of a node. The Env of a
	// service wins. Default: none.
	Env func() []string

	// Once runs a task unless another fleet with the same store runs it, or has run it for the same version. Default: the
	// task is run.
	Once func(ctx context.Context, t Task) error
	// Done says that a predecessor of this fleet has done a task for a version. Default: no call.
	Done func(service, version string)

	// StartTimeout is the start timeout of services that do not have one. Default: 60s.
	StartTimeout time.Duration
	// StopGrace is the least time between asking a node to end and forcing it. Default: 5s.
	StopGrace  time.Duration
	BackoffMin time.Duration // upper bound of the pause before the second replacement in a row; default: 100ms
	BackoffMax time.Duration // upper bound of any pause before a replacement; default: 30s
}

func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	d.Log = cmp.Or(d.Log, slog.New(slog.DiscardHandler))
	if d.Metrics == nil {
		d.Metrics = NewMetrics(nil)
	}
	if d.Env == nil {
		d.Env = func() []string { return nil }
	}
	if d.Once == nil {
		d.Once = func(ctx context.Context, t Task) error { return t.Run(ctx, 0) }
	}
	if d.Done == nil {
		d.Done = func(string, string) {}
	}
	d.StartTimeout = cmp.Or(d.StartTimeout, time.Minute)
	d.StopGrace = cmp.Or(d.StopGrace, 5*time.Second)
	d.BackoffMin = cmp.Or(d.BackoffMin, 100*time.Millisecond)
	d.BackoffMax = cmp.Or(d.BackoffMax, 30*time.Second)
	return d
}
