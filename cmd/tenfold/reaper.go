package main

import (
	"os"

	"github.com/tenfold-go/tenfold/internal/fleet/process"
)

// reaperCmd is the second process that ends the nodes when tenfold is killed.
type reaperCmd struct{}

// Run reads standard input directly: no signal ends the reaper.
func (reaperCmd) Run() error { return process.RunReaper(os.Stdin) }
