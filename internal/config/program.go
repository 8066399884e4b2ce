package config

import (
	"encoding/json"
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

// jsonService is a Service as JSON. It has the variables that were read from files: the files on the disk may have changed.
type jsonService struct {
	*plainService
	FileEnv map[string]string `json:",omitempty"`
}

// plainService is a Service without its methods.
type plainService Service

// MarshalJSON writes the service with its secrets, for a process that continues with what runs. The number of nodes at the
// start is not part of it.
func (s Service) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonService{(*plainService)(&s), s.fileEnv})
}

// UnmarshalJSON reads what MarshalJSON has written.
func (s *Service) UnmarshalJSON(text []byte) error {
	read := jsonService{plainService: (*plainService)(s)}
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	s.fileEnv = read.FileEnv
	return nil
}
