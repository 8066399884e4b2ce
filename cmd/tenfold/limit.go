package main

import (
	"os"

	"github.com/tenfold-go/tenfold/internal/fleet/process"
)

// limitCmd is what a node with limits is until its program runs.
type limitCmd struct {
	Args []string `arg:"" optional:""`
}

func (cmd limitCmd) Run() error { return process.RunLimited(cmd.Args, os.Stdout) }
