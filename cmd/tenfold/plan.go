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
	File string `arg:"" optional:"" placeholder:"FILE" help:"Result of tenfold load (its JSON); - reads standard input."`

	CurrentRPS amount[plan.Rate]  `name:"current-rps" group:"Load" placeholder:"N" help:"Rate that the service carries today, in requests a second."`
	PeakRPS    amount[plan.Rate]  `name:"peak-rps" group:"Load" placeholder:"N" help:"Rate that it has to carry."`
	NodeRPS    amount[plan.Rate]  `name:"node-rps" group:"Load" placeholder:"N" help:"Rate that one node carries."`
	Scaling    plan.Points        `group:"Load" placeholder:"1=N,2=N,..." help:"Measured rates that fleets of 1, 2, ... nodes carry."`
	Efficiency amount[plan.Share] `group:"Load" placeholder:"SHARE" help:"Rate of a node in a fleet, as a share of --node-rps: 0.85 or 85%."`
	Margin     amount[plan.Share] `group:"Load" placeholder:"SHARE" help:"Added to the peak: 0.3 or 30%. Default: from queueing theory."`
	Cores      amount[int]        `group:"Load" placeholder:"N" help:"Cores of a node. Default: those of its instance, else 2."`
	Burstiness amount[float64]    `group:"Load" placeholder:"CV2" help:"Squared coefficient of variation of the time between requests. Default: 1."`

	Users           amount[int]        `group:"Growth" placeholder:"N" help:"Users today."`
	Growth          amount[plan.Share] `group:"Growth" placeholder:"SHARE" help:"Growth per month of the users, else of the peak, else of the current rate: 10%."`
	Months          amount[int]        `group:"Growth" placeholder:"N" help:"Number of months of growth."`
	RequestsPerUser amount[float64]    `group:"Growth" placeholder:"N" help:"Requests of a user per day. Default: 100."`
	PeakFactor      amount[float64]    `group:"Growth" placeholder:"N" help:"Rate of the busiest minute over the mean of the day. Default: 3."`

	Stateless bool   `group:"Strategy" help:"Any node can answer any request: no node keeps sessions, files or jobs."`
	Instance  string `group:"Strategy" placeholder:"TYPE" help:"Type of machine of a node; the plan then shows the cost. Default: t3.medium."`
	Prices    string `group:"Strategy" placeholder:"FILE" help:"Other prices: CSV with type,vcpu,usd_hour,as_of; also gib,arch,provider,region,source."`

	ReadRatio       amount[plan.Share] `group:"Database" placeholder:"SHARE" help:"Share of the database calls that only read: 0.9."`
	DataSize        amount[plan.Bytes] `group:"Database" placeholder:"SIZE" help:"Size of the data: 500GB, 5TB, ..."`
	WriteRate       amount[plan.Rate]  `group:"Database" placeholder:"N" help:"Database writes a second."`
	Domains         plan.Domains       `group:"Database" placeholder:"N|NAMES" help:"Parts of the data that could have separate databases: 5, or orders=30TB,users=2TB,..."`
	ClearBoundaries bool               `group:"Database" help:"No transaction and no join crosses domains."`
	Pool            amount[int]        `group:"Database" placeholder:"N" help:"Database connections that each node opens."`
	MaxConnections  amount[int]        `group:"Database" placeholder:"N" help:"Connections that one database server accepts."`

	HA               bool                           `name:"ha" group:"Availability" help:"At least one spare node."`
	Availability     amount[plan.AvailabilityShare] `group:"Availability" placeholder:"SHARE" help:"Target: 99.99% or 0.9999; the number of spare nodes follows from it."`
	NodeAvailability amount[plan.AvailabilityShare] `group:"Availability" placeholder:"SHARE" help:"Availability of one node. Default: 99%."`
	CommonCause      amount[plan.Share]             `group:"Availability" placeholder:"SHARE" help:"Share of the failures that affect all nodes together. Default: 0."`
	Depends          plan.Dependencies              `group:"Availability" placeholder:"NAME=SHARE,..." help:"What the service cannot work without: lb=99.99%,db=99.95%."`

	JSON bool   `name:"json" group:"Output" help:"Print the plan as one JSON document."`
	HTML output `name:"html" group:"Output" placeholder:"FILE" help:"Also write a page with the curve, its interval and the planned fleet; - for standard output."`
}

