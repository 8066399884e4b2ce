package main

import (
	"os"

	"github.com/tenfold-go/tenfold/internal/fleet/process"
)

// reaperCmd is the process that starts the nodes, and ends them when tenfold is killed.
type reaperCmd struct{}

// Run reads standard input directly: no signal ends the reaper.
func (reaperCmd) Run() error { return process.RunReaper(os.Stdin) }
