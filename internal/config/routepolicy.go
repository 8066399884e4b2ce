package config

import "strings"

// routePolicy describes one policy of a route: its key in the file, how it is read, and what is checked about it. The reader,
// the checks, the notes, `tenfold check` and Route.Policies follow from the list routePolicies, so a new policy is one
// field of Route, one value of this type, and its handler in the gateway.
type routePolicy struct {
	key      string
	value    func(*Route) value                                    // between the field of Route and the file
	fields   func() []field                                        // its own keys with their defaults; nil for a single value
	defaults func(*Route)                                          // defaults that depend on other keys; may be nil
	caller   func(*Route) (Caller, bool)                           // whose requests it tells apart; may be nil
	check    func(v *validation, path string, r *Route, c *Config) // reports what one key alone cannot tell
	note     func(n *notes, path string, r *Route, c *Config)      // reports what is probably not meant; may be nil
	describe func(*Route) (short, long string)                     // empty while the policy is off
	open     bool                                                  // a client gains nothing by avoiding it
}

// routePolicies are all policies of a route, in the order of their keys in the effective file.
var routePolicies = []routePolicy{
	authPolicy, rateLimitPolicy, idempotencyPolicy,
	redirectPolicy, stripPrefixPolicy, rewritePolicy, requestHeadersPolicy, responseHeadersPolicy, basicAuthPolicy, allowPolicy, denyPolicy,
	corsPolicy, maintenancePolicy, errorPagesPolicy, exposePolicy,
}

// RoutePolicy is a policy of a route as people read it.
type RoutePolicy struct {
	Key   string // as in the file: "rate_limit"
	Short string // its most important value: "100/s"
	Long  string // in words: "at most 100/s by ip"
}

// Policies returns the policies that are switched on for the route.
func (r *Route) Policies() (all []RoutePolicy) {
	for _, p := range routePolicies {
		if short, long := p.describe(r); short != "" {
			all = append(all, RoutePolicy{p.key, short, long})
		}
	}
	return all
}

// Guarded reports whether the route has a policy that a client must not be able to avoid.
func (r *Route) Guarded() bool {
	for i := range routePolicies {
		if short, _ := routePolicies[i].describe(r); short != "" && !routePolicies[i].open {
			return true
		}
	}
	return false
}

// policies checks the policies of a route.
func (v *validation) policies(path string, r *Route, c *Config) {
	for _, p := range routePolicies {
		p.check(v, path, r, c)
		if p.caller == nil {
			continue
		}
		caller, ok := p.caller(r)
		if ok && caller.By == CallerByHeader && strings.Contains(caller.Name, "_") && !c.Limits.Underscores {
			v.problem(path+"."+p.key+".caller", "set limits.underscores to accept such names",
				"%s never arrives: headers with \"_\" are dropped", quote(caller.Name))
		}
	}
}
