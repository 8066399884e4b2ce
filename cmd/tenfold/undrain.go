package main

import (
	"context"
	"fmt"
	"net/url"
)

type undrainCmd struct {
	adminFlags
	Node string `arg:"" help:"Node to take back, for example shop-3."`
}

// Help is the text below the summary.
func (undrainCmd) Help() string {
	return `
Takes back a node that was drained: it gets requests again as soon as its probe passes. A node of a list of addresses can be
taken back at any time. A node that tenfold has started can be taken back while it drains, as long as it has requests to
finish; another node of the service is then drained in its place.
`
}

func (cmd undrainCmd) Run(ctx context.Context, t *terminal) error {
	if err := cmd.post(ctx, "/api/nodes/"+url.PathEscape(cmd.Node)+"/undrain", nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "undrained %s\n", cmd.Node)
	return err
}
