package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tenfold-go/tenfold/internal/plan"
)

type planCmd struct {
	File string `arg:"" optional:"" placeholder:"FILE" help:"What tenfold load found (its JSON); - reads standard input."`

	CurrentRPS amount[plan.Rate]  `name:"current-rps" group:"Load" placeholder:"N" help:"What the service carries today, in requests a second."`
	PeakRPS    amount[plan.Rate]  `name:"peak-rps" group:"Load" placeholder:"N" help:"What it has to carry."`
	NodeRPS    amount[plan.Rate]  `name:"node-rps" group:"Load" placeholder:"N" help:"What one node carries."`
	Scaling    plan.Points        `group:"Load" placeholder:"1=N,2=N,..." help:"What fleets of 1, 2, ... nodes carry, measured."`
	Efficiency amount[plan.Share] `group:"Load" placeholder:"SHARE" help:"What is left of a node in a fleet: 0.85 or 85%."`
	Margin     amount[plan.Share] `group:"Load" placeholder:"SHARE" help:"On top of the peak: 0.3 or 30%. Default: from queueing theory."`
	Cores      amount[int]        `group:"Load" placeholder:"N" help:"Cores of a node. Default: its instance's, else 2."`
	Burstiness amount[float64]    `group:"Load" placeholder:"CV2" help:"Squared coefficient of variation of the time between requests. Default: 1."`

	Users           amount[int]        `group:"Growth" placeholder:"N" help:"Users today."`
	Growth          amount[plan.Share] `group:"Growth" placeholder:"SHARE" help:"A month, of users, else of the peak, else of today's rate: 10%."`
	Months          amount[int]        `group:"Growth" placeholder:"N" help:"How far to look ahead."`
	RequestsPerUser amount[float64]    `group:"Growth" placeholder:"N" help:"A day. Default: 100."`
	PeakFactor      amount[float64]    `group:"Growth" placeholder:"N" help:"The busiest minute over the day's mean. Default: 3."`

	Stateless bool   `group:"Strategy" help:"Any node can answer any request: none keeps sessions, files or jobs of its own."`
	Instance  string `group:"Strategy" placeholder:"TYPE" help:"What a node runs on, and with it what the plan costs. Default: t3.medium."`
	Prices    string `group:"Strategy" placeholder:"FILE" help:"Your prices: CSV with type,vcpu,usd_hour,as_of; also gib,arch,provider,region,source."`

	ReadRatio       amount[plan.Share] `group:"Database" placeholder:"SHARE" help:"Share of its calls that only read: 0.9."`
	DataSize        amount[plan.Bytes] `group:"Database" placeholder:"SIZE" help:"500GB, 5TB, ..."`
	WriteRate       amount[plan.Rate]  `group:"Database" placeholder:"N" help:"Writes a second."`
	Domains         plan.Domains       `group:"Database" placeholder:"N|NAMES" help:"Parts that could live apart: 5, or orders=30TB,users=2TB,..."`
	ClearBoundaries bool               `group:"Database" help:"No transaction and no join crosses domains."`
	Pool            amount[int]        `group:"Database" placeholder:"N" help:"Connections that each node opens."`
	MaxConnections  amount[int]        `group:"Database" placeholder:"N" help:"Connections that one database server accepts."`

	HA               bool                      `name:"ha" group:"Availability" help:"At least one spare node."`
	Availability     amount[plan.Availability] `group:"Availability" placeholder:"SHARE" help:"The target: 99.99% or 0.9999; spares are solved from it."`
	NodeAvailability amount[plan.Availability] `group:"Availability" placeholder:"SHARE" help:"Of one node. Default: 99%."`
	CommonCause      amount[plan.Share]        `group:"Availability" placeholder:"SHARE" help:"Share of a node's failures that take all nodes down. Default: 0."`
	Depends          plan.Dependencies         `group:"Availability" placeholder:"NAME=SHARE,..." help:"What the service cannot work without: lb=99.99%,db=99.95%."`

	JSON bool   `name:"json" group:"Output" help:"Print the plan as one JSON document."`
	HTML output `name:"html" group:"Output" placeholder:"FILE" help:"Write a page with the curve, its interval and the chosen fleet as well; - for standard output."`
}

