package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tenfold-go/tenfold/internal/load"
)

type loadCmd struct {
	Target string `arg:"" optional:"" placeholder:"URL|JOURNEY" help:"Where to send requests: http:// or https://; or a file with a journey, *.yaml."`

	Rate      amount[float64]       `group:"Load" placeholder:"R" help:"Offer so many requests per second; with a journey, visits."`
	Rates     amount[rateRange]     `group:"Load" placeholder:"LO..HI" help:"Look for the knee: double the rate until the objective breaks, then narrow down to 5 %."`
	Users     amount[int]           `group:"Load" placeholder:"N" help:"Closed load instead: so many users who wait for each answer."`
	Objective *load.Objective       `group:"Load" placeholder:"p99=200ms,errors=0.1%" help:"What has to hold; exit code 3 when it does not. Default of a sweep: p99=1s,errors=1%."`
	Duration  amount[time.Duration] `group:"Load" default:"10s" help:"What is measured of each step."`
	Warmup    string                `group:"Load" default:"auto" placeholder:"auto|TIME" help:"Before that: auto waits until rate and median are steady; 0s for none."`
	Arrivals  load.Arrivals         `group:"Load" default:"poisson" placeholder:"poisson|even" help:"As independent visitors come, or as a metronome."`
	Seed      uint64                `group:"Load" default:"1" placeholder:"N" help:"Equal seeds make equal schedules."`

	Base        string                `name:"target" group:"Request" placeholder:"URL" help:"Where the journey goes; wins over the one in its file."`
	Method      string                `group:"Request" placeholder:"METHOD" help:"Default GET, or POST with a body."`
	Body        string                `group:"Request" placeholder:"TEXT|@FILE" help:"Body of each request."`
	Header      []string              `group:"Request" sep:"none" placeholder:"NAME: VALUE" help:"Header of each request; may be repeated."`
	Connections amount[int]           `group:"Request" placeholder:"N" help:"At most so many at a time; a request without a free one waits, and its wait counts. Default: 4096, or what the limit of descriptors allows."`
	Timeout     amount[time.Duration] `group:"Request" default:"10s" help:"Of a request."`
	Insecure    bool                  `group:"Request" help:"Accept any certificate."`
	CA          string                `name:"ca" group:"Request" placeholder:"FILE" help:"Certificates of authorities to trust, in PEM."`
	Yes         bool                  `group:"Request" help:"Yes, load a public address: it is mine, or I may."`

	Nodes   fleetSizes `group:"Fleet" placeholder:"1,2,3,..." help:"Measure the knee of a service at each number of nodes; started from the file, on this machine. The argument is then a path, or a journey."`
	File    string     `short:"f" group:"Fleet" placeholder:"FILE" help:"Where the service is described; default tenfold.yaml."`
	Service string     `group:"Fleet" placeholder:"NAME" help:"Which service, where the file runs several."`

	JSON output `name:"json" group:"Output" placeholder:"FILE" help:"Write what was found as one JSON document, which tenfold plan reads; - for standard output."`
	HTML output `name:"html" group:"Output" placeholder:"FILE" help:"Write a page with the curves; - for standard output."`
}

// rateRange is LO..HI.
type rateRange struct{ low, high float64 }

func (r *rateRange) UnmarshalText(text []byte) error {
	low, high, ok := strings.Cut(string(text), "..")
	var errLow, errHigh error
	r.low, errLow = strconv.ParseFloat(ungrouped(low), 64)
	r.high, errHigh = strconv.ParseFloat(ungrouped(high), 64)
	switch {
	case !ok || errLow != nil || errHigh != nil:
		return fmt.Errorf("rates %q: want LO..HI, for example 100..5000", text)
	case !(r.low > 0) || !(r.high <= load.MaxRate):
		return fmt.Errorf("rates %q: want more than 0 and at most %d", text, int(load.MaxRate))
	case r.low > r.high:
		return fmt.Errorf("rates %q: upside down; want %s..%s", text, high, low)
	}
	return nil
}

