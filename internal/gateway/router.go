package gateway

import (
	"cmp"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// router finds the route of a request: by host, then by the longest path, then by the most conditions. A look-up costs
// one map access per path segment, for any number of routes.
type router struct {
	exact    map[string]*paths // by host
	wildcard map[string]*paths // by the part behind "*."
	any      *paths

	lenient *router // the same routes by their lenient paths; nil when no route has policies
}

// paths are the routes of one host, by path.
type paths struct {
	routes map[string][]route // of one path, the route with the most conditions first
	depth  int                // segments of the deepest path
}

// route is a route of the configuration, and the handler of its requests: its policies and the proxy to its service.
type route struct {
	*config.Route
	handler http.Handler
}

func newRouter(routes []route) *router {
	rt := indexed(routes, func(path string) string { return path })
	if slices.ContainsFunc(routes, func(r route) bool { return r.Guarded() }) {
		rt.lenient = indexed(routes, lenientPath)
	}
	return rt
}

func indexed(routes []route, key func(path string) string) *router {
	rt := &router{exact: map[string]*paths{}, wildcard: map[string]*paths{}, any: &paths{}}
	for _, r := range routes {
		p := rt.any
		switch host := strings.ToLower(r.Host); {
		case strings.HasPrefix(host, "*."):
			p = entry(rt.wildcard, host[2:])
		case host != "":
			p = entry(rt.exact, host)
		}
		p.add(key(r.Path), r)
	}
	return rt
}

func entry(m map[string]*paths, host string) *paths {
	if m[host] == nil {
		m[host] = &paths{}
	}
	return m[host]
}

func (p *paths) add(path string, r route) {
	if p.routes == nil {
		p.routes = map[string][]route{}
	}
	key := strings.TrimSuffix(path, "/")
	p.routes[key] = append(p.routes[key], r)
	slices.SortStableFunc(p.routes[key], func(a, b route) int { return cmp.Compare(conditions(b), conditions(a)) })
	p.depth = max(p.depth, strings.Count(key, "/"))
}

func conditions(r route) int { return min(1, len(r.Methods)) + len(r.Headers) }

// match is the result of a look-up.
type match struct {
	route     *route
	allowed   []string // without a route: the methods of the path's routes
	ambiguous bool     // to a lenient service, the path may be that of another route with policies
}

// find returns the route of a request.
func (rt *router) find(r *http.Request) match {
	host, path := hostName(r.Host), routingPath(r)
	m := rt.lookUp(r, host, path)
	if rt.lenient == nil || m.route == nil {
		return m
	}
	other := rt.lenient.lookUp(r, host, lenientPath(path)).route
	m.ambiguous = other != nil && other.Guarded() && other.Route != m.route.Route && other.To == m.route.To
	return m
}

func (rt *router) lookUp(r *http.Request, host, path string) (m match) {
	if p := rt.exact[host]; p != nil && p.find(r, path, &m) {
		return m
	}
	for rest := host; rest != "" && len(rt.wildcard) > 0; {
		_, rest, _ = strings.Cut(rest, ".")
		if p := rt.wildcard[rest]; p != nil && p.find(r, path, &m) {
			return m
		}
	}
	rt.any.find(r, path, &m)
	return m
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
			if len(routes[i].Methods) == 0 || slices.Contains(routes[i].Methods, r.Method) {
				m.route = &routes[i]
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
