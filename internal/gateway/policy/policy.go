// Package policy contains the steps that a request passes before it is sent to a service. Each step is in its own
// file. It is a function from handler to handler, so that any net/http middleware can stand between two steps.
package policy

import "net/http"

// Policy is one step. Its handler answers the request itself or passes it on, changed or unchanged.
type Policy func(http.Handler) http.Handler

// Chain joins policies in reading order: a request passes the first one first.
func Chain(policies ...Policy) Policy {
	return func(h http.Handler) http.Handler {
		for i := len(policies) - 1; i >= 0; i-- {
			h = policies[i](h)
		}
		return h
	}
}
