package gateway

import (
	"cmp"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/gateway/problem"
)

// router finds the route of a request: by host, then by the longest path, then by the most conditions. A look-up costs
// one map access per path segment, however many routes there are.
type router struct {
	exact    map[string]*paths // by host
	wildcard map[string]*paths // by what follows "*."
	any      *paths

	loose *router // the same routes by their loose paths; nil when none of them has policies
}

// paths are the routes of one host, by their path.
type paths struct {
	routes map[string][]route // of the same path, the most demanding first
	depth  int                // segments of the deepest path
}

// route is one of the file, with what serves it: its policies and, behind them, the proxy to its service.
type route struct {
	*config.Route
	handler http.Handler
}

// guarded reports whether the route asks anything of its requests.
func (r *route) guarded() bool { return r.Guarded() }

func newRouter(routes []route) *router {
	rt := indexed(routes, func(path string) string { return path })
	if slices.ContainsFunc(routes, func(r route) bool { return r.guarded() }) {
		rt.loose = indexed(routes, loosePath)
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

// match is the outcome of a look-up. Without a route, allowed lists the methods that the path has, if any.
type match struct {
	route   *route
	allowed []string
	twofold bool // the service may read the path in another way, in which another route has policies for it
}

// noRoute is the problem of a request without a route.
func noRoute(m match) *problem.Problem {
	if len(m.allowed) == 0 {
		return problem.NoRoute
	}
	slices.Sort(m.allowed)
	return problem.NotAllowed(slices.Compact(m.allowed))
}

func (rt *router) find(r *http.Request) match {
	host, path := hostName(r.Host), routingPath(r)
	m := rt.lookUp(r, host, path)
	if rt.loose == nil || m.route == nil {
		return m
	}
	other := rt.loose.lookUp(r, host, loosePath(path)).route
	m.twofold = other != nil && other.guarded() && other.Route != m.route.Route && other.To == m.route.To
	return m
}

// loosePath is a path as the most lenient servers read it: a decoded slash or a backslash is a slash, several are one, a
// segment ends at its parameters, and case does not count.
func loosePath(path string) string {
	if !strings.ContainsAny(path, `%\;`) && !strings.Contains(path, "//") && strings.IndexFunc(path, unicode.IsUpper) < 0 {
		return path
	}
	path = strings.ReplaceAll(strings.ToLower(path), "%2f", "/")
	var b strings.Builder
	for s := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || c == '\\' }) {
		if s, _, _ = strings.Cut(s, ";"); s != "" {
			b.WriteString("/" + s)
		}
	}
	return b.String()
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

// routingPath is the decoded path, except that an encoded slash stays encoded: it is part of a segment (npm's
// "/@scope%2fname"), and must not lead into another route. It is made from what the node will get, which is not always
// what came: net/url encodes a path anew that has, say, a "|" in it, and an encoded slash is a plain one then.
func routingPath(r *http.Request) string {
	if r.URL.RawPath == "" {
		return r.URL.Path
	}
	escaped := r.URL.EscapedPath()
	if !strings.Contains(strings.ToLower(escaped), "%2f") {
		return r.URL.Path
	}
	segments := strings.Split(escaped, "/")
	for i, s := range segments {
		segments[i] = decodeSegment(s)
	}
	return strings.Join(segments, "/")
}

func decodeSegment(s string) string {
	decoded, err := url.PathUnescape(s)
	if err != nil {
		return s // net/url has accepted it before
	}
	return strings.ReplaceAll(decoded, "/", "%2F")
}

// hostName is a Host without its port and trailing dot, in lower case. An IPv6 address keeps its brackets.
func hostName(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}
