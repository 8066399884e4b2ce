package main

import "github.com/tenfold-go/tenfold/examples/shop"

// shopCmd is the example shop inside this program, so that the demo needs nothing else.
type shopCmd struct {
	Args []string `arg:"" optional:""`
}

func (cmd shopCmd) Run(t *terminal) error {
	if code := shop.Main(t.ctx, cmd.Args, t.stdout, t.stderr); code != 0 {
		return exit(code)
	}
	return nil
}

// exit is an exit code for which everything has been said.
type exit int

func (exit) Error() string   { return "" }
func (e exit) ExitCode() int { return int(e) }
