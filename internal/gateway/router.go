package gateway

import (
	"cmp"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/caller"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// router finds the route of a request: by host, then by the longest path, then by the most conditions. A look-up costs
// one map access per path segment, for any number of routes.
type router struct {
	exact    map[string]*paths // by host
	wildcard map[string]*paths // by the part behind "*."
	any      *paths

	normal  bool            // every path of a route is its own normal form
	checked map[string]bool // the services with a route that has policies
}

// paths are the routes of one host, by path.
type paths struct {
	routes map[string][]route // of one path, the route with the most conditions first
	depth  int                // segments of the deepest path
	tree   pathTree           // the same routes by the normal forms of their paths
}

// route is a route of the configuration, and the handler of its requests: its policies and the proxy to its service.
type route struct {
	*config.Route
	number  int // its place in the file, from 0
	pool    *pool
	handler http.Handler

	checked bool // a route of the same service has policies: no spelling of a path may avoid them
}

func newRouter(routes []route) *router {
	rt := &router{exact: map[string]*paths{}, wildcard: map[string]*paths{}, any: &paths{}, normal: true}
	checked := map[string]bool{}
	rt.checked = checked
	for _, r := range routes {
		checked[r.To] = checked[r.To] || r.Guarded()
	}
	for _, r := range routes {
		p := rt.any
		switch host := strings.ToLower(r.Host); {
		case strings.HasPrefix(host, "*."):
			p = entry(rt.wildcard, host[2:])
		case host != "":
			p = entry(rt.exact, host)
		}
		r.checked = checked[r.To]
		p.add(r)
	}
	rt.addTree(rt.any)
	for _, byHost := range []map[string]*paths{rt.exact, rt.wildcard} {
		for _, p := range byHost {
			rt.addTree(p)
		}
	}
	return rt
}

// addTree makes the tree of the routes of one host.
func (rt *router) addTree(p *paths) {
	for path, routes := range p.routes {
		if !p.tree.add(path, routes) {
			rt.normal = false
		}
	}
}

func entry(m map[string]*paths, host string) *paths {
	if m[host] == nil {
		m[host] = &paths{}
	}
	return m[host]
}

func (p *paths) add(r route) {
	if p.routes == nil {
		p.routes = map[string][]route{}
	}
	key := strings.TrimSuffix(r.Path, "/")
	p.routes[key] = append(p.routes[key], r)
	slices.SortStableFunc(p.routes[key], func(a, b route) int { return cmp.Compare(conditions(b), conditions(a)) })
	p.depth = max(p.depth, strings.Count(key, "/"))
}

func conditions(r route) int { return min(1, len(r.Methods)) + len(r.Headers) }

// match is the result of a look-up.
type match struct {
	route   *route
	paths   *paths           // where the route was found
	allowed []string         // without a route: the methods of the path's routes
	refusal *problem.Problem // why the request is refused although it has a route
}

// find returns the route of a request.
func (rt *router) find(r *http.Request) match {
	host, path := hostName(r.Host), routingPath(r)
	m := rt.lookUp(r, host, path)
	if m.route != nil && m.route.checked {
		rt.checkSpelling(r, host, path, &m)
	}
	return m
}

func (rt *router) lookUp(r *http.Request, host, path string) (m match) {
	rt.ofHost(host, func(p *paths) bool { return p.find(r, path, &m) })
	return m
}

// ofHost calls found for the routes of a host, of the wildcards that match it, and of all hosts, until it returns true.
func (rt *router) ofHost(host string, found func(*paths) bool) {
	if p := rt.exact[host]; p != nil && found(p) {
		return
	}
	for rest := host; rest != "" && len(rt.wildcard) > 0; {
		_, rest, _ = strings.Cut(rest, ".")
		if p := rt.wildcard[rest]; p != nil && found(p) {
			return
		}
	}
	found(rt.any)
}

// checkSpelling looks for routes with policies to which the path would lead in another reading. It refuses the request
// if there is one. If only the suffix of a segment tells the readings apart (/api.json), and the route that was found
// has no policies, the request gets the route with policies. A route whose own path can be read in the same way is
// meant for that spelling, and keeps it.
func (rt *router) checkSpelling(r *http.Request, host, path string, m *match) {
	class := pathClass(path)
	if class&plainOctet != 0 && rt.normal && !strings.Contains(path, "//") {
		return
	}
	if class == 0 && unreadable(path) {
		m.refusal = problem.PathUnreadable
		return
	}
	form, moved, ok := normalForm(path)
	if !ok {
		m.refusal = problem.PathAmbiguous
		return
	}
	found := m.route
	var buf [4]reading
	rt.ofHost(host, func(p *paths) bool {
		all, ok := p.tree.readings(buf[:0], form)
		if !ok {
			m.refusal = problem.PathAmbiguous
		}
		for _, a := range all {
			a.node.routesFor(r, func(other *route) {
				switch {
				case !other.Guarded() || other.Route == found.Route || other.To != found.To:
				case !moved && p.tree.leads(found.Path, other):
				case found.Guarded() || !a.suffixOnly || form != path || m.route != found && m.route.Route != other.Route:
					m.refusal = problem.PathAmbiguous
				default:
					m.route = other
				}
			})
		}
		return p == m.paths
	})
}

// avoids reports whether a request with a rewritten path is the way around the policies of another route of the same service:
// the new path leads to that route, and the rewritten path of the route that it has does not. ownPath is the latter.
func (rt *router) avoids(r *http.Request, has *config.Route, ownPath string) (avoids bool) {
	if !rt.checked[has.To] {
		return false
	}
	host, path := hostName(r.Host), routingPath(r)
	form, _, ok := normalForm(path)
	if !ok || unreadable(path) {
		return true
	}
	m := rt.lookUp(r, host, path)
	var buf [4]reading
	rt.ofHost(host, func(p *paths) bool {
		all, ok := p.tree.readings(buf[:0], form)
		avoids = avoids || !ok
		for _, a := range all {
			a.node.routesFor(r, func(other *route) {
				if other.Guarded() && other.Route != has && other.To == has.To && !p.tree.leads(ownPath, other) {
					avoids = true
				}
			})
		}
		return p == m.paths
	})
	return avoids
}

// find tries the path and then each of its parents, at segment boundaries.
func (p *paths) find(r *http.Request, path string, m *match) bool {
	prefix := strings.TrimSuffix(firstSegments(path, p.depth), "/")
	for {
		routes := p.routes[prefix]
		for i := range routes {
			if !headersMatch(routes[i].Headers, r) {
				continue
			}
			if routes[i].takes(r) {
				m.route, m.paths = &routes[i], p
				return true
			}
			m.allowed = append(m.allowed, routes[i].Methods...)
		}
		if prefix == "" {
			return false
		}
		prefix = prefix[:max(0, strings.LastIndexByte(prefix, '/'))]
	}
}

// firstSegments cuts a path behind its first n segments.
func firstSegments(path string, n int) string {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			if n--; n <= 0 {
				return path[:i]
			}
		}
	}
	return path
}

// takes reports whether the route is for the method of a request. With cors, a preflight belongs to the route of the request
// that it asks for.
func (r *route) takes(req *http.Request) bool {
	return len(r.Methods) == 0 || slices.Contains(r.Methods, req.Method) ||
		r.CORS != nil && caller.IsPreflight(req) && slices.Contains(r.Methods, req.Header.Get("Access-Control-Request-Method"))
}

func headersMatch(want map[string]string, r *http.Request) bool {
	for name, value := range want {
		got := r.Header[textproto.CanonicalMIMEHeaderKey(name)]
		if len(got) == 0 || value != "*" && !slices.Contains(got, value) {
			return false
		}
	}
	return true
}

// noRoute is the problem of a request without a route.
func noRoute(m match) *problem.Problem {
	if len(m.allowed) == 0 {
		return problem.NoRoute
	}
	slices.Sort(m.allowed)
	return problem.NotAllowed(slices.Compact(m.allowed))
}
