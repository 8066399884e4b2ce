package config

// Expose says what responses tell about the fleet.
type Expose string

// What responses may tell.
const (
	ExposeNothing Expose = "off"
	ExposeNode    Expose = "node" // X-Tenfold-Node, and Server-Timing with the node and the times in queue and node
)

const exposeHint = "off, or node: the fields X-Tenfold-Node and Server-Timing"

var exposePolicy = routePolicy{
	key:  "expose",
	open: true,
	value: func(r *Route) value {
		return omitted{choice(&r.Expose, exposeHint, "something to expose", ExposeNothing, ExposeNode), func() bool { return r.Expose == "" }}
	},
	check: func(*validation, string, *Route, *Config) {},
	describe: func(r *Route) (short, long string) {
		if r.Expose != ExposeNode {
			return "", ""
		}
		return string(r.Expose), "responses name the node"
	},
}
