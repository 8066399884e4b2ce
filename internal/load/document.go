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
	Knee  *Knee   `json:"knee,omitempty"` // without High a lower bound; nil when the objective held nowhere
	Steps []*Step `json:"steps,omitempty"`
	End   string  `json:"end,omitempty"` // why its sweep ended
}

// NewSize is what a sweep found of a fleet of so many nodes. Where it found no knee, the highest rate that held is a lower
// bound of it.
func NewSize(nodes int, c *Curve) Size {
	s := Size{Nodes: nodes, Knee: c.Knee, Steps: c.Steps, End: c.End}
	if s.Knee == nil && c.held > 0 {
		s.Knee = &Knee{Rate: c.held, Low: c.held}
	}
	return s
}

// exact says that both ends of the knee are known. What lies behind another one is worth looking at.
func (s *Size) exact() bool { return s.Knee != nil && s.Knee.High > 0 }

// WriteJSON writes the document.
func (d *Document) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(d)
}
