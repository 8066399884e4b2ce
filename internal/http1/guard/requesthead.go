package guard

import (
	"bytes"
	"strconv"

	"github.com/tenfold-go/tenfold/internal/http1/wire"
)

// requestHead is what a Guard needs to know of a request.
type requestHead struct {
	method, target, host []byte // for a refusal's log as well, so they are nil or valid
	minor                int
	upgrade              bool // the server may switch protocols after it
	preface              bool // HTTP/2 with prior knowledge
}

var (
	faultRequestLine = &wire.Violation{Status: 400, Reason: "invalid request line"}
	faultMethod      = &wire.Violation{Status: 400, Reason: "invalid method"}
	faultTargetForm  = &wire.Violation{Status: 400, Reason: "invalid request target"}
	faultVersion     = &wire.Violation{Status: 505, Reason: "HTTP version is not 1.0 or 1.1"}
	faultConnect     = &wire.Violation{Status: 405, Reason: "CONNECT is not served"}
	faultNoHost      = &wire.Violation{Status: 400, Reason: "missing Host"}
	faultHosts       = &wire.Violation{Status: 400, Reason: "more than one Host"}
	faultHost        = &wire.Violation{Status: 400, Reason: "invalid Host"}
	faultOtherHost   = &wire.Violation{Status: 400, Reason: "Host differs from the request target"}
	faultConnection  = &wire.Violation{Status: 400, Reason: "invalid Connection"}
	faultNominated   = &wire.Violation{Status: 400, Reason: "Connection names a field that must not be dropped"}
	faultExpect      = &wire.Violation{Status: 417, Reason: "unknown expectation"}
	faultTimeout     = &wire.Violation{Status: 408, Reason: "request header took too long"}
)

// inspect applies the rules to a whole request head that p has parsed. What it returns is filled in as far as it got.
func (o *Options) inspect(head []byte, p *wire.HeadParser) (r requestHead, f *wire.Violation) {
	if f := r.requestLine(p.StartLine(head), o.MaxTarget); f != nil {
		return r, f
	}
	if r.preface {
		if !o.AllowH2C || len(p.Fields) > 0 {
			r.preface = false
			return r, faultVersion
		}
		return r, nil
	}
	if f := r.authority(head, p); f != nil {
		return r, f
	}
	if string(r.method) == "CONNECT" {
		return r, faultConnect
	}
	if f := p.CheckFraming(r.minor); f != nil {
		return r, f
	}
	for _, field := range p.Fields {
		name, value := field.Name(head), field.Value(head)
		switch {
		case wire.EqualFold(name, "connection"):
			if f := nominates(value); f != nil {
				return r, f
			}
		case wire.EqualFold(name, "upgrade"):
			r.upgrade = p.Upgrade
		case wire.EqualFold(name, "expect"):
			if !wire.EqualFold(value, "100-continue") {
				return r, faultExpect
			}
		case wire.EqualFold(name, "trailer") && p.Chunked:
			if f := announces(value); f != nil {
				return r, f
			}
		}
	}
	return r, nil
}

// requestLine reads "GET /path HTTP/1.1", with exactly one space between the parts.
func (r *requestHead) requestLine(line []byte, maxTarget int) *wire.Violation {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return faultRequestLine
	}
	if !wire.ValidToken(method) {
		return faultMethod
	}
	r.method = method
	target, version, ok := bytes.Cut(rest, []byte(" "))
	if len(target) > maxTarget {
		return wire.TargetTooLong
	}
	if !ok || len(target) == 0 {
		return faultRequestLine
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
		return faultVersion
	default:
		return faultRequestLine
	}
	if !wire.ValidTarget(target) || !validEscapes(target) {
		return faultTargetForm
	}
	r.target = target
	return nil
}

// validEscapes reports whether each "%" of the path is followed by two hexadecimal digits. In the query that is up to
// whoever reads it.
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

// authority checks the four forms of a target (RFC 9112 section 3.2) and the Host line.
func (r *requestHead) authority(head []byte, p *wire.HeadParser) *wire.Violation {
	var authority []byte
	switch {
	case r.target[0] == '/', string(r.target) == "*" && string(r.method) == "OPTIONS":
	case string(r.method) == "CONNECT":
		r.target = nil
		return faultConnect
	default:
		if authority = absoluteAuthority(r.target); authority == nil {
			r.target = nil
			return faultTargetForm
		}
	}
	switch {
	case p.Hosts > 1:
		return faultHosts
	case p.Hosts == 0 && r.minor > 0:
		return faultNoHost
	case p.Hosts == 0:
		return nil
	}
	host := p.Fields[p.Host].Value(head)
	if !wire.ValidHost(host) {
		return faultHost
	}
	r.host = host
	if authority != nil && !bytes.EqualFold(authority, host) {
		return faultOtherHost
	}
	return nil
}

// absoluteAuthority returns the host and port of a target like "http://host:80/path"; nil when it is none.
func absoluteAuthority(target []byte) []byte {
	scheme, rest, _ := bytes.Cut(target, []byte("://"))
	if !wire.EqualFold(scheme, "http") && !wire.EqualFold(scheme, "https") {
		return nil
	}
	if end := bytes.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	if !wire.ValidHost(rest) {
		return nil
	}
	return rest
}

// nominates checks what a Connection field asks the next hop to drop. Framing, routing, identity and the trace of the
// way must not be among it, because this hop acts on them.
func nominates(value []byte) (f *wire.Violation) {
	wire.Elements(value, func(name []byte) bool {
		switch {
		case !wire.ValidToken(name):
			f = faultConnection
		case wire.EqualFold(name, "content-length"), wire.EqualFold(name, "transfer-encoding"), wire.EqualFold(name, "host"), wire.EqualFold(name, "trailer"),
			wire.EqualFold(name, "authorization"), wire.EqualFold(name, "cookie"), wire.EqualFold(name, "forwarded"), wire.EqualFold(name, "via"),
			wire.EqualFold(name, "x-real-ip"), wire.EqualFold(name, "idempotency-key"), wire.EqualFold(name, "origin"), wire.EqualFold(name, "access-control-request-method"),
			len(name) > 12 && wire.EqualFold(name[:12], "x-forwarded-"):
			f = faultNominated
		}
		return f == nil
	})
	return f
}

func announces(value []byte) (f *wire.Violation) {
	wire.Elements(value, func(name []byte) bool {
		if !wire.ValidToken(name) || wire.ForbiddenInTrailer(name) {
			f = wire.BadTrailer
		}
		return f == nil
	})
	return f
}

// cut takes the lines out of a valid head that must not pass, in place, and returns its new length.
func (o *Options) cut(head []byte, p *wire.HeadParser) int {
	kept := -1 // where the next line to keep goes; -1: all did so far
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

// appendRefusal writes the request that stands for one refused.
func (r *requestHead) appendRefusal(b []byte, f *wire.Violation) []byte {
	method, target := r.method, r.target
	if method == nil {
		method = []byte("GET")
	}
	if target == nil || target[0] != '/' { // net/http answers OPTIONS * by itself, and it might stumble over the others
		target = []byte("/")
	}
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.host...)
	b = append(b, "\r\nConnection: close\r\n"+refusalHeader+": "...)
	b = append(b, refusalSecret...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(f.Status), 10)
	b = append(b, ' ')
	b = append(b, f.Reason...)
	return append(b, "\r\n\r\n"...)
}
