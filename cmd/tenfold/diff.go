package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/config"
)

type diffCmd struct {
	adminFlags
	JSON bool `name:"json" help:"Print the result as JSON."`
}

// Help is the text below the summary.
func (diffCmd) Help() string {
	return `
Compares what runs with the file as it is now, and changes nothing. Each line is a key of the file as tenfold check
--effective shows it: + is new, - is gone, ~ has changed. Secrets are compared and not shown. For each service, diff says
whether a reload would start it, replace its nodes one by one, change it in place, or stop it.

If the file has problems, diff shows them as tenfold check does, and the exit code is 2. Otherwise it is 0, with and without
differences.
`
}

func (cmd diffCmd) Run(ctx context.Context, t *terminal) error {
	r, err := cmd.reloadResult(ctx, http.MethodGet, "/api/diff")
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printReloadJSON(t.stdout, r)
	}
	if len(r.Changes) == 0 && len(r.Services) == 0 && r.OK {
		_, err := fmt.Fprintf(t.stdout, "no difference: %s is what runs\n", r.File)
		return err
	}
	printChanges(t.stdout, r, "")
	if len(r.Problems) > 0 {
		return usageError(config.Problems(r.Problems), "a reload would change nothing")
	}
	return nil
}
