// Package status merges what tenfold knows of its services and nodes at this moment.
//
// The fleet knows which nodes exist and how they ended. The gateway knows which of them answer their probe and how many
// requests each one holds. [View] puts both together into the types of this package, which the console, the command
// line and the doctor share. Their JSON form is that of the admin API.
package status

import (
	"encoding/json"
	"time"
)

// Service is one service at one instant.
type Service struct {
	Version    int       `json:"version,omitempty"`          // what its nodes run, counted from 1; none for a list of addresses
	Previous   int       `json:"previous_version,omitempty"` // what tenfold rollback returns to
	RolledBack bool      `json:"rolled_back,omitempty"`      // it runs an older version than the file says, until the next deploy
	Canary     *Canary   `json:"canary,omitempty"`
	Operation  string    `json:"operation,omitempty"` // by what: restart, update (a reload), deploy, rollback
	WaitsFor   string    `json:"waits_for,omitempty"` // what its first nodes wait for
	Finished   int       `json:"finished,omitempty"`  // nodes of a worker that ended and are not replaced
	Name       string    `json:"name"`
	Kind       string    `json:"kind"` // process, worker, static, remote
	Min        int       `json:"min"`
	Max        int       `json:"max"`
	Wanted     int       `json:"wanted"`
	Running    int       `json:"running"` // nodes that exist, draining ones included
	Ready      int       `json:"ready"`   // nodes that get requests; of a worker, nodes that run
	Restarts   int       `json:"restarts"`
	Restarting bool      `json:"restarting"` // its nodes are being replaced
	CrashLoop  bool      `json:"crash_loop"`
	Breaker    string    `json:"breaker,omitempty"`   // closed, open, half-open; empty for a worker
	TwoNodes   *TwoNodes `json:"two_nodes,omitempty"` // why it is not ready for several nodes; nil when nothing was seen
	LastExit   *LastExit `json:"last_exit,omitempty"`
}

// Canary is a version that gets a share of the requests of a service.
type Canary struct {
	Version int     `json:"version"`
	Share   float64 `json:"share"` // above 0, below 1
}

// TwoNodes says that a service is not ready for several nodes: a visitor's cookie gets a new value from each node.
type TwoNodes struct {
	Cookie string    `json:"cookie"` // its name
	Since  time.Time `json:"since"`
	Page   string    `json:"page"` // of the documentation, with what to do
}

// LastExit describes how the last node of a service ended that was not asked to end.
type LastExit struct {
	Node   string    `json:"node"`
	Reason string    `json:"reason"`
	Output []string  `json:"output,omitempty"` // the last lines that it wrote
	At     time.Time `json:"at"`
}

// Node is one node at one instant.
type Node struct {
	Version   int       `json:"version,omitempty"` // what it runs; none for a node of a list of addresses
	Service   string    `json:"service"`
	ID        string    `json:"id"`
	Address   string    `json:"address,omitempty"`     // empty for a worker
	State     string    `json:"state"`                 // starting, warming, ready, draining
	Ejected   bool      `json:"ejected"`               // gets no requests for now, because live requests failed
	Hung      bool      `json:"hung,omitempty"`        // fails its probes, or answers no requests, for too long
	HungBy    string    `json:"hung_by,omitempty"`     // probe, requests
	ProbeErr  string    `json:"probe_error,omitempty"` // why it does not pass its probe
	InFlight  int64     `json:"in_flight"`
	Requests  uint64    `json:"requests"`
	Failures  uint64    `json:"failures"`
	LatencyMS float64   `json:"latency_ms,omitempty"` // moving average of the response time
	PID       int       `json:"pid,omitempty"`
	Started   time.Time `json:"started,omitzero"`
}

// Store is the state that all nodes and gateways share, at one instant.
type Store struct {
	Description string    `json:"description"` // URL without user and password, or the kind of store
	Up          bool      `json:"up"`          // it answers; true without a store
	Err         string    `json:"error,omitempty"`
	Since       time.Time `json:"since,omitzero"` // when up had another value last
}

// Route is one route of the configuration.
type Route struct {
	Host    string            `json:"host,omitempty"`
	Path    string            `json:"path"`
	Methods []string          `json:"methods,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	To      string            `json:"to"`

	// Policies are the policies of the route by their key in the file: "rate_limit": "100/s". In JSON, each is a field of
	// the route.
	Policies map[string]string `json:"-"`
}

// MarshalJSON writes the policies as fields of the route.
func (r Route) MarshalJSON() ([]byte, error) {
	type fields Route // without this method
	b, err := json.Marshal(fields(r))
	if err != nil || len(r.Policies) == 0 {
		return b, err
	}
	policies, err := json.Marshal(r.Policies)
	if err != nil {
		return nil, err
	}
	return append(append(b[:len(b)-1], ','), policies[1:]...), nil // both are objects with at least one field
}
