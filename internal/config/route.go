package config

import (
	"net/netip"
	"net/textproto"
	"path"
	"regexp"
	"strings"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

const maxRoutes = 10_000

// routes is the list of routes, in the order of the file.
type routes struct{ p *[]Route }

func (v routes) read(r *reader, n strictyaml.Value) {
	if !n.IsList() {
		if n.IsMapping() {
			r.Problem(n, wrong("begin each route with a dash: - {path: /, to: NAME}", "want a list of routes, found a mapping"))
			n.Path += "[0]"
			r.readFields(n, (&Route{}).fields())
			return
		}
		r.WrongKind(n, "a list of routes")
		return
	}
	items := r.List(n)
	if len(items) > maxRoutes {
		r.Problem(n, wrong("", "%d routes are too many: at most %d", len(items), maxRoutes))
		return
	}
	for _, item := range items {
		route := Route{Path: "/", Auth: AuthOff}
		r.readFields(item, route.fields())
		*v.p = append(*v.p, route)
	}
}

func (v routes) show() any {
	all := make([][]shown, len(*v.p))
	for i := range *v.p {
		all[i] = showFields((*v.p)[i].fields())
	}
	return all
}

// host is a host name of the gateway. When it is missing, the route matches every host.
type host struct{ p *string }

func (h host) read(r *reader, n strictyaml.Value) { scalar[string]{h.p, parseHost, word}.read(r, n) }

func (h host) show() any {
	if *h.p == "" {
		return nil
	}
	return *h.p
}

func parseHost(s string) (string, error) {
	name, _ := strings.CutPrefix(s, "*.")
	if literal, ok := strings.CutPrefix(s, "["); ok { // [::1]
		literal, closed := strings.CutSuffix(literal, "]")
		if addr, err := netip.ParseAddr(literal); err == nil && closed && addr.Is6() {
			return strings.ToLower(s), nil
		}
	}
	switch {
	case s == "" || s == "*":
		return "", wrong("remove it: without a host the route matches every host", "%s is not a host", quote(s))
	case strings.Contains(s, "://"):
		return "", wrong("the name alone: shop.example", "%s is a URL", quote(s))
	case strings.Contains(name, "*"):
		return "", wrong("*.shop.example", `%s: only the whole first label can be "*"`, quote(s))
	case strings.Contains(name, ":"):
		return "", wrong("remove the port: a route matches every port", "%s has a port", quote(s))
	case len(s) > 253 || strings.HasSuffix(s, ".") || !hostName.MatchString(name):
		return "", wrong("a name such as shop.example or *.shop.example", "%s is not a host", quote(s))
	}
	return strings.ToLower(s), nil
}

// routePath is the syntax of a decoded path. The decoded path of a request is compared with it.
var routePath = regexp.MustCompile(`^[\pL\pM\pN/._~!$&'()+,;=:@-]*$`)

func checkRoutePath(s string) error {
	switch {
	case !strings.HasPrefix(s, "/"):
		return wrong("a path such as /api", "%s is not a path", quote(s))
	case strings.ContainsAny(s, "*{}"):
		return wrong("/api matches /api and everything below it", "%s: a path is a prefix and has no patterns", quote(s))
	case strings.ContainsAny(s, "?#"):
		return wrong("the path alone", "%s has more than a path", quote(s))
	case strings.HasSuffix(s, "/") && s != "/":
		return wrong("write "+strings.TrimRight(s, "/")+": it matches everything below it too", `%s ends with "/"`, quote(s))
	case path.Clean(s) != s:
		return wrong("write "+path.Clean(s), `%s has "//", "." or ".." in it`, quote(s))
	case strings.Contains(s, "%"):
		return wrong("write the path decoded: /café, not /caf%C3%A9", "%s is percent-encoded", quote(s))
	case len(s) > 2048 || !routePath.MatchString(s):
		return wrong("", "%s has a character that a path of a route cannot have", quote(s))
	}
	return nil
}

func parseMethod(s string) (string, error) {
	method := strings.ToUpper(s)
	switch {
	case !httpToken.MatchString(method):
		return "", wrong("GET, POST ...", "%s is not a method", quote(s))
	case method == "CONNECT":
		return "", wrong("", "CONNECT is never routed: tenfold is not a forward proxy")
	}
	return method, nil
}

// headerMapping reads a mapping of header names to values, with a limit of their number.
func headerMapping(r *reader, n strictyaml.Value) []strictyaml.Entry {
	all := r.Mapping(n, "a mapping of header names to values")
	if len(all) > 32 {
		r.Problem(n, wrong("", "%d headers are too many: at most 32", len(all)))
		return nil
	}
	return all
}

// isHeaderValue reports whether text has no control character, and no space at its ends (RFC 9110 section 5.5).
func isHeaderValue(text string) bool {
	return strings.TrimSpace(text) == text && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// headers are conditions: a value to equal, or "*" for any.
type headers struct{ p *map[string]string }

func (h headers) read(r *reader, n strictyaml.Value) {
	m := map[string]string{}
	for _, k := range headerMapping(r, n) {
		text, ok := r.Text(k.Value, "one value")
		name := textproto.CanonicalMIMEHeaderKey(k.Key)
		_, twice := m[name]
		switch {
		case !ok:
		case !httpToken.MatchString(k.Key):
			r.ProblemAt(k.Value.Path, k.At, wrong("a name such as X-Version", "is not a header name"))
		case name == "Host":
			r.ProblemAt(k.Value.Path, k.At, wrong("host: shop.example", "use host for this"))
		case twice && !k.Duplicate:
			r.ProblemAt(k.Value.Path, k.At, wrong("", "is the same header as another one here"))
		case text == "":
			r.Problem(k.Value, wrong(`"*" for any value`, "is empty"))
		case !isHeaderValue(text):
			r.Problem(k.Value, wrong("", "%s is not a value that a header can have", quote(text)))
		default:
			m[name] = text
		}
	}
	if len(m) > 0 {
		*h.p = m
	}
}

func (h headers) show() any { return showMap(*h.p, func(v string) any { return v }) }
