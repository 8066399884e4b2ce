package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// validate checks conditions over several fields. It omits problems that follow from a known one: broken reports whether a
// problem was found at a path or below it.
func (c *Config) validate(broken func(path string) bool) []Problem {
	v := validation{broken: broken}
	v.listeners(c)
	v.limits(&c.Limits)
	v.log(&c.Log)
	for i := range c.Services {
		v.service(&c.Services[i])
		v.startup(c, &c.Services[i])
	}
	if c.JWT != nil {
		v.jwt(c.JWT)
	}
	v.routes(c)
	if c.TLS != nil {
		v.certificates(c)
	}
	return v.problems
}

type validation struct {
	broken   func(path string) bool
	problems []Problem
}

func (v *validation) problem(path string, hint, format string, args ...any) {
	if !v.broken(path) {
		v.problems = append(v.problems, strictyaml.ProblemAt(path, wrong(hint, format, args...)))
	}
}

func (v *validation) listeners(c *Config) {
	if len(c.Listen) == 0 {
		v.problem("listen", "at least one address, such as :8080", "the list is empty")
	}
	v.schemes(c)
	for i, a := range c.Listen {
		_, address := cutScheme(a)
		for j, b := range c.Listen[:i] {
			if _, other := cutScheme(b); overlap(address, other) {
				v.problem(at("listen", i), "", "%s and %s (listen[%d]) cannot both be bound", quote(a), quote(b), j)
			}
		}
		if c.Admin.fixed() && overlap(address, c.Admin.Listen) {
			v.problem("admin", "use another port", "%s is taken by listen: %s", quote(c.Admin.Listen), quote(a))
		}
	}
	token := c.Admin.Token
	switch {
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		v.problem("admin.token", "", "has a character that an Authorization header cannot have")
	case token == "" && c.Admin.fixed() && !loopback(c.Admin.Listen):
		v.problem("admin", "in the file, admin: {listen: \""+c.Admin.Listen+"\", token: \"${ADMIN_TOKEN}\"}; or listen on 127.0.0.1",
			"%s is reached from outside of this machine, so it needs a token", quote(c.Admin.Listen))
	}
}

func (v *validation) limits(l *Limits) {
	if l.URIBytes > l.HeaderBytes {
		v.problem("limits.uri_bytes", "raise header_bytes or lower uri_bytes",
			"%s is more than header_bytes, %s, which includes it", printSize(int64(l.URIBytes)), printSize(int64(l.HeaderBytes)))
	}
}

func (v *validation) service(s *Service) {
	path := "services." + s.Name
	runs, listed := len(s.Run) > 0, len(s.Addresses) > 0
	switch {
	case runs && listed:
		v.problem(path+".nodes", "a number of nodes to run, or remove run", "run and a list of addresses exclude each other")
	case !runs && !listed && s.MinNodes > 0:
		v.problem(path, "run: [shop, serve]", "has a number of nodes, but no run")
	case !runs && !listed:
		v.problem(path, "run: [shop, serve], or nodes: [10.0.0.1:8080]", "has neither run nor a list of nodes")
	case listed && s.Dir != "":
		v.problem(path+".dir", "remove it", "is for run only")
	}
	if listed && !runs && len(s.EnvFile) > 0 {
		v.problem(path+".env_file", "remove it", "is for run only")
	}
	if listed && !runs && len(s.Env) > 0 {
		v.problem(path+".env", "remove it", "is for run only")
	}
	v.nodeLimits(s)
	if s.TLS != nil && !s.usesTLS() && !v.broken(path+".nodes") {
		v.problem(path+".tls", `nodes: ["https://10.0.0.1:8443"]`, "has no effect: no node has an https:// address")
	}
	if s.Probe.Method == "HEAD" && s.Probe.Body != "" {
		v.problem(path+".probe.body", "method: GET", "never passes: the response to HEAD has no body")
	}
	if len(s.Probe.Status) == 0 {
		v.problem(path+".probe.status", "2xx", "the list is empty: no response would count as success")
	}
	if s.Outlier.MaxEject < s.Outlier.Eject {
		v.problem(path+".outlier.max_eject", "", "%s is less than eject, %s",
			printDuration(s.Outlier.MaxEject), printDuration(s.Outlier.Eject))
	}
}

func (v *validation) routes(c *Config) {
	if len(c.Services) == 0 {
		v.problem("services", smallestFile, "the file has no services")
		return
	}
	names := make([]string, len(c.Services))
	for i, s := range c.Services {
		names[i] = s.Name
	}
	if len(c.Routes) == 0 {
		v.problem("routes", "[{path: /, to: "+names[0]+"}]", "there are %d services, but no routes", len(names))
		return
	}
	known := true
	for i, route := range c.Routes {
		v.route(at("routes", i), &route, names, c.Limits.Underscores)
		v.policies(at("routes", i), &route, c)
		v.reached(c.Routes, i)
		known = known && (route.Redirect != nil || slices.Contains(names, route.To))
	}
	if !known || v.broken("routes") {
		return // the missing route may be one of the wrong ones
	}
	for _, s := range c.Services {
		if s.Kind() == Listed && !c.routed(s.Name) {
			v.problem("services."+s.Name, "[{path: /"+s.Name+", to: "+s.Name+"}], or remove the service", "no route leads to it")
		}
	}
}

func (v *validation) route(path string, r *Route, services []string, underscores bool) {
	switch {
	case r.Redirect != nil || v.broken(path+".redirect"): // has no service
	case r.To == "":
		v.problem(path, "to: "+services[0], "does not name a service")
	case !slices.Contains(services, r.To):
		hint := "the services are " + strings.Join(services[:min(len(services), 10)], ", ")
		if near := closest(r.To, services); near != "" {
			hint = "did you mean " + near + "?"
		}
		v.problem(path+".to", hint, "there is no service %s", quote(r.To))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		if strings.Contains(name, "_") && !underscores {
			v.problem(path+".headers", "set limits.underscores to accept such names",
				"%s never arrives: headers with \"_\" are dropped", quote(name))
		}
	}
}

// reached reports route i as a problem when an earlier route matches every request that it matches.
func (v *validation) reached(routes []Route, i int) {
	r := &routes[i]
	for j := range routes[:i] {
		first := &routes[j]
		if first.Host != r.Host || first.Path != r.Path || !first.covers(r) {
			continue
		}
		if r.covers(first) {
			v.problem(at("routes", i), "remove one of them", "is the same as routes[%d]", j)
		} else {
			v.problem(at("routes", i), "move it before "+at("routes", j),
				"is never reached: routes[%d] matches all of it and comes first", j)
		}
		return
	}
}

// covers reports whether r, with the same host and path, matches every request that other matches. For that, r must have as
// many conditions, and each must follow from one of other.
func (r *Route) covers(other *Route) bool {
	if (len(r.Methods) == 0) != (len(other.Methods) == 0) || len(r.Headers) != len(other.Headers) {
		return false
	}
	for _, m := range other.Methods {
		if !slices.Contains(r.Methods, m) {
			return false
		}
	}
	for name, value := range r.Headers {
		others, ok := other.Headers[name]
		if !ok || value != "*" && value != others {
			return false
		}
	}
	return true
}

func at(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
