package config

import (
	"maps"
	"slices"
)

// The program of a service is what its nodes are started with. Each field of Service that a node is started with belongs
// into both functions.

// SameProgram reports whether the nodes of both services are started with the same values, so that a change from one to
// the other needs no new nodes.
func SameProgram(a, b *Service) bool {
	return slices.Equal(a.Run, b.Run) && a.Dir == b.Dir && maps.Equal(a.Environment(), b.Environment()) && a.Worker == b.Worker &&
		a.Resources == b.Resources && a.User == b.User
}

// WithProgram returns s with the program of another service.
func WithProgram(s, program *Service) Service {
	with := *s
	with.Run, with.Dir, with.Env, with.Worker = program.Run, program.Dir, program.Env, program.Worker
	with.EnvFile, with.fileEnv = program.EnvFile, program.fileEnv
	with.Resources, with.User = program.Resources, program.User
	return with
}

// FileVariables returns the variables of EnvFile, as they were read.
func (s *Service) FileVariables() map[string]string { return s.fileEnv }

// WithFileVariables returns s with variables of EnvFile that another process has read.
func (s *Service) WithFileVariables(variables map[string]string) Service {
	with := *s
	with.fileEnv = variables
	return with
}