// Help teaches the verb by examples.
func (loadCmd) Help() string {
	return `
Where does it break? The load is open: requests leave when the schedule says so, whether or not earlier ones have been
answered, and latency counts from that intended moment. So everybody who comes during a stall is seen to wait.

    tenfold load http://localhost:8080/ --rate 200
    tenfold load http://localhost:8080/ --rates 50..5000 --objective p99=200ms,errors=0.1%
    tenfold load http://localhost:8080/api/cart --rate 50 --body @item.json --header 'Content-Type: application/json'

A journey is what visitors do, step by step; its rate counts visits. Its format is in docs/load.md:

    tenfold load journey.yaml --target http://localhost:8080 --rates 5..200 --objective p99=300ms,errors=0.1%

The knee is the highest rate at which the objective holds and the throughput follows the rate. A step that the generator
cannot vouch for is marked as invalid and says why. What was found becomes a plan:

    tenfold load http://localhost:8080/ --rates 50..5000 --json curve.json
    tenfold plan curve.json --peak-rps 20000

A process service of tenfold.yaml is measured at several sizes; the result is a scaling curve:

    tenfold load /api/products --nodes 1,2,3,4 --rates 50..5000 --json scaling.json --html scaling.html

One request, or one visit of each kind, is made before the load begins, to see whether it works. Nothing is loaded on a public address
without --yes. Ctrl-C ends the step, and what was measured is printed.

Exit codes: 0 fine, 1 error, 2 the command line or the target is wrong, 3 the objective was missed.
`
}

// defaultObjective is what a sweep looks for when nothing else is asked.
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
	if len(cmd.Nodes) > 0 {
		cmd.File = cmp.Or(cmd.File, "tenfold.yaml")
		d, err := cmd.scaling(ctx, t, options)
		if d == nil {
			return err
		}
		if err = errors.Join(err, cmd.write(ctx, t, d)); err != nil {
			return err
		}
		return missed(d)
	}
	w, err := cmd.work(options)
	if err != nil {
		return err
	}
	defer w.generator.Close()
	if err := cmd.checkHost(ctx, w.url); err != nil {
		return err
	}
	note, err := w.check(ctx)
	if err != nil {
		return usageError(err, hintOf(err))
	}
	g, d := w.generator, cmd.document(w.url.Redacted(), w.generator)
	if note != "" {
		d.Notes = append(d.Notes, note)
	}
	if load.Local(w.url) {
		d.Notes = append(d.Notes, "target and generator share this machine's cores: a knee found here is that of both")
	}
	err = cmd.measure(ctx, t, g, d)
	newProgress(t.stderr).clear()
	if err != nil {
		return usageError(err, "")
	}
	if err := cmd.write(ctx, t, d); err != nil {
		return err
	}
	return missed(d)
}

func hintOf(err error) string {
	if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// checkMode makes sure that exactly one kind of load is asked for.
func (cmd loadCmd) checkMode() error {
	asked := 0
	for _, given := range []bool{cmd.Rate.given, cmd.Users.given, cmd.Rates.given} {
		if given {
			asked++
		}
	}
	const hint = "--rate 100 for one rate, --rates 50..5000 for the knee, --users 20 for users who wait"
	switch {
	case len(cmd.Nodes) > 0 && strings.Contains(cmd.Target, "://"), len(cmd.Nodes) > 0 && cmd.Base != "":
		return usageError(errors.New("--nodes starts the service itself"), "give a path of it or a journey, not an address")
	case len(cmd.Nodes) > 0 && cmd.Target != "" && !isJourney(cmd.Target) && !strings.HasPrefix(cmd.Target, "/"):
		return usageError(fmt.Errorf("%q is neither a path nor a journey", cmd.Target), "tenfold load /api/products -f tenfold.yaml --nodes 1,2,3 --rates 10..2000")
	case len(cmd.Nodes) == 0 && (cmd.File != "" || cmd.Service != ""):
		return usageError(errors.New("-f and --service are for --nodes"), "tenfold load / -f tenfold.yaml --nodes 1,2,3 --rates 10..2000")
	case cmd.Target == "" && len(cmd.Nodes) == 0:
		return usageError(errors.New("no target"), "tenfold load http://localhost:8080/ --rate 100")
	case asked == 0:
		return usageError(errors.New("how much load?"), hint)
	case asked > 1:
		return usageError(errors.New("more than one kind of load"), hint)
	}
	return nil
}

func (cmd loadCmd) options(t *terminal) (*load.Options, error) {
	o := &load.Options{
		Duration: cmd.Duration.value, Timeout: cmd.Timeout.value, Connections: cmd.Connections.value,
		Arrivals: cmd.Arrivals, Seed: cmd.Seed,
		Progress: newProgress(t.stderr).show,
	}
	if cmd.Warmup != "auto" {
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
		pem, err := os.ReadFile(cmd.CA)
		if err != nil {
			return nil, usageError(err, "")
		}
		o.TLS = &tls.Config{InsecureSkipVerify: cmd.Insecure, RootCAs: x509.NewCertPool()}
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usageError(fmt.Errorf("read %s: no certificate in it", cmd.CA), "want PEM: -----BEGIN CERTIFICATE-----")
		}
	}
	return o, nil
}

