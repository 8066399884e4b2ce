package plan

import (
	"fmt"
	"strings"
)

// Answer is a plan. What was not asked, or could not be answered, is nil, and absent from the JSON document.
type Answer struct {
	*Fleet               // nodes, nodes_low, nodes_high, reachable, ...
	Fit        *Fit      `json:"fit,omitempty"`
	*Direction           // strategy, ...
	Database   *Database `json:"database,omitempty"`
	*Uptime              // availability, downtime_per_year_s, ...
	*Cost                // cost_per_hour, ...
	Forecast   *Forecast `json:"growth,omitempty"`

	Reasons  []Note `json:"reasons"`            // why each answer is what it is
	Changes  []Note `json:"changes,omitempty"`  // what would change it
	Warnings []Note `json:"warnings,omitempty"` // what to be careful with
	Assumed  []Note `json:"assumed,omitempty"`  // what was taken for granted, and the flag that says otherwise
	Unknown  []Note `json:"unknown,omitempty"`  // what could not be answered, and what it would take

	Inputs Question `json:"inputs"`

	supply *supply // what the curve of the page is drawn from; nil for none
}

// Topics of notes and sections of the printed plan, in their order.
const (
	aboutGrowth       = "growth"
	aboutNodes        = "nodes"
	aboutStrategy     = "strategy"
	aboutDatabase     = "database"
	aboutAvailability = "availability"
	aboutCost         = "cost"
)

var topics = []string{aboutGrowth, aboutNodes, aboutStrategy, aboutDatabase, aboutAvailability, aboutCost}

// Note is a sentence about one topic. In JSON it is the string "topic: sentence".
type Note struct{ About, Text string }

// MarshalText is Note's form in JSON.
func (n Note) MarshalText() ([]byte, error) { return []byte(n.About + ": " + n.Text), nil }

func (a *Answer) because(about, format string, args ...any) {
	a.Reasons = append(a.Reasons, Note{about, fmt.Sprintf(format, args...)})
}

func (a *Answer) change(about, format string, args ...any) {
	a.Changes = append(a.Changes, Note{about, fmt.Sprintf(format, args...)})
}

func (a *Answer) warn(about, format string, args ...any) {
	a.Warnings = append(a.Warnings, Note{about, fmt.Sprintf(format, args...)})
}

func (a *Answer) assume(about, format string, args ...any) {
	a.Assumed = append(a.Assumed, Note{about, fmt.Sprintf(format, args...)})
}

func (a *Answer) unknown(about, format string, args ...any) {
	a.Unknown = append(a.Unknown, Note{about, fmt.Sprintf(format, args...)})
}

func texts(notes []Note) (texts []string) {
	for _, n := range notes {
		texts = append(texts, n.Text)
	}
	return texts
}

// Missed says which goal of the question the plan does not reach; "" when it reaches all.
func (a *Answer) Missed() string {
	var missed []string
	if a.Fleet != nil && !a.Fleet.Reachable {
		missed = append(missed, a.Fleet.headline(a.Inputs))
	}
	if a.Uptime != nil && a.Uptime.Met != nil && !*a.Uptime.Met {
		missed = append(missed, fmt.Sprintf("the target of %s is missed: it is %s", nines(a.Uptime.Target), nines(a.Availability)))
	}
	return strings.Join(missed, "; ")
}

func (a *Answer) answersAnything() bool {
	return a.Fleet != nil || a.Fit != nil || a.Direction != nil || a.Database != nil || a.Uptime != nil || a.Cost != nil ||
		a.Forecast != nil
}
