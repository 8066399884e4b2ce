package main

import (
	"context"

	"github.com/tenfold-go/tenfold/examples/shop"
)

// shopCmd is the example shop as a part of this program, so that the demo needs no other program.
type shopCmd struct {
	Args []string `arg:"" optional:""`
}

func (cmd shopCmd) Run(ctx context.Context, t *terminal) error {
	if code := shop.Main(ctx, cmd.Args, t.stdout, t.stderr); code != 0 {
		return exit(code)
	}
	return nil
}

// exit is an exit code without a message: the shop has printed its own.
type exit int

func (exit) Error() string   { return "" }
func (e exit) ExitCode() int { return int(e) }
