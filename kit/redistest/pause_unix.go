//go:build unix

package redistest

import "syscall"

// Pause stops the server with SIGSTOP: it keeps its connections and answers nothing until Resume.
func (s *Server) Pause() { s.process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.process.Signal(syscall.SIGCONT) }
