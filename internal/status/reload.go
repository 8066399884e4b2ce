package status

import (
	"reflect"

	"github.com/tenfold-go/tenfold/internal/config"
)

// Reload says what a reload of the file has done, or would do.
type Reload struct {
	File     string           `json:"file"`
	OK       bool             `json:"ok"`              // the file runs now, or a reload would make it run
	Error    string           `json:"error,omitempty"` // why not
	Problems []config.Problem `json:"problems"`        // of the file; with one of them, nothing has changed
	Notes    []config.Problem `json:"notes"`           // what is probably a mistake
	Changes  []config.Change  `json:"changes"`         // from what runs to what the file says
	Services []ServiceChange  `json:"services"`        // those that change
}

// ServiceChange says what a reload does to a service.
type ServiceChange struct {
	Name   string `json:"name"`
	Effect Effect `json:"effect"`
	Error  string `json:"error,omitempty"` // why the service is held back, with the last lines of the new node: its old nodes serve on

	Version    int     `json:"version,omitempty"`     // what its nodes ran before the change
	RolledBack bool    `json:"rolled_back,omitempty"` // to this version
	Canary     *Canary `json:"canary,omitempty"`      // the version that gets a share of the requests
}

// Effect names what a reload does to a service.
type Effect string

// The effects.
const (
	EffectStart Effect = "start" // it is new: its nodes start
	EffectRoll  Effect = "roll"  // its nodes are replaced one by one, because what they run with has changed
	EffectApply Effect = "apply" // its settings change, and its nodes stay
	EffectStay  Effect = "stay"  // its settings change; its nodes stay, although what they run with has changed: see RolledBack and Canary
	EffectStop  Effect = "stop"  // it is gone: its nodes drain and stop
)

// Compare returns the services that a change from one configuration to another concerns, in the order of the new one.
func Compare(old, new *config.Config) (all []ServiceChange) {
	before := make(map[string]*config.Service)
	for i := range old.Services {
		before[old.Services[i].Name] = &old.Services[i]
	}
	for i := range new.Services {
		s := &new.Services[i]
		b := before[s.Name]
		delete(before, s.Name)
		switch {
		case b == nil:
			all = append(all, ServiceChange{Name: s.Name, Effect: EffectStart})
		case !config.SameProgram(b, s) || b.Kind() != s.Kind():
			all = append(all, ServiceChange{Name: s.Name, Effect: EffectRoll})
		case !reflect.DeepEqual(b, s):
			all = append(all, ServiceChange{Name: s.Name, Effect: EffectApply})
		}
	}
	for i := range old.Services {
		if before[old.Services[i].Name] != nil {
			all = append(all, ServiceChange{Name: old.Services[i].Name, Effect: EffectStop})
		}
	}
	return all
}
