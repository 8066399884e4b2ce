package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/http1/client"
)

// probeLimits are above any limit of a service: the header of the response does not matter for a probe.
var probeLimits = client.Options{MaxHeaderBytes: 16 << 20, MaxHeaderLines: 100_000}

const (
	startInterval = 50 * time.Millisecond // between probes of a node that was not ready yet
	startPhase    = 30 * time.Second      // how long a new node is probed that often
	probeBody     = 64 << 10              // how much of the response's body is read and searched for Probe.Body
)

// probe checks the node again and again, and tells the pool when the node becomes ready or goes down. It returns when
// ctx ends.
func (p *Pool) probe(ctx context.Context, m *member) {
	start := time.Now()
	successes, failures := 0, 0                    // in a row
	risen, fallen, wasReady := false, false, false // risen and fallen: this row has decided
	reset := func() {
		start, successes, failures = time.Now(), 0, 0
		risen, fallen, wasReady = false, false, false
	}
	for {
		settings := p.settings.Load()
		c := settings.probesOf(m).readiness
		began := time.Now()
		err := checkNode(ctx, c, &m.dialer)
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		m.probeErr = err
		if settings.probesOf(m).liveness == nil && shortageOf(err) == "" {
			m.vitals.probed(began, time.Now(), err)
		}
		p.mu.Unlock()
		switch {
		case shortageOf(err) != "":
			p.shortage(err) // this probe says nothing about the node
		case err == nil:
			successes, failures, fallen = successes+1, 0, false
			if successes >= c.Rise && !risen {
				risen, wasReady = true, true
				p.nodeReady(m)
			}
		default:
			successes, failures, risen = 0, failures+1, false
			p.metrics.probeFailures.Inc()
			if failures >= c.Fall && !fallen {
				fallen = true
				p.nodeDown(m, err)
			}
		}
		pause := c.Interval
		if !wasReady && time.Since(start) < startPhase || err == nil && !risen {
			pause = min(pause, startInterval)
		}
		switch refused, ok := m.pauseProbe(ctx, jitter(pause)); {
		case !ok:
			return
		case refused:
			reset() // the next probe is at once, and decides like the first one
		}
	}
}

// pauseProbe waits for the next probe, which other settings make due at once. refused says that the wait ended early
// because the node refused a connection. ok is false when ctx has ended.
func (m *member) pauseProbe(ctx context.Context, d time.Duration) (refused, ok bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false, false
	case <-t.C:
		return false, true
	case <-m.reprobe:
		return false, true
	case <-m.recheck:
		return true, true
	}
}

// wakeProbe makes the next probe due at once.
func (m *member) wakeProbe() {
	select {
	case m.reprobe <- struct{}{}:
	default: // it is due already
	}
}

// checkNode sends one probe. Each probe opens a new connection, so that it also tests whether the node accepts
// connections. After a probe that passes, requests go to the address of the probe.
func checkNode(ctx context.Context, c config.Probe, d *dialer) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	nc, address, err := d.dialProbe(ctx)
	if err != nil {
		return err
	}
	if err := checkConn(ctx, c, nc, d.authority()); err != nil {
		return err
	}
	d.use(address)
	return nil
}

// checkConn sends a probe over a new connection, and closes it.
func checkConn(ctx context.Context, c config.Probe, nc net.Conn, host string) error {
	conn := client.NewConn(nc, &probeLimits)
	defer conn.Close()
	if c.Off {
		return nil
	}
	u, err := url.ParseRequestURI(c.Path)
	if err != nil {
		return err
	}
	req := &http.Request{
		Method: cmp.Or(c.Method, http.MethodGet), URL: u, Host: cmp.Or(c.Host, host), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": {"tenfold-probe"}, "Accept": {"*/*"}}, Close: true,
	}
	for name, value := range c.Headers {
		req.Header[name] = []string{value}
	}
	resp, err := conn.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// The body is read even if only the status counts: closing a connection with unread data resets it, and servers log
	// resets.
	body, err := io.ReadAll(io.LimitReader(resp.Body, probeBody))
	switch {
	case !expected(c.Status, resp.StatusCode):
		return fmt.Errorf("probe answered %d", resp.StatusCode)
	case c.Body == "":
		return nil
	case err != nil:
		return err
	case !strings.Contains(string(body), c.Body):
		return errors.New("probe answered without the expected body")
	}
	return nil
}

func expected(ranges []config.StatusRange, status int) bool {
	for _, r := range ranges {
		if r.From <= status && status <= r.To {
			return true
		}
	}
	return false
}

// nodeReady makes a node ready. The node starts slowly only if another node is warm already: without a warm node, no
// node can carry the load in the meantime.
func (p *Pool) nodeReady(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.ready {
		return
	}
	now := time.Now()
	slowStart := p.config().SlowStart
	otherWarm := false
	for _, other := range p.ordered {
		sameKind := other != m && other.Node().Backup == m.Node().Backup // a backup leaves when another node is ready
		otherWarm = otherWarm || sameKind && other.eligible.Load() && now.Sub(other.readySince) >= slowStart
	}
	m.ready, m.readySince = true, now
	m.warmFrom.Store(-1)
	if otherWarm && slowStart > 0 {
		m.warmFrom.Store(int64(sinceEpoch()))
	}
	m.failuresInRow.Store(0)
	if m.wasReady {
		p.log.Info("node ready again", "node", m.id, "address", m.Node().Address)
	}
	m.wasReady = true
	if b := p.settings.Load().breaker; b != nil {
		b.ProbePassed()
	}
	p.rebuild()
}

// nodeDown takes the requests away from a node that fails its probe. Requests that may be repeated move to other nodes.
func (p *Pool) nodeDown(m *member, err error) {
	p.mu.Lock()
	wasReady := m.ready
	m.ready = false
	p.rebuild()
	eligible := m.eligible.Load() // it still is when too few nodes are ready: see config.Outlier.Panic
	p.mu.Unlock()
	if !wasReady {
		return
	}
	moved := 0
	if !eligible {
		moved = m.running.cancelRetryable(ErrNodeDown)
	}
	p.log.Warn("node down", "node", m.id, "address", m.Node().Address, "err", err, "moved", moved)
}

// nodeRefused takes the requests away from a node that refused a connection, until its next good probe, and has it
// probed at once. Requests that run on the node stay there.
func (p *Pool) nodeRefused(m *member) {
	m.failures.Add(1)
	p.mu.Lock()
	wasReady := m.ready
	if m.ready = false; wasReady {
		p.rebuild()
	}
	p.mu.Unlock()
	if !wasReady {
		return
	}
	p.log.Warn("node refuses connections", "node", m.id, "address", m.Node().Address)
	select {
	case m.recheck <- struct{}{}:
	default:
	}
}

// jitter changes d by up to 10 % either way, so that many gateways or nodes are not probed at the same moment.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}
