package server

import (
	"context"

	"github.com/tenfold-go/tenfold/internal/config"
)

// RestartAll restarts every service whose nodes tenfold has started, one after the other, because of a change of file. It
// logs the results: a service whose new nodes do not work keeps its old ones.
func (s *Server) RestartAll(ctx context.Context, file string) {
	s.log.Info("restart: a file has changed", "file", file)
	for _, service := range s.config().Services {
		if service.Kind() != config.Owned || ctx.Err() != nil {
			continue
		}
		if err := s.restart(ctx, service.Name); err != nil {
			s.log.Error("service not restarted: its old nodes go on", "service", service.Name, "err", err)
			continue
		}
		s.log.Info("service restarted", "service", service.Name)
	}
}

func (s *Server) restart(ctx context.Context, service string) error {
	end, err := s.operations.begin("restart of " + service)
	if err != nil {
		return err
	}
	defer end()
	return s.fleet.Restart(ctx, service)
}
