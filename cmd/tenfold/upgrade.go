package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/tenfold-go/tenfold/internal/status"
)

type upgradeCmd struct {
	adminFlags
}

// Help is the text below the summary.
func (upgradeCmd) Help() string {
	return `
Starts the program again, as it is on the disk now, with the same arguments, and lets the new process serve. Addresses,
nodes and the store stay: no node restarts, and no connection is refused. The former process finishes its requests, and its
WebSockets for at most drain.

    install -m 755 tenfold-new /usr/local/bin/tenfold
    tenfold upgrade

When the new program does not work, the running one goes on, and the verb says why. The new process runs the configuration
that ran before, not the file: tenfold reload does that. SIGUSR2 to the running tenfold does the same as this verb.
`
}

func (cmd upgradeCmd) Run(ctx context.Context, t *terminal) error {
	var before status.Version
	if err := cmd.get(ctx, "/api/version", &before); err != nil {
		return err
	}
	fmt.Fprintf(t.stdout, "process %d serves: version %s, commit %s, since %s\nstarting the program as it is on the disk now ...\n",
		before.PID, before.Version, before.Commit, before.Started.Local().Format("2006-01-02 15:04:05"))
	answer, err := cmd.call(ctx, http.MethodPost, "/api/upgrade", nil)
	if err != nil {
		if c := conflictError(""); errors.As(err, &c) {
			return hinted(err, "nothing has changed; try again when tenfold status shows no restart")
		}
		return hinted(err, fmt.Sprintf("process %d goes on serving", before.PID))
	}
	var done status.Upgrade
	if err := json.Unmarshal(answer, &done); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	_, err = fmt.Fprintf(t.stdout, "process %d serves: version %s, commit %s\nprocess %d finishes its requests\n",
		done.PID, done.Version, done.Commit, done.Former.PID)
	return err
}
