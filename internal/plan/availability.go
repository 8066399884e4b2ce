package plan

import (
	"fmt"
	"sort"

	"gonum.org/v1/gonum/mathext"
)

// Serial is the availability of parts that all have to work.
func Serial(parts ...float64) float64 {
	a := 1.0
	for _, p := range parts {
		a *= p
	}
	return a
}

// KofN is the availability of n equal parts of which any k have to work, each available for a share a of the time and
// failing by itself: Σ C(n,i)·aⁱ·(1-a)ⁿ⁻ⁱ for i = k..n.
func KofN(k, n int, a float64) float64 {
	switch {
	case k > n:
		return 0
	case a >= 1:
		return 1
	}
	// The binomial sum is an incomplete beta function; summed term by term, C(1000,500) is no float64.
	return 1 - mathext.RegIncBeta(float64(n-k+1), float64(k), 1-a)
}

// Redundant is KofN with a common cause: of a node's unavailability, the share common takes all nodes down together (the
// same rack, the same release, the same database), and only the rest strikes one by one.
func Redundant(k, n int, a, common float64) float64 {
	u := 1 - a
	return max(0, KofN(k, n, 1-(1-common)*u)-common*u)
}

// Spares is the smallest number of nodes beyond k, at least one, with which Redundant reaches target; ok is false when no
// number does, because the common cause alone takes more.
func Spares(k int, a, common, target float64) (spares int, ok bool) {
	if 1-common*(1-a) < target {
		return 1, false
	}
	spares = 1 + sort.Search(maxNodes, func(i int) bool { return Redundant(k, k+1+i, a, common) >= target })
	return spares, spares <= maxNodes
}

// The year, month and week of a downtime: 365, 30 and 7 days. Tables that count 365.25 days differ in the third digit.
const (
	yearSeconds  = 365 * 24 * 3600
	monthSeconds = 30 * 24 * 3600
	weekSeconds  = 7 * 24 * 3600
)

// Downtime is how long a service of this availability is away, in seconds.
type Downtime struct {
	Year  float64 `json:"per_year_s"`
	Month float64 `json:"per_month_s"` // 30 days
	Week  float64 `json:"per_week_s"`
}

// DowntimeOf is the downtime that an availability allows.
func DowntimeOf(availability float64) Downtime {
	u := 1 - availability
	return Downtime{u * yearSeconds, u * monthSeconds, u * weekSeconds}
}

func (d Downtime) String() string {
	return fmt.Sprintf("%s a year (365 days), %s a month (30 days), %s a week", span(d.Year), span(d.Month), span(d.Week))
}

// architectures say what a level of availability takes, from the lowest to the highest.
var architectures = []struct {
	from float64
	text string
}{
	{0, "one node that is restarted when it ends, and backups that were restored once"},
	{0.995, "at least one spare node, health checks, rolling deploys, a database that fails over within minutes"},
	{0.9995, "no human in the way of recovery: two load balancers, nodes in two zones, automatic database failover, " +
		"deploys that drain"},
	{0.99995, "two active regions, and every serial dependency above the target itself: availabilities multiply"},
}

// Architecture is what a level of availability implies.
func Architecture(target float64) string {
	text := ""
	for _, a := range architectures {
		if target >= a.from {
			text = a.text
		}
	}
	return text
}
