package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Redirect answers every request of a route with the address of another resource. Such a route has no service.
type Redirect struct {
	// To is the address: a path (/new{path}) or an http:// or https:// URL. {host} is the host of the request without its port,
	// {path} its path, {query} its query without "?".
	To     string
	Status int // 301, 302, 303, 307 or 308; default 302
}

// RedirectPlaceholders are the placeholders of Redirect.To.
var RedirectPlaceholders = []string{"host", "path", "query"}

var redirectPolicy = routePolicy{
	key:  "redirect",
	open: true,
	value: func(r *Route) value {
		return omitted{optional[Redirect]{p: &r.Redirect, fresh: newRedirect, fields: (*Redirect).fields, short: (*Redirect).short},
			func() bool { return r.Redirect == nil }}
	},
	fields: func() []field { return newRedirect().fields() },
	check: func(v *validation, path string, r *Route, _ *Config) {
		switch {
		case r.Redirect == nil:
		case r.To != "":
			v.problem(path+".to", "remove it, or redirect", "the route has a redirect, so no request reaches a service")
		case r.Redirect.To == "":
			v.problem(path+".redirect", "to: https://{host}{path}", "has no to")
		case r.Idempotency != nil:
			v.noEffect(path + ".idempotency")
		}
	},
	describe: func(r *Route) (short, long string) {
		if r.Redirect == nil {
			return "", ""
		}
		return r.Redirect.To, "redirect " + strconv.Itoa(r.Redirect.Status) + " to " + r.Redirect.To
	},
}

// noEffect reports a policy of a route with a redirect that needs a service.
func (v *validation) noEffect(path string) {
	v.problem(path, "remove it, or redirect", "has no effect: the route has a redirect, so no request reaches a service")
}

func newRedirect() *Redirect { return &Redirect{Status: 302} }

func (d *Redirect) fields() []field {
	return []field{
		{"to", text(&d.To, checkRedirectTo)},
		{"status", scalar[int]{&d.Status, parseRedirectStatus, strconv.Itoa}},
	}
}

func (d *Redirect) short(text string) error {
	d.To = text
	return checkRedirectTo(text)
}

func parseRedirectStatus(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || !slices.Contains([]int{301, 302, 303, 307, 308}, n) {
		return 0, wrong("301 and 308 are permanent, 302 and 307 are not; 307 and 308 keep the method; 303 makes it GET",
			"%s is not a status of a redirect", quote(s))
	}
	return n, nil
}

// redirectHost is the host of a target: a fixed name, or the host of the request behind fixed labels. In both cases a client
// cannot choose another site: it would have to change the host that it sends.
var redirectHost = regexp.MustCompile(`^(?:[A-Za-z0-9_.-]*\{host\}|[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$`)

// checkRedirectTo accepts targets whose host no client can choose.
func checkRedirectTo(s string) error {
	const example = "https://{host}{path}?{query}, https://new.example{path}, or /new{path}"
	if len(s) > 2048 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`\"<>^|`+"`", r) }) {
		return wrong("percent-encode it", "%s has a character that a URL cannot have", quote(s))
	}
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		if !slices.Contains(RedirectPlaceholders, m[1]) {
			return wrong("the placeholders are {host}, {path} and {query}", "there is no placeholder %s", m[0])
		}
	}
	if strings.ContainsAny(placeholder.ReplaceAllString(s, ""), "{}") {
		return wrong("the placeholders are {host}, {path} and {query}", "%s has a brace that is no placeholder", quote(s))
	}
	rest := s
	if scheme, behind, ok := strings.Cut(s, "://"); ok && !strings.ContainsAny(scheme, "/?#{") {
		if scheme != "http" && scheme != "https" {
			return wrong(example, "%s is neither http nor https", quote(s))
		}
		end := strings.IndexAny(behind, "/?#")
		if i := strings.Index(behind, "{path}"); i >= 0 && (end < 0 || i < end) {
			end = i
		}
		if end < 0 {
			end = len(behind)
		}
		if !redirectHost.MatchString(behind[:end]) {
			return wrong(example, "%s has a host that a client could choose, or no host", quote(s))
		}
		rest = behind[end:]
	} else if s == "" || s[0] != '/' && !strings.HasPrefix(s, "{path}") || strings.HasPrefix(s, "//") || strings.HasPrefix(s, "/{") {
		return wrong(example, "%s is neither a path nor a URL", quote(s))
	}
	path, _, _ := strings.Cut(rest, "?")
	if strings.Contains(path, "{query}") || strings.Contains(path, "{host}") {
		return wrong(example, "%s: {query} stands behind a question mark, {host} in the place of the host or behind a question mark", quote(s))
	}
	return nil
}
