package main

import (
	"context"
	"fmt"
	"net/url"
)

type drainCmd struct {
	adminFlags
	Node string `arg:"" help:"Node to drain, for example shop-3."`
}

// Help is the text below the summary.
func (drainCmd) Help() string {
	return `
Starts a replacement first. When that is ready, the node gets no new requests, finishes its old ones and is stopped. A node
that tenfold did not start gets no replacement and is not stopped. Returns when the node is gone.
`
}

func (cmd drainCmd) Run(ctx context.Context, t *terminal) error {
	if err := cmd.post(ctx, "/api/nodes/"+url.PathEscape(cmd.Node)+"/drain", nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "drained %s\n", cmd.Node)
	return err
}
