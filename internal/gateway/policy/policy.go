// Package policy has the steps that a request passes before it is sent to a service: one per file, each a function from
// handler to handler, so that any net/http middleware can stand among them.
package policy

import "net/http"

// Policy is one step. The handler that it returns may answer the request itself or pass it on, changed or not.
type Policy func(http.Handler) http.Handler

// Chain joins policies in reading order: a request meets the first one first.
func Chain(policies ...Policy) Policy {
	return func(h http.Handler) http.Handler {
		for i := len(policies) - 1; i >= 0; i-- {
			h = policies[i](h)
		}
		return h
	}
}