// Help teaches the verb by examples.
func (planCmd) Help() string {
	return `
What is asked follows from what is given. Every answer comes with its reasons, what was assumed, what would change it,
and what is not known.

How many nodes carry a peak, when one carries 1,800 requests a second and a fleet keeps 85 % of that?

    tenfold plan --peak-rps 100000 --node-rps 1800 --efficiency 0.85 --margin 0.5 --ha

The same from fleets that were measured, with an interval, and with a page that shows the curve:

    tenfold plan --peak-rps 6000 --scaling 1=955,2=1879,3=2688,4=3549,6=5130,8=6531 --html plan.html
    tenfold load ... --nodes 1,2,3,4,6,8 --json curve.json
    tenfold plan --peak-rps 6000 curve.json

A larger machine, more machines, or neither yet?

    tenfold plan --current-rps 500 --peak-rps 50000 --stateless

What does the database need? What does 99.99 % take? Where does growth lead?

    tenfold plan --read-ratio 0.9 --data-size 5TB --write-rate 10000
    tenfold plan --availability 99.99%
    tenfold plan --users 10000 --growth 10% --months 6

Exit codes: 0 fine, 1 error, 2 the command line or a file is wrong, 3 the plan does not reach the peak or the availability.
`
}

func (cmd planCmd) Run(ctx context.Context, t *terminal) error {
	outputs := []output{cmd.HTML}
	if cmd.JSON {
		outputs = append(outputs, "-")
	}
	if err := checkOutputs(t, outputs...); err != nil {
		return err
	}
	q, err := cmd.question(t)
	if err != nil {
		return err
	}
	a, err := q.Answer()
	if wrong := (*plan.InputError)(nil); errors.As(err, &wrong) {
		return usageError(err, wrong.Hint())
	}
	if err != nil {
		return err
	}
	if err := cmd.tell(ctx, t, a); err != nil {
		return err
	}
	if missed := a.Missed(); missed != "" {
		return &failure{errors.New(missed), "", exitMissed}
	}
	return nil
}

// tell prints the plan and writes its page. What cannot be written takes nothing from what can be.
func (cmd planCmd) tell(ctx context.Context, t *terminal, a *plan.Answer) error {
	text, write := t.stdout, a.WriteText
	if cmd.JSON {
		write = a.WriteJSON
	} else if cmd.HTML.isStdout(t) {
		text = t.stderr
	}
	err := write(text)
	if e := cmd.HTML.write(ctx, t, a.WriteHTML); e != nil {
		err = errors.Join(err, fmt.Errorf("write page: %w", e))
	}
	return err
}

// question gathers the flags and reads the files that they name.
func (cmd planCmd) question(t *terminal) (q plan.Question, err error) {
	q = plan.Question{
		CurrentRPS: cmd.CurrentRPS.value, PeakRPS: cmd.PeakRPS.value, NodeRPS: cmd.NodeRPS.value, Scaling: cmd.Scaling,
		Efficiency: cmd.Efficiency.pointer(), Margin: cmd.Margin.pointer(), Cores: cmd.Cores.value, Burstiness: cmd.Burstiness.value,
		Users: cmd.Users.value, Growth: cmd.Growth.pointer(), Months: cmd.Months.value,
		RequestsPerUser: cmd.RequestsPerUser.value, PeakFactor: cmd.PeakFactor.value,
		Stateless: cmd.Stateless, Instance: cmd.Instance,
		ReadRatio: cmd.ReadRatio.pointer(), DataSize: cmd.DataSize.value, WriteRate: cmd.WriteRate.value,
		Domains: cmd.Domains, ClearBoundaries: cmd.ClearBoundaries,
		Pool: cmd.Pool.value, MaxConnections: cmd.MaxConnections.value,
		HA: cmd.HA, Availability: cmd.Availability.value, NodeAvailability: cmd.NodeAvailability.value,
		CommonCause: cmd.CommonCause.value, Depends: cmd.Depends,
	}
	if cmd.File != "" {
		q.Measured, err = readInput(t, cmd.File, plan.ReadMeasured)
	}
	if err == nil && cmd.Prices != "" {
		q.Prices, err = readInput(t, cmd.Prices, plan.ReadPrices)
	}
	return q, err
}

// readInput reads a file that a flag names, or standard input for "-". What is wrong with it is the caller's to mend.
func readInput[T any](t *terminal, file string, read func(io.Reader) (T, error)) (value T, err error) {
	name, r := "standard input", t.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return value, usageError(err, "")
		}
		defer f.Close()
		name, r = file, f
	}
	if value, err = read(r); err != nil {
		err = usageError(fmt.Errorf("read %s: %w", name, err), "")
	}
	return value, err
}
