package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tenfold-go/tenfold/internal/curve"
	"github.com/tenfold-go/tenfold/internal/load"
	"github.com/tenfold-go/tenfold/internal/load/arrivals"
	"github.com/tenfold-go/tenfold/internal/load/render"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

type loadCmd struct {
	Target string `arg:"" optional:"" placeholder:"URL|JOURNEY" help:"Where to send requests: an http:// or https:// URL, unix:/SOCKET or unix:/SOCKET:/PATH, or a file with a journey, *.yaml."`

	Rate      amount[float64]       `group:"Load" placeholder:"R" help:"Offer R requests per second; with a journey, R visits."`
	Rates     amount[rateRange]     `group:"Load" placeholder:"LO..HI" help:"Search for the knee: double the rate until the objective fails, then narrow the knee down to 5 %."`
	Users     amount[int]           `group:"Load" placeholder:"N" help:"Closed load instead: N users who wait for each response."`
	Objective *curve.Objective      `group:"Load" placeholder:"p99=200ms,errors=0.1%" help:"What the target must meet; exit code 3 if it does not. Default of a search: p99=1s,errors=1%."`
	Duration  amount[time.Duration] `group:"Load" default:"10s" help:"Measured time of each step."`
	Warmup    string                `group:"Load" default:"auto" placeholder:"auto|TIME" help:"Warm-up before each measurement: auto waits until rate and median latency are steady, 0s means no warm-up."`
	Arrivals  arrivals.Pattern      `group:"Load" default:"poisson" placeholder:"poisson|even" help:"Visits begin at random, like independent visitors, or at equal distances."`
	Seed      uint64                `group:"Load" default:"1" placeholder:"N" help:"Equal seeds give equal schedules."`

	Base        string                `name:"target" group:"Request" placeholder:"URL" help:"Where the journey goes; overrides the target in its file."`
	Method      string                `group:"Request" placeholder:"METHOD" help:"Default: GET, or POST with a body."`
	Body        string                `group:"Request" placeholder:"TEXT|@FILE" help:"Body of each request."`
	Header      []string              `group:"Request" sep:"none" placeholder:"NAME: VALUE" help:"Header of each request; may be repeated."`
	Connections amount[int]           `group:"Request" placeholder:"N" help:"Largest number of open connections. A request without a free connection waits, and its wait counts as latency. Default: 4096, or what the limit of open files allows."`
	Timeout     amount[time.Duration] `group:"Request" default:"10s" help:"Timeout of a request."`
	Insecure    bool                  `group:"Request" help:"Accept any certificate."`
	CA          string                `name:"ca" group:"Request" placeholder:"FILE" help:"PEM file with certificate authorities to trust."`
	Yes         bool                  `group:"Request" help:"Allow load on a public address: it is mine, or I have permission."`

	Nodes   fleetSizes `group:"Fleet" placeholder:"1,2,3,..." help:"Measure the knee of a service at each number of nodes. The nodes are started from the file, on this machine. The argument is then a path or a journey."`
	File    string     `short:"f" group:"Fleet" placeholder:"FILE" help:"File that describes the service; default tenfold.yaml."`
	Service string     `group:"Fleet" placeholder:"NAME" help:"Service to measure, if the file runs several."`

	TargetNodes amount[int] `name:"target-nodes" group:"Target" placeholder:"N" help:"The target is a gateway in front of N nodes: the rates are those of all N, and tenfold plan divides by N."`
	Admin       string      `group:"Target" placeholder:"ADDR" help:"Admin address of the tenfold whose gateway is the target: load asks it how many nodes there are. Default: that of a running tenfold of this user that listens at the target."`
	Token       string      `group:"Target" env:"TENFOLD_ADMIN_TOKEN" placeholder:"TOKEN" help:"Token of the admin address, if it needs one."`

	JSON output `name:"json" group:"Output" placeholder:"FILE" help:"Write the result as one JSON document, which tenfold plan reads; - is standard output."`
	HTML output `name:"html" group:"Output" placeholder:"FILE" help:"Write a page with the curves; - is standard output."`
}

// rateRange is two rates, written as LO..HI.
type rateRange struct{ low, high float64 }

