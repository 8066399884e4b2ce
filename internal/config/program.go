package config

import (
	"maps"
	"slices"
)

// SameProgram reports whether the nodes of both services are started with the same values, so that a change from one to
// the other needs no new nodes. Each field of Service that a node is started with is compared here.
func SameProgram(a, b *Service) bool {
	return slices.Equal(a.Run, b.Run) && a.Dir == b.Dir && maps.Equal(a.Env, b.Env) && a.Worker == b.Worker &&
		a.Resources == b.Resources && a.User == b.User
}
