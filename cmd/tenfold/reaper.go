package main

import "github.com/tenfold-go/tenfold/internal/fleet/process"

// reaperCmd is the second process that ends the nodes when tenfold is killed.
type reaperCmd struct{}

func (reaperCmd) Run(t *terminal) error { return process.RunReaper(t.stdin) }
