package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/load"
	"github.com/tenfold-go/tenfold/internal/queueing"
	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/server"
)

// fleetSizes are the numbers of nodes to measure, for example 1,2,3,4.
type fleetSizes []int

// maxMeasuredNodes is the largest fleet that is measured on one machine.
const maxMeasuredNodes = 64

func (f *fleetSizes) UnmarshalText(text []byte) error {
	*f = nil
	last := 0
	for part := range strings.SplitSeq(string(text), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n <= last || n > maxMeasuredNodes {
			return fmt.Errorf("nodes %q: want rising numbers from 1 to %d, for example 1,2,3,4,6,8", text, maxMeasuredNodes)
		}
		*f, last = append(*f, n), n
	}
	return nil
}

// readyTimeout is how long a fleet may take until all its nodes are ready.
const readyTimeout = 2 * time.Minute

// measureFleets measures the knee of a service at each fleet size. For each size, it starts the whole system of the
// file with that many nodes, on another loopback address. After an interruption or an error, it returns the sizes that
// were measured before.
func (cmd loadCmd) measureFleets(ctx context.Context, t *terminal, o *load.Options) (*curve.Document, error) {
	if !cmd.Rates.given {
		return nil, usageError(errors.New("--nodes searches for the knee at each fleet size and needs --rates"),
			"--rates 10..2000")
	}
	if n := len(cmd.Nodes); n < queueing.MinSizes {
		fmt.Fprintf(t.stderr, "note: tenfold plan needs %d fleet sizes or more for a curve, and --nodes has %d: for example "+
			"--nodes 1,2,4\n", queueing.MinSizes, n)
	}
	cmd.File = cmp.Or(cmd.File, "tenfold.yaml")
	var sizes []load.SizeResult
	var last *curve.Document
	var err error
	for _, n := range cmd.Nodes {
		var d *curve.Document
		if d, err = cmd.measureFleet(ctx, t, o, n); d != nil {
			last = d
		}
		if d != nil && len(d.Steps) > 0 {
			sizes = append(sizes, load.SizeResult{Nodes: n, Search: d})
		}
		if err != nil || ctx.Err() != nil {
			break
		}
	}
	interrupted := ctx.Err() != nil
	switch {
	case interrupted && last == nil:
		return nil, errors.New("interrupted before anything was measured")
	case interrupted && len(sizes) == 0:
		return last, nil
	case len(sizes) == 0:
		return nil, err
	case interrupted:
		err = nil // the document says so
	}
	d := load.Scaling(sizes)
	d.Incomplete = err != nil || interrupted
	return d, err
}

// measureFleet starts a fleet of n nodes and searches for its knee.
func (cmd loadCmd) measureFleet(
	ctx context.Context, t *terminal, o *load.Options, n int,
) (d *curve.Document, err error) {
	cfg, err := cmd.fleetConfig(t, n)
	if err != nil {
		return nil, err
	}
	cfg.Log.Access = false
	nodes := report.Count(n, "node")
	fmt.Fprintf(t.stderr, "%s:\n", nodes)
	running, stop := t.untilKilled(ctx) // so that the fleet still runs while an interrupted step ends
	defer stop()
	ready, ended := make(chan string, 1), make(chan error, 1)
	logs, err := server.OpenLogs(&server.LogOptions{}) // they are discarded
	if err != nil {
		return nil, err
	}
	defer logs.Close()
	options := serveOptions{
		logs: logs, opened: func(*server.Server) {}, ready: func(s *server.Server) { ready <- s.URLs()[0] },
	}
	go func() { ended <- serve(running, t, cfg, options) }()
	limit := time.NewTimer(readyTimeout)
	defer limit.Stop()
	select {
	case url := <-ready:
		d, err = cmd.searchAt(ctx, t, o, url)
	case err := <-ended:
		if err == nil {
			err = context.Canceled
		}
		return nil, fmt.Errorf("run %s: %w", nodes, err)
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit.C:
		err = hinted(fmt.Errorf("%s: not ready after %v", nodes, readyTimeout),
			"tenfold up -f "+cmd.File+" shows the output of the nodes")
	}
	stop()
	return d, errors.Join(err, <-ended)
}

// searchAt searches for the knee of the fleet at url.
func (cmd loadCmd) searchAt(ctx context.Context, t *terminal, o *load.Options, url string) (*curve.Document, error) {
	at := cmd
	if isJourney(cmd.Target) {
		at.Base = url
	} else {
		at.Target = url + cmp.Or(cmd.Target, "/")
	}
	w, err := at.workload(o)
	if err != nil {
		return nil, err
	}
	defer w.generator.Close()
	if _, err := w.check(ctx); err != nil {
		return nil, usageError(err, hintOf(err))
	}
	return w.generator.Run(ctx, cmd.test(cmp.Or(cmd.Target, "/")+" of "+cmd.File, t))
}

// fleetConfig returns the file with n nodes of the measured service, on another address.
func (cmd loadCmd) fleetConfig(t *terminal, n int) (*config.Config, error) {
	cfg, err := loadConfig(t, cmd.File)
	if err != nil {
		return nil, err
	}
	if err := cfg.Override(config.Overrides{Listen: []string{"127.0.0.1:0"}, Admin: "off"}); err != nil {
		return nil, usageError(err, "")
	}
	if err := cfg.UseStoreVariable(os.Getenv); err != nil {
		return nil, usageError(err, "")
	}
	var names []string
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.Kind() != config.Owned || s.Worker {
			continue
		}
		names = append(names, s.Name)
		if cmd.Service == "" || cmd.Service == s.Name {
			s.MinNodes, s.MaxNodes = n, n
		}
	}
	switch {
	case len(names) == 0:
		return nil, usageError(fmt.Errorf("%s has no service that tenfold runs behind an address", cmd.File),
			"--nodes measures a service with run:")
	case cmd.Service == "" && len(names) > 1:
		return nil, usageError(fmt.Errorf("%s has the services %s", cmd.File, strings.Join(names, ", ")),
			"--service NAME chooses one of them")
	case cmd.Service != "" && !slices.Contains(names, cmd.Service):
		return nil, usageError(fmt.Errorf("%s runs no service %s", cmd.File, cmd.Service),
			"it runs "+strings.Join(names, ", "))
	}
	return cfg, nil
}
