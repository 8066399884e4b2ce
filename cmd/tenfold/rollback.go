package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
)

type rollbackCmd struct {
	adminFlags
	Service string `arg:"" help:"Service to roll back."`
}

// Help is the text below the summary.
func (rollbackCmd) Help() string {
	return `
Runs the version before the last deploy again: its command, environment and directory. The nodes are replaced as in a deploy.
The service keeps this version until the next tenfold deploy; a reload does not change it. tenfold status and tenfold diff
say so. The command of before does not run: a migration must work with both versions.

During a deploy to a share, rollback ends the new nodes, and the old version gets all requests again.

tenfold keeps one previous version, in memory. It cannot bring back files that were overwritten: give each release its own
directory, and name it in run or dir.
`
}

func (cmd rollbackCmd) Run(ctx context.Context, t *terminal) error {
	if err := cmd.post(ctx, "/api/services/"+url.PathEscape(cmd.Service)+"/rollback", nil); err != nil {
		if c := conflictError(""); errors.As(err, &c) {
			err = hinted(err, "tenfold status shows which version runs; write the version that you want into the file, then: tenfold deploy "+cmd.Service)
		}
		return err
	}
	s, err := cmd.service(ctx, cmd.Service)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "rolled back %s: %s%s\n", cmd.Service, versionOf(s), nodesOf(s))
	return err
}
