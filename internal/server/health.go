package server

import "context"

// Healthy reports whether the parts of a running server answer, before ctx ends. A part that waits forever for a lock does
// not.
func (s *Server) Healthy(ctx context.Context) bool {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s.status.Services()
		s.status.Nodes()
	}()
	select {
	case <-answered:
		return true
	case <-ctx.Done():
		return false
	}
}