// Help shows examples.
func (planCmd) Help() string {
	return `
The flags that you give decide what the plan contains. Each answer shows its reasons, what was assumed, what would change
it and what is not known.

How many nodes carry a peak, if one node carries 1,800 requests a second, and 85 % of that in a fleet?

    tenfold plan --peak-rps 100000 --node-rps 1800 --efficiency 0.85 --margin 0.5 --ha

The same from measured fleets, with an interval, and with a page that shows the curve:

    tenfold plan --peak-rps 6000 --scaling 1=955,2=1879,3=2688,4=3549,6=5130,8=6531 --html plan.html
    tenfold load ... --nodes 1,2,3,4,6,8 --json curve.json
    tenfold plan --peak-rps 6000 curve.json

A larger machine, more machines, or refactor first?

    tenfold plan --current-rps 500 --peak-rps 50000 --stateless

What does the database need? What does 99.99 % need? What follows from growth?

    tenfold plan --read-ratio 0.9 --data-size 5TB --write-rate 10000
    tenfold plan --availability 99.99%
    tenfold plan --users 10000 --growth 10% --months 6

Exit codes: 0 the plan reaches its goals, 1 error, 2 the command line or a file is wrong, 3 the plan does not reach the
peak or the availability.
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
	in, err := cmd.inputs(t)
	if err != nil {
		return err
	}
	p, err := plan.Decide(in)
	if wrong := (*plan.InputError)(nil); errors.As(err, &wrong) {
		return usageError(errors.New(wrong.Text(planTerms)), wrong.Hint(planTerms))
	}
	if err != nil {
		return err
	}
	if err := cmd.write(ctx, t, p); err != nil {
		return err
	}
	if missed := p.Missed(); missed != "" {
		return &failure{errors.New(missed), "", exitMissed}
	}
	return nil
}

// write prints the plan and writes its page. If one of the two fails, it still writes the other.
func (cmd planCmd) write(ctx context.Context, t *terminal, p *plan.Plan) error {
	text, write := t.stdout, p.WriteText
	if cmd.JSON {
		write = p.WriteJSON
	} else if cmd.HTML.isStdout(t) {
		text = t.stderr
	}
	err := write(text, planTerms)
	writePage := func(w io.Writer) error { return p.WriteHTML(w, planTerms) }
	if e := cmd.HTML.write(ctx, t, writePage); e != nil {
		err = errors.Join(err, fmt.Errorf("write page: %w", e))
	}
	return err
}

// inputs returns the values of the flags and of the files that they name.
func (cmd planCmd) inputs(t *terminal) (in plan.Inputs, err error) {
	in = plan.Inputs{
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
		in.Measured, err = readInput(t, cmd.File, plan.ReadMeasured)
	}
	if err == nil && cmd.Prices != "" {
		in.Prices, err = readInput(t, cmd.Prices, plan.ReadPrices)
	}
	return in, err
}

// planTerms are the flags and commands that a plan names.
var planTerms = plan.Terms{
	Inputs: map[plan.Field]string{
		plan.FieldCurrentRPS: "--current-rps", plan.FieldPeakRPS: "--peak-rps", plan.FieldNodeRPS: "--node-rps",
		plan.FieldScaling: "--scaling", plan.FieldEfficiency: "--efficiency", plan.FieldMargin: "--margin",
		plan.FieldCores: "--cores", plan.FieldBurstiness: "--burstiness",
		plan.FieldUsers: "--users", plan.FieldGrowth: "--growth", plan.FieldMonths: "--months",
		plan.FieldRequestsPerUser: "--requests-per-user", plan.FieldPeakFactor: "--peak-factor",
		plan.FieldStateless: "--stateless", plan.FieldInstance: "--instance", plan.FieldPrices: "--prices",
		plan.FieldReadRatio: "--read-ratio", plan.FieldDataSize: "--data-size", plan.FieldWriteRate: "--write-rate",
		plan.FieldDomains: "--domains", plan.FieldClearBoundaries: "--clear-boundaries",
		plan.FieldPool: "--pool", plan.FieldMaxConnections: "--max-connections",
		plan.FieldHA: "--ha", plan.FieldAvailability: "--availability", plan.FieldNodeAvailability: "--node-availability",
		plan.FieldCommonCause: "--common-cause", plan.FieldDepends: "--depends",
	},
	Commands: map[plan.Command]string{
		plan.CommandMeasureNode:  "tenfold load --rates LO..HI",
		plan.CommandMeasureCurve: "tenfold load --nodes 1,2,3,4,6,8",
		plan.CommandFindKnee:     "tenfold load --rates LO..HI",
		plan.CommandTargetNodes:  "tenfold load --target-nodes N",
		plan.CommandRunTwoNodes:  "tenfold up --nodes 2 -- COMMAND",
		plan.CommandExample:      "tenfold plan --peak-rps 50000 --node-rps 2000",
		plan.CommandHelp:         "tenfold plan --help",
	},
}

// readInput reads a file, or standard input if its name is "-". Every error has the exit code of a usage error.
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
		hint := ""
		if wrong := (*plan.InputError)(nil); errors.As(err, &wrong) {
			hint = wrong.Hint(planTerms)
		}
		err = usageError(fmt.Errorf("read %s: %w", name, err), hint)
	}
	return value, err
}
