package load

import (
	"encoding/json"
	"io"
	"time"
)

// Document is what a load run found, as one JSON document that tenfold plan reads.
type Document struct {
	Target      string    `json:"target"`
	Started     time.Time `json:"started"`
	Unit        string    `json:"unit"` // what rates count: requests/s, or visits/s of journeys
	Arrivals    string    `json:"arrivals,omitempty"`
	Seed        uint64    `json:"seed"`
	Objective   string    `json:"objective,omitempty"`
	Steps       []*Step   `json:"steps"`
	Knee        *Knee     `json:"knee,omitempty"`
	Scaling     []Size    `json:"scaling,omitempty"`
	SharedCores bool      `json:"shared_cores,omitempty"` // of Scaling: the nodes ran on the cores of one machine
	End         string    `json:"end,omitempty"`          // why a sweep ended
	Incomplete  bool      `json:"incomplete,omitempty"`   // it was interrupted
	Notes       []string  `json:"notes,omitempty"`
}

// Size is what a fleet of so many nodes carried.
type Size struct {
	Nodes int     `json:"nodes"`
	Knee  Knee    `json:"knee"`
	Steps []*Step `json:"steps,omitempty"`
}

// WriteJSON writes the document.
func (d *Document) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(d)
}
