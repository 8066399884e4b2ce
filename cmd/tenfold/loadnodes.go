package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/load"
	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/server"
)

// fleetSizes are the numbers of nodes to measure, as in 1,2,3,4.
type fleetSizes []int

// mostMeasured is the largest fleet that is measured on one machine.
const mostMeasured = 64

func (f *fleetSizes) UnmarshalText(text []byte) error {
	*f = nil
	last := 0
	for part := range strings.SplitSeq(string(text), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n <= last || n > mostMeasured {
			return fmt.Errorf("nodes %q: want rising numbers from 1 to %d, for example 1,2,3,4,6,8", text, mostMeasured)
		}
		*f, last = append(*f, n), n
	}
	return nil
}

// readyWithin is how long a fleet may take until all its nodes are ready.
const readyWithin = 2 * time.Minute

// scaling measures the knee of a process service at each fleet size: it starts the whole file, with that
// many nodes, on a loopback address of its own. What was measured before an interruption or an error is returned.
func (cmd loadCmd) scaling(ctx context.Context, t *terminal, o *load.Options) (_ *load.Document, err error) {
	if !cmd.Rates.given {
		return nil, usageError(errors.New("--nodes looks for the knee of each fleet size"), "--rates 10..2000")
	}
	var d *load.Document
	for _, n := range cmd.Nodes {
		var c *load.Curve
		c, err = cmd.size(ctx, t, o, n, &d)
		if c != nil && len(c.Steps) > 0 {
			d.Scaling = append(d.Scaling, load.NewSize(n, c))
			d.Notes = append(d.Notes, unsure(n, c)...)
		}
		if err != nil || ctx.Err() != nil {
			break
		}
	}
	switch {
	case d != nil && ctx.Err() != nil:
		err = nil
	case ctx.Err() != nil:
		return nil, errors.New("interrupted before anything was measured")
	case d == nil || len(d.Scaling) == 0:
		return nil, err
	}
	d.Incomplete, d.SharedCores = err != nil || ctx.Err() != nil, true
	d.Notes = append(d.Notes, "all nodes, the gateway and the generator shared the cores of this machine (shared_cores): "+
		"the curve is that of the service only as far as its nodes wait and do not compute")
	return d, err
}

// unsure says why the knee of a fleet is not known, or not from both sides.
func unsure(n int, c *load.Curve) []string {
	switch {
	case c.Knee != nil && c.Knee.High > 0:
		return nil
	case load.NewSize(n, c).Knee == nil:
		return []string{fmt.Sprintf("%s: no knee: %s", report.Count(n, "node"), c.End)}
	}
	return []string{fmt.Sprintf("%s: the knee is a lower bound: %s", report.Count(n, "node"), c.End)}
}

// size runs a fleet of n nodes and looks for its knee. The first size makes the document.
func (cmd loadCmd) size(ctx context.Context, t *terminal, o *load.Options, n int, d **load.Document) (c *load.Curve, err error) {
	cfg, err := cmd.fleet(t, n)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(t.stderr, "%s:\n", report.Count(n, "node"))
	running, stop := t.untilKilled(ctx) // longer than ctx: the step that is interrupted ends while its fleet is there
	defer stop()
	ready, ended := make(chan string, 1), make(chan error, 1)
	inner := &terminal{killed: t.killed, stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	go func() {
		ended <- serve(running, inner, cfg, serveOptions{log: "json", opened: func(*server.Server) {}, ready: func(s *server.Server) { ready <- s.URLs()[0] }})
	}()
	limit := time.NewTimer(readyWithin)
	defer limit.Stop()
	select {
	case url := <-ready:
		c, err = cmd.sweepAt(ctx, t, o, url, d)
	case err := <-ended:
		if err == nil {
			err = context.Canceled
		}
		return nil, fmt.Errorf("run %s: %w", report.Count(n, "node"), err)
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit.C:
		err = hinted(fmt.Errorf("%s were not ready after %v", report.Count(n, "node"), readyWithin), "tenfold up -f "+cmd.File+" shows what they say")
	}
	stop()
	return c, errors.Join(err, <-ended)
}

// fleet is the file with n nodes of the measured service, on an address of its own.
func (cmd loadCmd) fleet(t *terminal, n int) (*config.Config, error) {
	cfg, err := loadConfig(t, cmd.File)
	if err != nil {
		return nil, err
	}
	if err := cfg.Override(config.Overrides{Listen: []string{"127.0.0.1:0"}, Admin: "off"}); err != nil {
		return nil, usageError(err, "")
	}
	var names []string
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if len(s.Run) == 0 || s.Worker {
			continue
		}
		names = append(names, s.Name)
		if cmd.Service == "" || cmd.Service == s.Name {
			s.MinNodes, s.MaxNodes = n, n
		}
	}
	switch {
	case len(names) == 0:
		return nil, usageError(fmt.Errorf("%s has no service that tenfold runs behind an address", cmd.File), "--nodes starts a service with run: at each size")
	case cmd.Service == "" && len(names) > 1:
		return nil, usageError(fmt.Errorf("%s has the services %s", cmd.File, strings.Join(names, ", ")), "--service NAME says which one to measure")
	case cmd.Service != "" && !slices.Contains(names, cmd.Service):
		return nil, usageError(fmt.Errorf("%s runs no service %s", cmd.File, cmd.Service), "it runs "+strings.Join(names, ", "))
	}
	return cfg, nil
}

// sweepAt looks for the knee of what runs at url.
func (cmd loadCmd) sweepAt(ctx context.Context, t *terminal, o *load.Options, url string, d **load.Document) (*load.Curve, error) {
	at := cmd
	if !isJourney(cmd.Target) {
		at.Target = url + cmp.Or(cmd.Target, "/")
	} else {
		at.Base = url
	}
	w, err := at.work(o)
	if err != nil {
		return nil, err
	}
	defer w.generator.Close()
	if _, err := w.check(ctx); err != nil {
		return nil, usageError(err, hintOf(err))
	}
	if *d == nil {
		*d = cmd.document(cmp.Or(cmd.Target, "/")+" of "+cmd.File, w.generator)
	}
	return w.generator.Sweep(ctx, cmd.Rates.value.low, cmd.Rates.value.high, cmd.objective(), newProgress(t.stderr).step)
}
