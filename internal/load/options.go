package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/tenfold-go/tenfold/internal/load/arrivals"
	"github.com/tenfold-go/tenfold/internal/load/platform"
)

// Options are the properties of a load. The zero value, and nil, mean the defaults.
type Options struct {
	Duration    time.Duration  // measured time of a step; default 10 s
	Warmup      *time.Duration // time before it that is not measured; nil: until rate and median latency are steady
	Timeout     time.Duration  // of a request, from when it is sent; may end up to a tenth earlier; default 10 s
	Connections int            // largest number of open connections; default 4096, or what the limit of open files allows
	Arrivals    arrivals.Pattern
	Seed        uint64 // equal seeds give equal schedules; 0 is a valid seed

	TLS      *tls.Config    // for https targets; nil for the default
	Progress func(Progress) // called about once a second, never concurrently; nil for no calls

	// Dial connects to an http target, over tcp or unix; nil for net.Dialer. It is not used for https.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	newTimer func() (platform.Timer, error) // nil for the most precise one
}

// Progress is the state of a running step.
type Progress struct {
	Offered    float64 // visits per second; 0 in closed load
	Users      int     // 0 in open load
	Warming    bool    // results are not measured yet
	Recovering bool    // no load: waiting until the target has recovered from the previous step
	Elapsed    time.Duration
	Rate       float64       // requests per second that ended since the last call
	Failed     float64       // share of them that failed
	P50, P99   time.Duration // of their latencies
}

// Limits against typing errors that would cause an outage or use up the memory.
const (
	MaxRate        = 1e6
	MaxUsers       = 50_000
	MaxConnections = 50_000
	MaxDuration    = 24 * time.Hour

	defaultConnections = 4096
	reservedFiles      = 64 // open files that are not connections
)

// withDefaults returns a copy with every field set. It fails if a value is out of range.
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
	if d.newTimer == nil {
		d.newTimer = platform.NewTimer
	}
	available := platform.OpenFiles() - reservedFiles
	if d.Connections == 0 {
		d.Connections = min(defaultConnections, available)
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
	case d.Connections > available:
		return nil, fmt.Errorf("%d connections: this process may open only %d files: raise ulimit -n", d.Connections,
			available+reservedFiles)
	}
	return &d, nil
}
