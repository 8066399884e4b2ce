//go:build !unix

package redistest

// Pause skips the test: this system cannot stop a process for a while.
func (s *Server) Pause() { s.t.Skip("SKIPPED: this system cannot pause a process") }

// Resume ends a Pause.
func (s *Server) Resume() {}