func (r *rateRange) UnmarshalText(text []byte) error {
	low, high, ok := strings.Cut(string(text), "..")
	if err := cmp.Or(usertext.CheckNumber(low), usertext.CheckNumber(high)); err != nil {
		return err
	}
	var errLow, errHigh error
	r.low, errLow = strconv.ParseFloat(ungrouped(low), 64)
	r.high, errHigh = strconv.ParseFloat(ungrouped(high), 64)
	switch {
	case !ok || errLow != nil || errHigh != nil:
		return fmt.Errorf("rates %q: want LO..HI, for example 100..5000", text)
	case !(r.low > 0) || !(r.high <= load.MaxRate):
		return fmt.Errorf("rates %q: want more than 0 and at most %d", text, int(load.MaxRate))
	case r.low > r.high:
		return fmt.Errorf("rates %q: the first rate is above the second; want %s..%s", text, high, low)
	}
	return nil
}

// Help returns examples.
func (loadCmd) Help() string {
	return `
The load is open: requests are sent at the times of a schedule, whether or not earlier ones
have been answered. A latency counts from the scheduled time, so it includes the wait during a stall.

    tenfold load http://localhost:8080/ --rate 200
    tenfold load http://localhost:8080/ --rates 50..5000 --objective p99=200ms,errors=0.1%
    tenfold load http://localhost:8080/api/cart --rate 50 --body @item.json --header 'Content-Type: application/json'

A journey is what visitors do, step by step. Its rate counts visits. docs/load.md describes the format:

    tenfold load journey.yaml --target http://localhost:8080 --rates 5..200 --objective p99=300ms,errors=0.1%

The knee is the highest rate at which the objective passes and the throughput follows the rate. A step whose results are
not credible is marked as invalid, with the reasons. tenfold plan reads the result:

    tenfold load http://localhost:8080/ --rates 50..5000 --json curve.json
    tenfold plan curve.json --peak-rps 20000

A knee that is measured through a gateway is that of all nodes behind it. The document says how many there were, and
tenfold plan divides by that number. A tenfold of this user on this machine is found by itself. --admin asks another one,
and --target-nodes says the number:

    tenfold load http://localhost:8080/ --rates 50..5000 --admin 127.0.0.1:9090 --json curve.json
    tenfold load https://shop.example/ --rates 50..5000 --target-nodes 3 --yes --json curve.json

The service of a tenfold.yaml can be measured at several fleet sizes. The result is a scaling curve:

    tenfold load /api/products --nodes 1,2,3,4 --rates 50..5000 --json scaling.json --html scaling.html

Before the load, one request or one visit of each kind is made to check that it works. A public address needs --yes.
Ctrl-C ends the step and prints the results so far.

Exit codes: 0 success, 1 error or every request failed, 2 wrong command line or target, 3 the objective was missed.
`
}

// defaultObjective is the objective of a search if none is given.
const defaultObjective = "p99=1s,errors=1%"

func (cmd loadCmd) Run(ctx context.Context, t *terminal) error {
	options, err := cmd.options(t)
	if err != nil {
		return err
	}
	if err := cmd.checkMode(); err != nil {
		return err
	}
	if err := checkOutputs(t, cmd.JSON, cmd.HTML); err != nil {
		return err
	}
	measure := cmd.measure
	if len(cmd.Nodes) > 0 {
		measure = cmd.measureFleets
	}
	d, err := measure(ctx, t, options)
	if d == nil {
		return err
	}
	if err = errors.Join(err, cmd.write(ctx, t, d)); err != nil {
		return err
	}
	return missed(d)
}

// measure makes the load on one target. It returns a document, or an error.
func (cmd loadCmd) measure(ctx context.Context, t *terminal, o *load.Options) (*curve.Document, error) {
	w, err := cmd.workload(o)
	if err != nil {
		return nil, err
	}
	defer w.generator.Close()
	if err := cmd.checkHost(ctx, w.url); err != nil {
		return nil, err
	}
	note, err := w.check(ctx)
	if err != nil {
		return nil, usageError(err, hintOf(err))
	}
	f, err := cmd.findFleet(ctx, t, w)
	if err != nil {
		return nil, err
	}
	d, err := cmd.runBehind(ctx, t, w, f)
	newProgress(t).clear()
	if err != nil {
		return nil, usageError(err, "")
	}
	if note != "" {
		d.Notes = append(d.Notes, note)
	}
	if load.Local(w.url) {
		d.Notes = append(d.Notes, "target and generator share the cores of this machine: the knee is that of both together")
	}
	return d, nil
}

