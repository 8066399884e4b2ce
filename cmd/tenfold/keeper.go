package main

import "github.com/tenfold-go/tenfold/internal/fleet/process"

// keeperCmd is the second process that ends the nodes when this program is killed.
type keeperCmd struct{}

func (keeperCmd) Run(t *terminal) error { return process.Keeper(t.stdin) }
