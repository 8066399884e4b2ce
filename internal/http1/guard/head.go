package guard

import (
	"bytes"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// requestHead is what the filter needs to know about a request.
type requestHead struct {
	method, target, host []byte // valid or nil, because they also appear in the log of a refusal
	minor                int    // of the version HTTP/1.minor
	upgrade              bool   // the server may switch protocols after the request
	preface              bool   // the head is the preface of HTTP/2 with prior knowledge
}

// Violations of a request head.
var (
	badRequestLine = &wire.Violation{Status: 400, Reason: "invalid request line"}
	badMethod      = &wire.Violation{Status: 400, Reason: "invalid method"}
	badTarget      = &wire.Violation{Status: 400, Reason: "invalid request target"}
	noHost         = &wire.Violation{Status: 400, Reason: "missing Host"}
	manyHosts      = &wire.Violation{Status: 400, Reason: "more than one Host"}
	badHost        = &wire.Violation{Status: 400, Reason: "invalid Host"}
	otherHost      = &wire.Violation{Status: 400, Reason: "Host differs from the request target"}
	badConnection  = &wire.Violation{Status: 400, Reason: "invalid Connection"}
	protectedField = &wire.Violation{Status: 400, Reason: "Connection names a field that must not be dropped"}
	connectMethod  = &wire.Violation{Status: 405, Reason: "CONNECT is not served"}
	headTimeout    = &wire.Violation{Status: 408, Reason: "request header took too long"}
	unknownExpect  = &wire.Violation{Status: 417, Reason: "unknown expectation"}
	badVersion     = &wire.Violation{Status: 505, Reason: "HTTP version is not 1.0 or 1.1"}
)

// inspect checks a complete request head that p has parsed. If a check fails, r has the parts before it.
func (o *Options) inspect(head []byte, p *wire.HeadParser) (r requestHead, v *wire.Violation) {
	if v := r.parseLine(p.StartLine(head), o.MaxTarget); v != nil {
		return r, v
	}
	if r.preface {
		if !o.AllowH2C || len(p.Fields) > 0 {
			r.preface = false
			return r, badVersion
		}
		return r, nil
	}
	if v := r.checkHost(head, p); v != nil {
		return r, v
	}
	if string(r.method) == "CONNECT" {
		return r, connectMethod
	}
	if v := p.CheckFraming(r.minor); v != nil {
		return r, v
	}
	for _, field := range p.Fields {
		if v := r.checkField(field.Name(head), field.Value(head), p); v != nil {
			return r, v
		}
	}
	return r, nil
}

// parseLine reads "GET /path HTTP/1.1", with exactly one space between the parts.
func (r *requestHead) parseLine(line []byte, maxTarget int) *wire.Violation {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return badRequestLine
	}
	if !wire.ValidToken(method) {
		return badMethod
	}
	r.method = method
	target, version, ok := bytes.Cut(rest, []byte(" "))
	if len(target) > maxTarget {
		return wire.TargetTooLong
	}
	if !ok || len(target) == 0 {
		return badRequestLine
	}
	switch {
	case string(version) == "HTTP/1.1":
		r.minor = 1
	case string(version) == "HTTP/1.0":
	case string(line) == "PRI * HTTP/2.0":
		r.preface = true
		return nil
	case len(version) == len("HTTP/x.y") && string(version[:5]) == "HTTP/" && version[6] == '.' &&
		version[5]-'0' <= 9 && version[7]-'0' <= 9:
		return badVersion
	default:
		return badRequestLine
	}
	if !wire.ValidTarget(target) || !validEscapes(target) {
		return badTarget
	}
	r.target = target
	return nil
}

// validEscapes reports whether each "%" of the path is followed by two hexadecimal digits. It does not check the query,
// whose syntax is up to the service.
func validEscapes(target []byte) bool {
	path, _, _ := bytes.Cut(target, []byte("?"))
	for {
		i := bytes.IndexByte(path, '%')
		if i < 0 {
			return true
		}
		if len(path) < i+3 || !wire.IsHex(path[i+1]) || !wire.IsHex(path[i+2]) {
			return false
		}
		path = path[i+3:]
	}
}