// runBehind makes the load while it watches the nodes behind the target, if there are any.
func (cmd loadCmd) runBehind(ctx context.Context, t *terminal, w *loadWork, f *targetFleet) (*curve.Document, error) {
	test := cmd.test(w.url.Redacted(), t)
	if f == nil {
		d, err := w.generator.Run(ctx, test)
		if err == nil && cmd.TargetNodes.given {
			d.TargetNodes = cmd.TargetNodes.value
			d.Notes = append(d.Notes, fleetNote(d.TargetNodes, ""))
		}
		return d, err
	}
	fmt.Fprintf(t.stderr, "note: %s\n", f.announce())
	onStep := test.OnStep
	test.OnStep = func(s *curve.Step) { f.endStep(ctx, s); onStep(s) }
	watching, stop := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { f.watch(watching) })
	d, err := w.generator.Run(ctx, test)
	stop()
	watcher.Wait()
	if err != nil {
		return nil, err
	}
	if len(f.steps) == 0 && len(d.Steps) > 0 { // not a search
		f.endStep(ctx, &d.Steps[0])
	}
	f.mark(d)
	return d, nil
}

// test is the load that the flags ask for.
func (cmd loadCmd) test(target string, t *terminal) load.Test {
	return load.Test{
		Target: target, Rate: cmd.Rate.value, Users: cmd.Users.value,
		Rates:     [2]float64{cmd.Rates.value.low, cmd.Rates.value.high},
		Objective: cmd.objective(), OnStep: newProgress(t).step,
	}
}

// hintOf returns what to do about an error of the check before the load.
func hintOf(err error) string {
	unreachable := (*load.UnreachableError)(nil)
	if !errors.As(err, &unreachable) {
		return ""
	}
	switch unreachable.Cause() {
	case load.NotTLS:
		return "the server does not speak TLS at this address: check the host and the port"
	case load.NotPlain:
		return "the server seems to expect TLS: try https:// instead of http://"
	case load.UnknownCertificate:
		return "--insecure accepts any certificate, --ca FILE those of another authority"
	case load.UnknownHost:
		return "check the name of the host"
	case load.TimedOut:
		return "no response within the --timeout"
	}
	return "check that the service is running at that address"
}

// checkMode checks that the flags ask for exactly one kind of load.
func (cmd loadCmd) checkMode() error {
	asked := 0
	for _, given := range []bool{cmd.Rate.given, cmd.Users.given, cmd.Rates.given} {
		if given {
			asked++
		}
	}
	const hint = "--rate 100 measures one rate, --rates 50..5000 searches for the knee, --users 20 is closed load"
	switch {
	case len(cmd.Nodes) > 0 && isAddress(cmd.Target), len(cmd.Nodes) > 0 && cmd.Base != "":
		return usageError(errors.New("--nodes starts the service itself"),
			"give a path of the service or a journey, not an address")
	case len(cmd.Nodes) > 0 && cmd.Target != "" && !isJourney(cmd.Target) && !strings.HasPrefix(cmd.Target, "/"):
		return usageError(fmt.Errorf("%q is neither a path nor a journey", cmd.Target),
			"tenfold load /api/products -f tenfold.yaml --nodes 1,2,3 --rates 10..2000")
	case len(cmd.Nodes) == 0 && (cmd.File != "" || cmd.Service != ""):
		return usageError(errors.New("-f and --service are for --nodes"),
			"tenfold load / -f tenfold.yaml --nodes 1,2,3 --rates 10..2000")
	case len(cmd.Nodes) > 0 && (cmd.TargetNodes.given || cmd.Admin != ""):
		return usageError(errors.New("--nodes sets the number of nodes itself"), "leave out --target-nodes and --admin")
	case cmd.TargetNodes.given && cmd.TargetNodes.value > curve.MaxTargetNodes:
		return usageError(fmt.Errorf("--target-nodes %d: want a number from 1 to %d", cmd.TargetNodes.value, curve.MaxTargetNodes), "")
	case cmd.TargetNodes.given && cmd.Admin != "":
		return usageError(errors.New("--target-nodes and --admin both say how many nodes are behind the target"), "leave out one of them")
	case !isAddress(cmd.Target) && strings.EqualFold(filepath.Ext(cmd.Target), ".har"):
		return usageError(fmt.Errorf("%s is a recording, not a journey", cmd.Target),
			"tenfold journey from "+cmd.Target+" -o journey.yaml makes a journey of it")
	case cmd.Target == "" && len(cmd.Nodes) == 0:
		return usageError(errors.New("no target"), "tenfold load http://localhost:8080/ --rate 100")
	case asked == 0:
		return usageError(errors.New("no amount of load: want --rate, --rates or --users"), hint)
	case asked > 1:
		return usageError(errors.New("more than one amount of load: want one of --rate, --rates and --users"), hint)
	}
	return nil
}

