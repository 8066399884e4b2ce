package main

import (
	"context"

	"github.com/tenfold-go/tenfold/internal/server"
)

// reloadRequests ask for a reload from elsewhere than the admin address: after a signal or a change of the file. Requests
// that come while one waits are the same as that one.
type reloadRequests chan string

func newReloadRequests() reloadRequests { return make(chan string, 1) }

// add asks for a reload. by is the caller, for the log.
func (q reloadRequests) add(by string) {
	select {
	case q <- by:
	default: // one waits, and has not read the file yet
	}
}

// serve reloads s, which logs the results, until ctx ends.
func (q reloadRequests) serve(ctx context.Context, s *server.Server) {
	for {
		select {
		case by := <-q:
			s.Reload(ctx, by)
		case <-ctx.Done():
			return
		}
	}
}
