package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/status"
)

type restartCmd struct {
	adminFlags
	Service string `arg:"" help:"Service to restart."`
}

// Help is the text below the summary.
func (restartCmd) Help() string {
	return `
Replaces the nodes one after the other. A new node is ready before an old one stops, and the old one finishes its requests
first. Returns when all nodes are replaced. If a new node does not become ready, the restart stops and the other old nodes
keep running.
`
}

func (cmd restartCmd) Run(ctx context.Context, t *terminal) error {
	replaced, err := cmd.size(ctx)
	if err != nil {
		return err
	}
	if err := cmd.post(ctx, "/api/services/"+url.PathEscape(cmd.Service)+"/restart", nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "restarted %s: %s replaced\n", cmd.Service, report.Count(replaced, "node"))
	return err
}

// size returns how many nodes the service should have, which is how many a restart replaces. It is 0 for a service that
// does not exist.
func (cmd restartCmd) size(ctx context.Context) (int, error) {
	var services []status.Service
	if err := cmd.get(ctx, "/api/services", &services); err != nil {
		return 0, err
	}
	for _, s := range services {
		if s.Name == cmd.Service {
			return s.Wanted, nil
		}
	}
	return 0, nil
}
