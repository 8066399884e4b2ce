package config

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// CORS says which pages of other origins may read the responses of a route (Cross-Origin Resource Sharing, as the Fetch
// standard defines it). The gateway answers the preflight requests. Fields of CORS in the service's responses are
// removed.
type CORS struct {
	Origins     []string      // https://shop.example, https://*.shop.example, or "*" alone for every origin
	Methods     []string      // default: Methods of the route, else GET, HEAD and POST
	Headers     []string      // request headers that a page may set; "*" for every one; default Content-Type
	Expose      []string      // response headers that a page may read; default none
	Credentials bool          // a page may send cookies and passwords; not with the origin "*"; default false
	MaxAge      time.Duration // how long a browser may keep the answer to a preflight; default 10m
}

var corsPolicy = routePolicy{
	key:  "cors",
	open: true,
	value: func(r *Route) value {
		return omitted{optional[CORS]{p: &r.CORS, fresh: newCORS, fields: (*CORS).fields, short: (*CORS).short}, func() bool { return r.CORS == nil }}
	},
	fields: func() []field { return newCORS().fields() },
	defaults: func(r *Route) {
		if r.CORS != nil && len(r.CORS.Methods) == 0 {
			r.CORS.Methods = []string{"GET", "HEAD", "POST"}
			if len(r.Methods) > 0 {
				r.CORS.Methods = slices.Clone(r.Methods)
			}
		}
	},
	check: func(v *validation, path string, r *Route, _ *Config) {
		c, at := r.CORS, path+".cors"
		switch {
		case c == nil:
		case len(c.Origins) == 0:
			v.problem(at, "origins: [https://shop.example]", "has no origins")
		case slices.Contains(c.Origins, "*") && c.Credentials:
			v.problem(at+".origins", "name the origins", `credentials with the origin "*" would let every site act as the user`)
		case slices.Contains(c.Origins, "*") && len(c.Origins) > 1:
			v.problem(at+".origins", `"*" alone, or the origins without it`, `"*" includes all the others`)
		}
	},
	describe: func(r *Route) (short, long string) {
		if r.CORS == nil {
			return "", ""
		}
		short = strings.Join(r.CORS.Origins, " ")
		return short, "cors for " + short
	},
}

func newCORS() *CORS { return &CORS{Headers: []string{"Content-Type"}, MaxAge: 10 * time.Minute} }

func (c *CORS) fields() []field {
	return []field{
		{"origins", list[string]{p: &c.Origins, parse: parseOrigin, print: word, most: 1000}},
		{"methods", list[string]{p: &c.Methods, parse: parseMethod, print: word, most: 32}},
		{"headers", list[string]{p: &c.Headers, parse: parseHeaderOrAny, print: word, most: 100}},
		{"expose", list[string]{p: &c.Expose, parse: parseHeaderOrAny, print: word, most: 100}},
		{"credentials", toggle(&c.Credentials)},
		{"max_age", duration(&c.MaxAge, 0)},
	}
}

func (c *CORS) short(text string) error {
	origin, err := parseOrigin(text)
	c.Origins = []string{origin}
	return err
}

func parseHeaderOrAny(s string) (string, error) {
	if !httpToken.MatchString(s) {
		return "", wrong(`a name such as X-Version, or "*"`, "%s is not a header name", quote(s))
	}
	return s, nil
}

// parseOrigin accepts an origin as browsers send it: scheme, host, and a port that is not the default.
func parseOrigin(s string) (string, error) {
	const example = "https://shop.example, https://*.shop.example, or *"
	if s == "*" {
		return s, nil
	}
	if s == "null" {
		return "", wrong(example, `the origin "null" stands for files and sandboxed pages of every site`)
	}
	scheme, rest, ok := strings.Cut(strings.ToLower(s), "://")
	switch {
	case !ok && hostName.MatchString(s):
		return "", wrong("write https://"+s, "%s has no scheme", quote(s))
	case !ok || scheme == "" || rest == "":
		return "", wrong(example, "%s is not an origin", quote(s))
	case strings.ContainsAny(rest, "/?#@"):
		host, _, _ := cutAny(rest, "/?#@")
		return "", wrong("write "+scheme+"://"+host, "%s has more than scheme, host and port", quote(s))
	}
	u, err := url.Parse(scheme + "://" + strings.TrimPrefix(rest, "*."))
	if err != nil || checkHost(u.Hostname(), s) != nil || u.Port() != "" && checkPort(u.Port(), 1, s) != nil || strings.HasSuffix(rest, ":") {
		return "", wrong(example, "%s is not an origin", quote(s))
	}
	if scheme == "https" && u.Port() == "443" || scheme == "http" && u.Port() == "80" {
		return "", wrong("write "+scheme+"://"+strings.TrimSuffix(rest, ":"+u.Port()), "%s: browsers omit the default port", quote(s))
	}
	return scheme + "://" + rest, nil
}
