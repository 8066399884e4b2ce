package queueing

import "math"

// Queue is one queue in front of several equal servers, for example the cores of a fleet. It is the model M/M/c with a
// correction for bursts.
type Queue struct {
	Servers    int     // at least 1
	Burstiness float64 // squared coefficient of variation of the time between arrivals; 1 is Poisson, 0 means 1
}

// MaxUtilisation returns the highest utilisation at which the given share of requests waits at most `wait` service
// times. It rises with the number of servers: for a share of 0.99 and one service time it is 0.42 with 4 servers and
// 0.89 with
// 32. A fixed limit such as 70 % is too high for a few servers and too low for many.
func (q Queue) MaxUtilisation(share, wait float64) float64 {
	q.Servers = min(q.Servers, MaxServers)
	return q.HighestUtilisation(func(u float64) bool { return q.Wait(u, share) <= wait })
}

// MaxServers bounds the work of MaxUtilisation. With more servers the utilisation is above 0.99 in any case.
const MaxServers = 4096

// HighestUtilisation returns the highest utilisation for which ok returns true. Above it, ok must always return false.
func (q Queue) HighestUtilisation(ok func(utilisation float64) bool) float64 {
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

// Wait returns the time, in service times, that the given share of requests waits at most. The utilisation must be
// below 1.
func (q Queue) Wait(utilisation, share float64) float64 {
	waiting := q.ErlangC(utilisation * float64(q.Servers))
	if waiting <= 1-share {
		return 0
	}
	return math.Log(waiting/(1-share)) * q.meanOfWaiting(utilisation)
}

// MeanWait returns the mean wait of all requests, in service times. The utilisation must be below 1.
func (q Queue) MeanWait(utilisation float64) float64 {
	return q.ErlangC(utilisation*float64(q.Servers)) * q.meanOfWaiting(utilisation)
}

// ErlangC returns the probability that a request has to wait. load is the arriving work in units of one server; it must
// be below Servers. The recursion over Erlang B does not overflow, unlike the textbook's factorials.
func (q Queue) ErlangC(load float64) float64 {
	b := 1.0
	for i := 1; i <= q.Servers; i++ {
		b = load * b / (float64(i) + load*b)
	}
	utilisation := load / float64(q.Servers)
	return b / (1 - utilisation*(1-b))
}

// meanOfWaiting returns the mean wait of the requests that have to wait. The factor (ca² + 1)/2 corrects for bursts
// (Allen-Cunneen approximation with exponential service times).
func (q Queue) meanOfWaiting(utilisation float64) float64 {
	bursts := 1.0
	if q.Burstiness > 0 {
		bursts = (q.Burstiness + 1) / 2
	}
	return bursts / (float64(q.Servers) * (1 - utilisation))
}

// Kingman returns the mean wait in front of one server, in service times: ρ/(1-ρ) · (ca² + cs²)/2. ca2 and cs2 are the
// squared coefficients of variation of the times between arrivals and of the service times.
func Kingman(utilisation, ca2, cs2 float64) float64 {
	return utilisation / (1 - utilisation) * (ca2 + cs2) / 2
}
