package config

import (
	"maps"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/tenfold-go/tenfold/internal/strictyaml"
)

// HeaderChanges change the header of a request or of a response, in this order: Remove, Set, Add. Names are canonical. A value
// may have placeholders, see HeaderPlaceholders, and "${NAME}".
type HeaderChanges struct {
	Set    map[string]string // replaces all fields of the name
	Add    map[string]string // adds one field
	Remove []string
}

// HeaderPlaceholders are the placeholders in values of header fields.
var HeaderPlaceholders = []string{"client", "host", "path", "query", "request_id", "scheme", "user"}

var requestHeadersPolicy = headersPolicy("request_headers", false, func(r *Route) **HeaderChanges { return &r.RequestHeaders }, reservedInRequests)

var responseHeadersPolicy = headersPolicy("response_headers", true, func(r *Route) **HeaderChanges { return &r.ResponseHeaders }, reservedInResponses)

func headersPolicy(key string, open bool, of func(*Route) **HeaderChanges, reserved []string) routePolicy {
	return routePolicy{
		key:  key,
		open: open,
		value: func(r *Route) value {
			p := of(r)
			fields := func(h *HeaderChanges) []field { return h.fields(reserved) }
			return omitted{optional[HeaderChanges]{p: p, fresh: newHeaderChanges, fields: fields}, func() bool { return *p == nil }}
		},
		fields: func() []field { return newHeaderChanges().fields(reserved) },
		check: func(v *validation, path string, r *Route, _ *Config) {
			h := *of(r)
			if h == nil {
				return
			}
			at := path + "." + key
			if !open && r.Redirect != nil {
				v.noEffect(at)
			}
			if len(h.Set)+len(h.Add)+len(h.Remove) == 0 {
				v.problem(at, "{set: {X-Frame-Options: DENY}, remove: [Server]}", "changes nothing")
			}
			for _, name := range h.Remove {
				if _, set := h.Set[name]; set {
					v.problem(at+".remove", "remove it here: set replaces the field", "%s is also in set", name)
				}
			}
		},
		describe: func(r *Route) (short, long string) {
			h := *of(r)
			if h == nil {
				return "", ""
			}
			n := len(h.Set) + len(h.Add) + len(h.Remove)
			return strconv.Itoa(n), strings.ReplaceAll(key, "_", " ") + " changed: " + strings.Join(h.names(), " ")
		},
	}
}

// names returns the changed names, sorted.
func (h *HeaderChanges) names() []string {
	all := slices.Concat(slices.Collect(maps.Keys(h.Set)), slices.Collect(maps.Keys(h.Add)), h.Remove)
	slices.Sort(all)
	return slices.Compact(all)
}

func newHeaderChanges() *HeaderChanges { return &HeaderChanges{} }

func (h *HeaderChanges) fields(reserved []string) []field {
	return []field{
		{"set", headerValues{&h.Set, reserved}},
		{"add", headerValues{&h.Add, reserved}},
		{"remove", list[string]{p: &h.Remove, parse: func(s string) (string, error) { return parseFieldName(s, reserved) }, print: word, most: 32, omit: true}},
	}
}

// framing are the fields of the connection and of the framing of messages. The gateway sets them itself.
var framing = []string{
	"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// reservedInRequests are the fields that request_headers cannot change: those that the gateway answers for.
var reservedInRequests = slices.Concat(framing, []string{
	"Expect", "Host", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Proto",
	"X-Forwarded-Protocol", "X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Real-Ip", "X-Request-Id",
	"X-Url-Scheme", "Front-End-Https", "Http2-Settings",
})

var reservedInResponses = slices.Concat(framing, []string{"X-Request-Id"})

// parseFieldName returns the canonical name of a field that may be changed.
func parseFieldName(s string, reserved []string) (string, error) {
	name := textproto.CanonicalMIMEHeaderKey(s)
	read := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(s, "_", "-")) // as a CGI-like server reads it
	switch {
	case !httpToken.MatchString(s):
		return "", wrong("a name such as X-Version", "%s is not a header name", quote(s))
	case slices.Contains(reserved, read):
		return "", wrong("remove it", "%s is set by the gateway itself", quote(s))
	}
	return name, nil
}

// headerValues is a mapping of names to values. A value may come from the environment.
type headerValues struct {
	p        *map[string]string
	reserved []string
}

func (h headerValues) read(r *reader, n strictyaml.Value) {
	m := map[string]string{}
	for _, k := range headerMapping(r, n) {
		name, err := parseFieldName(k.Key, h.reserved)
		if err != nil {
			r.ProblemAt(k.Value.Path, k.At, err)
			continue
		}
		if _, twice := m[name]; twice && !k.Duplicate {
			r.ProblemAt(k.Value.Path, k.At, wrong("", "is the same header as another one here"))
			continue
		}
		var text string
		secret{&text}.read(r, k.Value)
		if !isHeaderValue(text) || len(text) > 4096 {
			r.Problem(k.Value, wrong("", "is not a value that a header can have"))
		}
		m[name] = text
	}
	if len(m) > 0 {
		*h.p = m
	}
}

func (h headerValues) show() any {
	return showMap(*h.p, func(v string) any { return secret{&v}.show() })
}

// masked returns a copy without values.
func (h *HeaderChanges) masked() *HeaderChanges {
	if h == nil {
		return nil
	}
	m := HeaderChanges{Set: maps.Clone(h.Set), Add: maps.Clone(h.Add), Remove: h.Remove}
	for _, values := range []map[string]string{m.Set, m.Add} {
		for name := range values {
			values[name] = mask
		}
	}
	return &m
}
