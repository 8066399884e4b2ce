package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/tenfold-go/tenfold/internal/fleet"
)

type drainCmd struct {
	adminFlags
	Force bool   `help:"Drain the last ready node of a list of addresses, too: its service then has no node for requests."`
	Node  string `arg:"" help:"Node to drain, for example shop-3."`
}

// Help is the text below the summary.
func (drainCmd) Help() string {
	return `
Starts a replacement first. When that is ready, the node gets no new requests, finishes its old ones and is stopped. A node
that tenfold did not start gets no replacement and is not stopped; the last ready one of a service wants --force. Returns when
the node is gone, or has no requests any more.

    tenfold drain shop-3
    tenfold undrain shop-3    # take it back
`
}

func (cmd drainCmd) Run(ctx context.Context, t *terminal) error {
	var body any
	if cmd.Force {
		body = map[string]bool{"force": true}
	}
	if err := cmd.post(ctx, "/api/nodes/"+url.PathEscape(cmd.Node)+"/drain", body); err != nil {
		if strings.Contains(err.Error(), fleet.ErrLastReady.Error()) {
			err = hinted(err, "tenfold drain --force "+cmd.Node+" drains it all the same: requests then get 503")
		}
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "drained %s\n", cmd.Node)
	return err
}
