package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/tenfold-go/tenfold/internal/report"
	"github.com/tenfold-go/tenfold/internal/usertext"
)

type scaleCmd struct {
	adminFlags
	Service string `arg:"" help:"Service to scale."`
	Nodes   number `arg:"" help:"Number of nodes, within the MIN..MAX of the service."`
}

// Help is the text below the summary.
func (scaleCmd) Help() string {
	return `
Returns at once. Nodes are then started, or drained and stopped, until their number is right. The range is that of
nodes: MIN..MAX in the file, or of tenfold up --nodes MIN..MAX. Services without a file that have no range can have 1 to 1000.
`
}

func (cmd scaleCmd) Run(ctx context.Context, t *terminal) error {
	body := map[string]number{"nodes": cmd.Nodes}
	if err := cmd.post(ctx, "/api/services/"+url.PathEscape(cmd.Service)+"/scale", body); err != nil {
		if c := conflictError(""); errors.As(err, &c) {
			err = hinted(err, "the range is fixed at the start: nodes: MIN..MAX in the file, or tenfold up --nodes MIN..MAX")
		}
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "scaling %s to %s\n", cmd.Service, report.Count(int(cmd.Nodes), "node"))
	return err
}

// number is a whole number with a plain error message.
type number int

func (n *number) UnmarshalText(text []byte) error {
	if err := usertext.CheckNumber(string(text)); err != nil {
		return err
	}
	v, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a number", text)
	}
	*n = number(v)
	return nil
}