func (cmd loadCmd) document(target string, g *load.Generator) *load.Document {
	d := &load.Document{Target: target, Started: time.Now().UTC().Truncate(time.Second), Unit: g.Unit(), Seed: cmd.Seed, Steps: []*load.Step{}}
	if !cmd.Users.given {
		d.Arrivals = cmd.Arrivals.String()
	}
	if o := cmd.objective(); o.Asks() {
		d.Objective = o.String()
	}
	return d
}

// objective is what was asked for, or what a sweep looks for.
func (cmd loadCmd) objective() (o load.Objective) {
	switch {
	case cmd.Objective != nil:
		return *cmd.Objective
	case cmd.Rates.given:
		o.UnmarshalText([]byte(defaultObjective)) // is right: a test reads it
	}
	return o
}

// measure makes the load and puts what it found into d.
func (cmd loadCmd) measure(ctx context.Context, t *terminal, g *load.Generator, d *load.Document) (err error) {
	o := cmd.objective()
	if cmd.Rates.given {
		c, err := g.Sweep(ctx, cmd.Rates.value.low, cmd.Rates.value.high, o, newProgress(t.stderr).step)
		if err != nil {
			return err
		}
		d.Steps, d.Knee, d.End, d.Incomplete = c.Steps, c.Knee, c.End, ctx.Err() != nil
		return nil
	}
	var s *load.Step
	if cmd.Users.given {
		s, err = g.Users(ctx, cmd.Users.value)
	} else {
		s, err = g.Rate(ctx, cmd.Rate.value)
	}
	if err != nil {
		return err
	}
	if o.Asks() && !s.Empty() {
		v := o.Judge([]*load.Step{s}, true)
		s.Verdict = &v
	}
	if d.Incomplete = s.Incomplete; !s.Empty() {
		d.Steps = append(d.Steps, s)
	}
	return nil
}

// write prints what was found and writes its documents. What cannot be written takes nothing from what can be.
func (cmd loadCmd) write(ctx context.Context, t *terminal, d *load.Document) error {
	ctx, cancel := t.untilKilled(ctx)
	defer cancel()
	table := t.stdout
	if cmd.JSON.isStdout(t) || cmd.HTML.isStdout(t) {
		table = t.stderr
	}
	err := d.WriteText(table)
	if e := cmd.JSON.write(ctx, t, d.WriteJSON); e != nil {
		err = errors.Join(err, fmt.Errorf("write document: %w", e))
	}
	if e := cmd.HTML.write(ctx, t, d.WriteHTML); e != nil {
		err = errors.Join(err, fmt.Errorf("write page: %w", e))
	}
	return err
}

// missed is an error when the objective did not hold where it had to: at the one rate, or at the lowest.
func missed(d *load.Document) error {
	switch {
	case d.Incomplete:
		return hinted(errors.New("interrupted: what is shown is incomplete"), "")
	case d.Objective == "" || d.Knee != nil:
		return nil
	}
	steps := d.Steps
	for _, s := range d.Scaling {
		if s.Knee != nil {
			return nil
		}
		steps = s.Steps
	}
	if len(steps) == 0 {
		return nil
	}
	last := steps[len(steps)-1]
	switch v := last.Verdict; {
	case v == nil || v.Outcome == load.Held:
		return nil
	case v.Outcome == load.Unknown:
		return hinted(fmt.Errorf("cannot say whether the objective holds: %s", v.Reason), "a lower rate, a longer --duration, or a less busy machine")
	default:
		return &failure{fmt.Errorf("objective %s missed: %s", d.Objective, v.Reason), "", exitMissed}
	}
}
