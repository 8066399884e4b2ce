package plan

import (
	"fmt"

	"github.com/tenfold-go/tenfold/internal/report"
)

// Connections are those that all nodes together open to one database server.
type Connections struct {
	Nodes       int  `json:"nodes"`
	Pool        int  `json:"pool,omitempty"`         // per node, as given
	Total       int  `json:"total,omitempty"`        // Nodes × Pool
	Max         int  `json:"max,omitempty"`          // that the server accepts, as given
	LargestPool int  `json:"largest_pool,omitempty"` // per node, that fits in Max
	Fits        bool `json:"fits"`
}

// connections adds up what all nodes open.
func (q Question) connections(a *Answer) *Connections {
	if q.Pool == 0 && q.MaxConnections == 0 {
		return nil
	}
	if a.Fleet == nil || !a.Fleet.Reachable {
		a.unknown(aboutDatabase, "the number of connections: that takes a number of nodes (--peak-rps and --node-rps)")
		return nil
	}
	// A deploy that starts each new node before it stops an old one has one node more for a while.
	c := &Connections{Nodes: a.Fleet.Nodes + 1, Pool: q.Pool, Max: q.MaxConnections}
	c.Total = c.Nodes * c.Pool
	c.LargestPool = c.Max * 9 / 10 / c.Nodes // a tenth is left to replication, migrations and people
	c.Fits = c.Max == 0 || c.Pool <= c.LargestPool && c.LargestPool > 0
	text := fmt.Sprintf("%s, one more during a deploy", report.Count(a.Fleet.Nodes, "node"))
	switch {
	case c.Max == 0:
		a.because(aboutDatabase, "%s, with %s each open up to %s to one server: max_connections has to be above that",
			text, report.Count(c.Pool, "connection"), report.Number(float64(c.Total)))
	case c.Fits:
		a.because(aboutDatabase, "%s: a pool of up to %s each stays under nine tenths of %s connections",
			text, report.Number(float64(c.LargestPool)), report.Number(float64(c.Max)))
	default:
		a.warn(aboutDatabase, "%s, with %s each are %s: more than nine tenths of the %s that the server accepts. Adding nodes "+
			"makes it worse: use pools of at most %d, or a pooler between (PgBouncer)",
			text, report.Count(c.Pool, "connection"), report.Number(float64(c.Total)), report.Number(float64(c.Max)), c.LargestPool)
	}
	return c
}
