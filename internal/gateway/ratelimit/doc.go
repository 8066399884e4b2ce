// Package ratelimit decides which requests are above the rate of their caller.
//
// The algorithm is GCRA. A gateway counts alone, or all gateways that share a store count together. Gateways that count
// together lease tokens from the store in advance, so that most requests need no round trip.
//
// The files, from the outside in: ratelimit (Limits, Limiter), queue (requests that wait for the store), shared (the
// connection to the store), storeclient and lease.lua (the store's side), table and bucket (the callers), gcra.
package ratelimit
