package status

import "time"

// Version tells which process serves.
type Version struct {
	Version string    `json:"version"`
	Commit  string    `json:"commit"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

// Upgrade says that another process serves.
type Upgrade struct {
	Former  Version `json:"former"` // the process that served before; it drains
	PID     int     `json:"pid"`
	Version string  `json:"version"`
	Commit  string  `json:"commit"`
}
