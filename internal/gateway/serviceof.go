package gateway

import (
	"net/http"

	"github.com/tenfold-go/tenfold/internal/config"
)

// ServiceOf returns the name of the service that gets the request by the routes, or "" if no route takes it. It builds
// the whole router, so it is for a few requests, not for traffic.
func ServiceOf(routes []config.Route, r *http.Request) string {
	all := make([]route, len(routes))
	for i := range routes {
		all[i] = route{Route: &routes[i], number: i}
	}
	if found := newRouter(all).find(r).route; found != nil {
		return found.To
	}
	return ""
}
