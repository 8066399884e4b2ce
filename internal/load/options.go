package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"time"
)

// Options are how a load is made. The zero value, and nil, mean the defaults.
type Options struct {
	Duration    time.Duration  // of what is measured in a step; default 10 s
	Warmup      *time.Duration // before that, and not measured; nil: until rate and median are steady
	Timeout     time.Duration  // of a request, from when it is sent; it may end a tenth earlier; default 10 s
	Connections int            // at most so many at a time; default 4096, or as many as there are descriptors for
	Arrivals    Arrivals
	Seed        uint64 // equal seeds make equal schedules; 0 is a seed as any other

	TLS      *tls.Config    // of https targets; nil for the default
	Progress func(Progress) // called about once a second, one call at a time; nil for nothing

	// Dial connects to the target; nil for TCP. It is not used for https.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	alarm func() (alarm, error) // nil for the kernel's
}

// Progress is how far a step is.
type Progress struct {
	Offered    float64 // visits per second; 0 in closed load
	Users      int     // in closed load
	Warming    bool    // what comes in is not measured yet
	Recovering bool    // nothing is offered until the target has worked off the step before
	Elapsed    time.Duration
	Duration   time.Duration // of the step, as far as it is known
	Rate       float64       // requests per second that ended since the last call
	Failed     float64       // share of them that failed
	P50, P99   time.Duration // of them
}

// String is the state in a line.
func (p Progress) String() string {
	seconds := int(p.Elapsed.Seconds())
	if p.Recovering {
		return fmt.Sprintf("waiting until the target has recovered, %d s", seconds)
	}
	what, state := number(p.Offered)+"/s", "measuring"
	if p.Users > 0 {
		what = fmt.Sprintf("%d users", p.Users)
	}
	if p.Warming {
		state = "warming up"
	}
	return fmt.Sprintf("%s, %s, %d s: %.0f answers/s, p50 %v, p99 %v, %.2f%% errors", what, state, seconds, p.Rate,
		p.P50.Round(10*time.Microsecond), p.P99.Round(10*time.Microsecond), 100*p.Failed)
}

// Limits, so that a slip of the finger does not become an outage or fill the memory.
const (
	MaxRate        = 1e6
	MaxUsers       = 50_000
	MaxConnections = 50_000
	MaxDuration    = 24 * time.Hour

	defaultConnections = 4096
	spareDescriptors   = 64
)

// withDefaults returns a copy with every field filled in.
func (o *Options) withDefaults() (*Options, error) {
	var d Options
	if o != nil {
		d = *o
	}
	if d.Duration == 0 {
		d.Duration = 10 * time.Second
	}
	if d.Timeout == 0 {
		d.Timeout = 10 * time.Second
	}
	if d.Dial == nil {
		d.Dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	if d.alarm == nil {
		d.alarm = newAlarm
	}
	free := descriptors() - spareDescriptors
	if d.Connections == 0 {
		d.Connections = min(defaultConnections, free)
	}
	switch {
	case d.Duration < 100*time.Millisecond || d.Duration > MaxDuration:
		return nil, fmt.Errorf("duration %v: want 100ms to %v", d.Duration, MaxDuration)
	case d.Timeout < 10*time.Millisecond || d.Timeout > time.Hour:
		return nil, fmt.Errorf("timeout %v: want 10ms to 1h", d.Timeout)
	case d.Warmup != nil && (*d.Warmup < 0 || *d.Warmup > time.Hour):
		return nil, fmt.Errorf("warm-up %v: want 0s to 1h", *d.Warmup)
	case d.Connections < 1 || d.Connections > MaxConnections:
		return nil, fmt.Errorf("%d connections: want 1 to %d", d.Connections, MaxConnections)
	case d.Connections > free:
		return nil, fmt.Errorf("%d connections need more than the %d descriptors that this process may open: raise ulimit -n", d.Connections, free+spareDescriptors)
	}
	return &d, nil
}

// cores is how many the generator may use.
func cores() int { return runtime.GOMAXPROCS(0) }