// checkHost checks the form of the target (RFC 9112 section 3.2) and the Host field.
func (r *requestHead) checkHost(head []byte, p *wire.HeadParser) *wire.Violation {
	var scheme, authority []byte
	switch {
	case r.target[0] == '/', string(r.target) == "*" && string(r.method) == "OPTIONS":
	case string(r.method) == "CONNECT":
		r.target = nil
		return connectMethod
	default:
		if scheme, authority = absoluteAuthority(r.target); authority == nil {
			r.target = nil
			return badTarget
		}
	}
	switch {
	case p.Hosts > 1:
		return manyHosts
	case p.Hosts == 0 && r.minor > 0:
		return noHost
	case p.Hosts == 0:
		return nil
	}
	host := p.Fields[p.Host].Value(head)
	if !wire.ValidHost(host) {
		return badHost
	}
	r.host = host
	if authority != nil && !wire.SameHost(string(authority), string(host), wire.EqualFold(scheme, "https")) {
		return otherHost
	}
	return nil
}

// absoluteAuthority returns the scheme and the authority of a target like "http://host:80/path", or nil for another
// form.
func absoluteAuthority(target []byte) (scheme, authority []byte) {
	scheme, rest, _ := bytes.Cut(target, []byte("://"))
	if !wire.EqualFold(scheme, "http") && !wire.EqualFold(scheme, "https") {
		return nil, nil
	}
	if end := bytes.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	if !wire.ValidHost(rest) {
		return nil, nil
	}
	return scheme, rest
}

func (r *requestHead) checkField(name, value []byte, p *wire.HeadParser) *wire.Violation {
	switch {
	case wire.EqualFold(name, "connection"):
		return checkConnection(value)
	case wire.EqualFold(name, "upgrade"):
		r.upgrade = p.Upgrade
	case wire.EqualFold(name, "expect"):
		if !wire.EqualFold(value, "100-continue") {
			return unknownExpect
		}
	case wire.EqualFold(name, "trailer") && p.Chunked:
		return checkTrailerNames(value)
	}
	return nil
}

// checkConnection checks the fields that a Connection field names, which the next hop drops. Fields that this hop acts
// on are not allowed among them: framing, routing, identity and the request's path through proxies.
func checkConnection(value []byte) (v *wire.Violation) {
	wire.Elements(value, func(name []byte) bool {
		switch {
		case !wire.ValidToken(name):
			v = badConnection
		case isProtected(name):
			v = protectedField
		}
		return v == nil
	})
	return v
}

var protectedFields = []string{
	"content-length", "transfer-encoding", "host", "trailer", "authorization", "cookie", "forwarded", "via", "x-real-ip",
	"idempotency-key", "origin", "access-control-request-method", "x-request-id",
}

func isProtected(name []byte) bool {
	for _, field := range protectedFields {
		if wire.EqualFold(name, field) {
			return true
		}
	}
	return len(name) > 12 && wire.EqualFold(name[:12], "x-forwarded-")
}

// checkTrailerNames checks the fields that a Trailer field announces.
func checkTrailerNames(value []byte) (v *wire.Violation) {
	wire.Elements(value, func(name []byte) bool {
		if !wire.ValidToken(name) || wire.ForbiddenInTrailer(name) {
			v = wire.BadTrailer
		}
		return v == nil
	})
	return v
}

// removeFields removes from a valid head the lines that must not pass: names with underscores, and a forged refusal. It
// works in place and returns the new length.
func (o *Options) removeFields(head []byte, p *wire.HeadParser) int {
	kept := -1 // where the next line to keep moves; -1: no line was removed yet
	for i, field := range p.Fields {
		start, end := int(field.NameStart), len(head)-2
		if i+1 < len(p.Fields) {
			end = int(p.Fields[i+1].NameStart)
		}
		name := field.Name(head)
		if !o.KeepUnderscores && bytes.IndexByte(name, '_') >= 0 || wire.EqualFold(name, "tenfold-refusal") {
			if kept < 0 {
				kept = start
			}
		} else if kept >= 0 {
			kept += copy(head[kept:], head[start:end])
		}
	}
	if kept < 0 {
		return len(head)
	}
	return kept + copy(head[kept:], "\r\n")
}
