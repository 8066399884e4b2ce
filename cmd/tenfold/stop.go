package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/tenfold-go/tenfold/internal/runfile"
)

type stopCmd struct {
	adminFlags
	Timeout time.Duration `placeholder:"DURATION" help:"How long to wait for its end; default: until it has ended."`
	Kill    bool          `help:"End requests at once; with --timeout, when that is over."`
}

// Help is the text below the summary.
func (stopCmd) Help() string {
	return `
Ends the tenfold of this directory, in the foreground or in the background, as Ctrl-C does: it accepts no new requests, lets the
old ones finish (drain in its file), and ends its nodes. Returns when it has ended.

    tenfold stop
    tenfold stop --timeout 10s          exit code 1 when it has not ended by then
    tenfold stop --timeout 10s --kill   ends what still runs by then

The exit code is 1 when no tenfold runs here. The verb reaches a tenfold of the same user on the same machine only.
`
}

func (cmd stopCmd) Run(ctx context.Context, t *terminal) error {
	r, err := cmd.find()
	if err != nil {
		return err
	}
	p, err := r.Process()
	if errors.Is(err, runfile.ErrEnded) {
		return cmd.ended(t, r)
	} else if err != nil {
		return fmt.Errorf("stop tenfold (pid %d): %w", r.PID, err)
	}
	defer p.Close()
	if err := cmd.stop(ctx, p); err != nil {
		return fmt.Errorf("stop tenfold (pid %d): %w", r.PID, err)
	}
	return cmd.ended(t, r)
}

func (cmd stopCmd) ended(t *terminal, r runfile.Record) error {
	_, err := fmt.Fprintf(t.stdout, "stopped %s (pid %d)\n", r.Name, r.PID)
	return err
}

// killPatience is how long tenfold may take to end after the second signal, until it gets SIGKILL. Its nodes have a part
// of this time to end.
const killPatience = 15 * time.Second

// stop drains the process, and with --kill ends it.
func (cmd stopCmd) stop(ctx context.Context, p *runfile.Process) error {
	if err := signalOrEnded(p, syscall.SIGTERM); err != nil {
		return err
	}
	if !cmd.Kill || cmd.Timeout > 0 {
		err := awaitFor(ctx, p, cmd.Timeout)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return hinted(errors.New("interrupted"), "it still drains: tenfold stop waits again, tenfold stop --kill ends its requests")
		case !cmd.Kill:
			return hinted(fmt.Errorf("has not ended after %v", cmd.Timeout), "it still drains; tenfold stop --kill ends its requests")
		}
	}
	if err := signalOrEnded(p, syscall.SIGTERM); err != nil { // the second one ends the drain
		return err
	}
	if awaitFor(ctx, p, killPatience) == nil {
		return nil
	}
	if err := signalOrEnded(p, syscall.SIGKILL); err != nil {
		return err
	}
	return awaitFor(ctx, p, killPatience)
}

func signalOrEnded(p *runfile.Process, s syscall.Signal) error {
	if err := p.Signal(s); !errors.Is(err, runfile.ErrEnded) {
		return err
	}
	return nil
}

// awaitFor waits until the process has ended, for at most a time; 0 stands for no limit.
func awaitFor(ctx context.Context, p *runfile.Process, limit time.Duration) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return p.Await(ctx)
}
