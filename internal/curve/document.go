package curve

import (
	"encoding/json"
	"io"
	"time"
)

// Document is the result of one load test.
type Document struct {
	Target    string    `json:"target"`
	Started   time.Time `json:"started"`
	Unit      Unit      `json:"unit"`
	Arrivals  string    `json:"arrivals,omitempty"` // how visits were spread over time; empty in closed load
	Seed      uint64    `json:"seed"`
	Objective Objective `json:"objective,omitzero"`
	Steps     []Step    `json:"steps"`
	Knee      *Knee     `json:"knee,omitempty"` // nil: no search, or the search found none

	// TargetNodes is the number of nodes that served the target together, behind a gateway: the rates are those of all
	// of them. 0 stands for a plain target. TargetNodesUnknown says why the number is not known although there was a
	// gateway; then the rates say nothing about one node.
	TargetNodes        int    `json:"target_nodes,omitempty"`
	TargetNodesUnknown string `json:"target_nodes_unknown,omitempty"`

	Scaling     []Size   `json:"scaling,omitempty"`
	SharedCores bool     `json:"shared_cores,omitempty"` // the nodes of Scaling shared the cores of one machine
	End         string   `json:"end,omitempty"`          // why a search ended
	Incomplete  bool     `json:"incomplete,omitempty"`   // the test was interrupted
	Notes       []string `json:"notes,omitempty"`
}

// Unit is what the rates of a document count.
type Unit string

const (
	Requests Unit = "requests/s" // the default
	Visits   Unit = "visits/s"   // visits of a journey, each of which makes several requests
)

// Knee is the highest offered rate at which the objective passed and the throughput followed the rate.
type Knee struct {
	Rate float64 `json:"rate"`
	Low  float64 `json:"low,omitempty"`  // the highest rate that passed by more than chance explains; 0: not known
	High float64 `json:"high,omitempty"` // the lowest rate that failed; 0: not known, so that the knee is a lower bound
}

// NodeKnee returns the knee of one of the nodes behind the target, or nil without a knee. The knee of a plain target is
// that of one node.
func (d *Document) NodeKnee() *Knee {
	if d.Knee == nil {
		return nil
	}
	n := float64(max(1, d.TargetNodes))
	return &Knee{Rate: d.Knee.Rate / n, Low: d.Knee.Low / n, High: d.Knee.High / n}
}

// Size is the result of one fleet size.
type Size struct {
	Nodes int    `json:"nodes"`
	Knee  *Knee  `json:"knee,omitempty"` // without High a lower bound; nil: no rate passed
	Steps []Step `json:"steps,omitempty"`
	End   string `json:"end,omitempty"` // why its search ended
}

// Exact reports whether the search found a rate that passed and a higher one that failed. Otherwise the knee of the
// size is a lower bound, or not known.
func (s *Size) Exact() bool { return s.Knee != nil && s.Knee.High > 0 }

// WriteJSON writes the document as indented JSON.
func (d *Document) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(d)
}
