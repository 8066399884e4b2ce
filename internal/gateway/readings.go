package gateway

import (
	"net/http"
	"slices"
	"strings"
)

// pathTree has the routes of one host by the segments of their paths in normal form. It finds the routes to which a
// path leads when a service reads the path in another way than the gateway.
type pathTree struct {
	root    pathNode
	longest int // octets of the longest segment
}

type pathNode struct {
	parent   *pathNode
	children map[string]*pathNode
	routes   [][]route // one list per path as in the file, with the most conditions first
}

// add adds the routes of one path. It reports whether the path is its own normal form.
func (t *pathTree) add(path string, routes []route) (normal bool) {
	form, _, ok := normalForm(path)
	if !ok {
		return false // not possible: a path in the file has no escapes
	}
	t.insert(form, routes)
	var lenient []string // as a server reads it that ignores parameters
	for segment := range strings.FieldsFuncSeq(form, isSlash) {
		if segment = trimSegment(cutParameter(segment)); segment != "" {
			lenient = append(lenient, segment)
		}
	}
	if other := "/" + strings.Join(lenient, "/"); other != form && form != "/" {
		t.insert(other, routes)
	}
	return form == path
}

func isSlash(r rune) bool { return r == '/' }

func (t *pathTree) insert(form string, routes []route) {
	n := &t.root
	for segment := range strings.FieldsFuncSeq(form, isSlash) {
		t.longest = max(t.longest, len(segment))
		next := n.children[segment]
		if next == nil {
			next = &pathNode{parent: n}
			if n.children == nil {
				n.children = map[string]*pathNode{}
			}
			n.children[segment] = next
		}
		n = next
	}
	n.routes = append(n.routes, routes)
}

// reading is one way to read a path: where it leads to, and whether only the suffix of a segment was ignored.
type reading struct {
	node       *pathNode
	suffixOnly bool
}

// maxReadings limits the readings of one path. A path of correct clients has few.
const maxReadings = 64

// readings appends all readings of a path in normal form. It returns false when there are too many.
func (t *pathTree) readings(all []reading, form string) (_ []reading, ok bool) {
	s := search{tree: t, found: all}
	s.from(&t.root, form, true)
	for rest := form; rest != "" && len(s.found) <= maxReadings; {
		var segment string
		if segment, rest = cutSegment(rest); rest != "" && isScript(segment) {
			s.from(&t.root, rest, false)
		}
	}
	return s.found, len(s.found) <= maxReadings
}

// cutSegment returns the first segment of a path that is empty or begins with a slash, and the rest.
func cutSegment(path string) (segment, rest string) {
	path = path[min(1, len(path)):]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// search collects readings.
type search struct {
	tree  *pathTree
	found []reading
}

// from follows the segments of a path from n to the nodes with the longest matches.
func (s *search) from(n *pathNode, path string, suffixOnly bool) {
	for path != "" && len(s.found) <= maxReadings {
		segment, rest := cutSegment(path)
		if segment == "" {
			path, suffixOnly = rest, suffixOnly && rest == ""
			continue
		}
		if hasVariants(segment) {
			if s.branch(n, segment, rest, suffixOnly) {
				return
			}
			break
		}
		next := n.children[segment]
		if next == nil {
			break
		}
		n, path = next, rest
	}
	s.found = append(s.found, reading{n, suffixOnly})
}

// branch follows all variants of a segment. It returns false when none leads on.
func (s *search) branch(n *pathNode, segment, rest string, suffixOnly bool) (any bool) {
	follow := func(v string, suffixOnly bool) {
		if v == "" {
			any = true
			s.from(n, rest, suffixOnly)
		} else if next := n.children[v]; next != nil {
			any = true
			s.from(next, rest, suffixOnly)
		}
	}
	var buf, stemsBuf [8]string
	for _, v := range variants(buf[:0], segment) {
		exact := suffixOnly && v == segment
		follow(v, exact)
		for _, stem := range stems(stemsBuf[:0], v, s.tree.longest) {
			follow(stem, exact)
		}
	}
	return any
}

// routesFor calls yield for the routes of the longest path of a reading that a request matches. Several paths in the
// file can have one normal form.
func (n *pathNode) routesFor(r *http.Request, yield func(*route)) {
	for found := false; n != nil && !found; n = n.parent {
		for _, routes := range n.routes {
			if i := slices.IndexFunc(routes, func(c route) bool { return c.takes(r) && headersMatch(c.Headers, r) }); i >= 0 {
				found = true
				yield(&routes[i])
			}
		}
	}
}

// leads reports whether the path of a route, as it stands in the file, leads to another route in some reading.
func (t *pathTree) leads(path string, to *route) bool {
	form, _, _ := normalForm(path)
	all, _ := t.readings(nil, form)
	for _, a := range all {
		for n := a.node; n != nil; n = n.parent {
			for _, routes := range n.routes {
				if slices.ContainsFunc(routes, func(c route) bool { return c.Route == to.Route }) {
					return true
				}
			}
			if len(n.routes) > 0 {
				break
			}
		}
	}
	return false
}
