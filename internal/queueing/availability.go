package queueing

import (
	"sort"
	"time"

	"gonum.org/v1/gonum/mathext"
)

// Spares returns the smallest number of nodes beyond k, at least one, with which Redundant reaches target. It returns
// false if no number up to MaxNodes does, for example because the common cause alone exceeds the allowed
// unavailability.
func Spares(k int, a, common, target float64) (spares int, ok bool) {
	if 1-common*(1-a) < target {
		return 1, false
	}
	spares = 1 + sort.Search(MaxNodes, func(i int) bool { return Redundant(k, k+1+i, a, common) >= target })
	return spares, spares <= MaxNodes
}

// Redundant returns KofN with a common cause. The share common of a node's unavailability affects all nodes together,
// for example a rack, a release or a database. The rest affects each node independently.
func Redundant(k, n int, a, common float64) float64 {
	u := 1 - a
	return max(0, KofN(k, n, 1-(1-common)*u)-common*u)
}

// KofN returns the availability of n equal nodes of which at least k must work. Each node is available for the share a
// of the time and fails independently: Σ C(n,i)·aⁱ·(1-a)ⁿ⁻ⁱ for i = k..n.
func KofN(k, n int, a float64) float64 {
	switch {
	case k > n:
		return 0
	case k <= 0 || a >= 1:
		return 1
	}
	// The binomial sum equals an incomplete beta function. Its single terms overflow: C(1000,500) exceeds a float64.
	return 1 - mathext.RegIncBeta(float64(n-k+1), float64(k), 1-a)
}

// Serial returns the availability of parts that all have to work: the product.
func Serial(parts ...float64) float64 {
	a := 1.0
	for _, p := range parts {
		a *= p
	}
	return a
}

// A year of 365 days and a month of 30 days. Tables that use 365.25 days differ in the third digit.
const (
	Day   = 24 * time.Hour
	Week  = 7 * Day
	Month = 30 * Day
	Year  = 365 * Day
)

// Downtime returns how long a service of the given availability is unavailable within a period such as Year.
func Downtime(availability float64, period time.Duration) time.Duration {
	return time.Duration((1 - availability) * float64(period))
}
