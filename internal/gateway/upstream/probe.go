package upstream

import (
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

const (
	startInterval = 50 * time.Millisecond // between probes of a node that has not been ready yet
	startEager    = 30 * time.Second      // how long it is probed that often
	probeBody     = 64 << 10              // how much of the answer is read, and searched for Probe.Body
)

// probe asks the node again and again whether it can take requests, until ctx ends.
func (p *Pool) probe(ctx context.Context, m *member) {
	begun := time.Now()
	rise, fall, wasReady := 0, 0, false
	for {
		err := checkNode(ctx, p.service.Probe, m.Node().Address)
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		m.probeErr = err
		p.mu.Unlock()
		if err == nil {
			rise, fall = rise+1, 0
			if rise == p.service.Probe.Rise {
				wasReady = true
				p.nodeUp(m)
			}
		} else {
			rise, fall = 0, fall+1
			p.metrics.probeFailures.Inc()
			if fall == p.service.Probe.Fall {
				p.nodeDown(m, err)
			}
		}
		pause := p.service.Probe.Interval
		if !wasReady && time.Since(begun) < startEager || err == nil && rise < p.service.Probe.Rise {
			pause = min(pause, startInterval)
		}
		if !sleep(ctx, jitter(pause)) {
			return
		}
	}
}

// checkNode asks a node once. Each probe is a connection of its own, so that it also tells whether the node accepts any.
func checkNode(ctx context.Context, c config.Probe, address string) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	conn := client.NewConn(nc, nil)
	defer conn.Close()
	if c.Off {
		return nil
	}
	u, err := url.ParseRequestURI(c.Path)
	if err != nil {
		return err
	}
	req := &http.Request{
		Method: http.MethodGet, URL: u, Host: address, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": {"tenfold-probe"}, "Accept": {"*/*"}}, Close: true,
	}
	resp, err := conn.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// It is read though it may not matter: to close a connection with something unread resets it, which servers log.
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

// nodeUp takes a node in. Its share grows slowly, but only beside nodes that are warm already: a fleet that starts as a
// whole has nobody to carry the load in the meantime.
func (p *Pool) nodeUp(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.passing {
		return
	}
	now := time.Now()
	warm := false
	for _, o := range p.members {
		warm = warm || o != m && o.usable.Load() && now.Sub(o.upSince) >= m.slowStart
	}
	m.passing, m.upSince = true, now
	m.warmFrom.Store(-1)
	if warm && m.slowStart > 0 {
		m.warmFrom.Store(int64(sinceEpoch()))
	}
	m.failuresInRow.Store(0)
	if m.wasUp {
		p.log.Info("node up again", "node", m.id, "address", m.Node().Address)
	}
	m.wasUp = true
	if p.breaker != nil {
		p.breaker.ProbePassed()
	}
	p.rebuild()
}

// nodeDown takes a node out, and moves what can be repeated to other nodes.
func (p *Pool) nodeDown(m *member, err error) {
	p.mu.Lock()
	wasUp := m.passing
	m.passing = false
	p.rebuild()
	usable := m.usable.Load() // in a panic it still is
	p.mu.Unlock()
	if !wasUp {
		return
	}
	moved := 0
	if !usable {
		moved = m.tries.cancel(ErrNodeDown, func(t *try) bool { return t.moving.Load() })
	}
	p.log.Warn("node down", "node", m.id, "address", m.Node().Address, "err", err, "moved", moved)
}

// jitter spreads probes, so that many gateways or many nodes do not fall into step: 10 % either way.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
