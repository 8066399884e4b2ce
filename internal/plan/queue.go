package plan

import "math"

// Queue is a fleet's cores seen as one line with several servers: M/M/c, with Burstiness as its correction.
type Queue struct {
	Servers    int     // cores, at least 1
	Burstiness float64 // squared coefficient of variation of the time between arrivals; 1, or 0 for not known, is Poisson
}

// ErlangC is the probability that a request has to wait when load servers' worth of work arrives (load < Servers).
// The recursion over Erlang B does not overflow where the textbook's factorials do.
func (q Queue) ErlangC(load float64) float64 {
	b := 1.0
	for i := 1; i <= q.Servers; i++ {
		b = load * b / (float64(i) + load*b)
	}
	utilisation := load / float64(q.Servers)
	return b / (1 - utilisation*(1-b))
}

// MeanWait is the mean wait at a utilisation below 1, in service times.
func (q Queue) MeanWait(utilisation float64) float64 {
	return q.ErlangC(utilisation*float64(q.Servers)) * q.meanOfWaiting(utilisation)
}

// Wait is the wait, in service times, that a share `quantile` of the requests does not exceed at a utilisation below 1.
func (q Queue) Wait(utilisation, quantile float64) float64 {
	waiting := q.ErlangC(utilisation * float64(q.Servers))
	if waiting <= 1-quantile {
		return 0
	}
	return math.Log(waiting/(1-quantile)) * q.meanOfWaiting(utilisation)
}

// meanOfWaiting is the mean wait of those that wait at all. Kingman's factor (ca² + cs²)/2, with cs² = 1, stands for
// bursts (the Allen-Cunneen approximation).
func (q Queue) meanOfWaiting(utilisation float64) float64 {
	bursts := 1.0
	if q.Burstiness > 0 {
		bursts = (q.Burstiness + 1) / 2
	}
	return bursts / (float64(q.Servers) * (1 - utilisation))
}

// Busiest is the highest utilisation at which ok still holds. ok must not hold again once it failed.
func (q Queue) Busiest(ok func(utilisation float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 40 {
		if middle := (low + high) / 2; ok(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// Kingman is the mean wait in front of one server, in service times: ρ/(1-ρ) · (ca² + cs²)/2, with the squared
// coefficients of variation of the times between arrivals and of service.
func Kingman(utilisation, ca2, cs2 float64) float64 {
	return utilisation / (1 - utilisation) * (ca2 + cs2) / 2
}

// largestQueue bounds the work of ErlangC: beyond so many servers the utilisation is over 0.99 anyway.
const largestQueue = 4096

// headroomQuantile and headroomWait are the rule that a fleet's headroom follows when no margin is asked for: of a hundred
// requests, 99 wait at most one service time for a core.
const (
	headroomQuantile = 0.99
	headroomWait     = 1.0
)

// Headroom is the utilisation that the rule above allows. It rises with the number of servers, 0.42 for 4 and 0.89 for 32:
// one fixed 70 % is wrong at both ends.
func (q Queue) Headroom() float64 {
	q.Servers = min(q.Servers, largestQueue)
	return q.Busiest(func(u float64) bool { return q.Wait(u, headroomQuantile) <= headroomWait })
}