// maxCA is the largest file of certificate authorities in bytes. A bundle of all public ones has 250 KiB.
const maxCA = 16 << 20

func (cmd loadCmd) options(t *terminal) (*load.Options, error) {
	o := &load.Options{
		Duration: cmd.Duration.value, Timeout: cmd.Timeout.value, Connections: cmd.Connections.value,
		Arrivals: cmd.Arrivals, Seed: cmd.Seed,
		Progress: newProgress(t).show,
	}
	if cmd.Warmup != "auto" {
		if err := usertext.CheckNumber(cmd.Warmup); err != nil {
			return nil, usageError(fmt.Errorf("warm-up: %w", err), "")
		}
		w, err := time.ParseDuration(cmd.Warmup)
		if err != nil || w < 0 {
			return nil, usageError(fmt.Errorf("warm-up %q: want auto or a time", cmd.Warmup), "--warmup 5s")
		}
		o.Warmup = &w
	}
	if cmd.Insecure {
		o.TLS = &tls.Config{InsecureSkipVerify: true}
	}
	if cmd.CA != "" {
		pem, err := usertext.ReadFile(cmd.CA, maxCA)
		if err != nil {
			return nil, usageError(fmt.Errorf("read %s: %w", cmd.CA, err), "")
		}
		o.TLS = &tls.Config{InsecureSkipVerify: cmd.Insecure, RootCAs: x509.NewCertPool()}
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usageError(fmt.Errorf("read %s: the file has no certificate", cmd.CA),
				"want a PEM file: -----BEGIN CERTIFICATE-----")
		}
	}
	return o, nil
}

// objective returns the given objective, or the default one for a search.
func (cmd loadCmd) objective() curve.Objective {
	switch {
	case cmd.Objective != nil:
		return *cmd.Objective
	case cmd.Rates.given:
		o, _ := curve.ParseObjective(defaultObjective) // a test checks that it never fails
		return o
	}
	return curve.Objective{}
}

// write prints the result and writes the documents. If one output fails, the others are still written.
func (cmd loadCmd) write(ctx context.Context, t *terminal, d *curve.Document) error {
	ctx, cancel := t.untilKilled(ctx)
	defer cancel()
	table := t.stdout
	if cmd.JSON.isStdout(t) || cmd.HTML.isStdout(t) {
		table = t.stderr
	}
	err := render.Text(table, d)
	if e := cmd.JSON.write(ctx, t, d.WriteJSON); e != nil {
		err = errors.Join(err, fmt.Errorf("write document: %w", e))
	}
	page := func(w io.Writer) error { return render.HTML(w, d) }
	if e := cmd.HTML.write(ctx, t, page); e != nil {
		err = errors.Join(err, fmt.Errorf("write page: %w", e))
	}
	return err
}

// missed returns an error if the result is incomplete, the target did not meet the objective, or every request failed.
func missed(d *curve.Document) error {
	if d.Incomplete {
		return hinted(errors.New("interrupted: the results are incomplete"), "")
	}
	v := d.Verdict()
	switch {
	case d.EveryRequestFailed() && (v == nil || v.Outcome == curve.Pass):
		return hinted(errors.New("every request failed"), "the result lists the kinds of errors; --body, --header or "+
			"another path may be missing")
	case v == nil || v.Outcome == curve.Pass:
		return nil
	case v.Outcome == curve.Invalid:
		return hinted(fmt.Errorf("cannot say whether the objective is met: %s", v.Reason),
			"try a lower rate, a longer --duration or a less busy machine")
	}
	return &failure{fmt.Errorf("objective %v missed: %s", d.Objective, v.Reason), "", exitMissed}
}
