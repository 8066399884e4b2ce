package http1

import (
	"bytes"
	"strconv"
)

// requestHead is what a Guard needs to know of a request.
type requestHead struct {
	method, target, host []byte // for a refusal's log as well, so they are nil or valid
	minor                int
	upgrade              bool // the server may switch protocols after it
	preface              bool // HTTP/2 with prior knowledge
}

var (
	faultRequestLine = &fault{400, "invalid request line"}
	faultMethod      = &fault{400, "invalid method"}
	faultTargetForm  = &fault{400, "invalid request target"}
	faultVersion     = &fault{505, "HTTP version is not 1.0 or 1.1"}
	faultConnect     = &fault{405, "CONNECT is not served"}
	faultNoHost      = &fault{400, "missing Host"}
	faultHosts       = &fault{400, "more than one Host"}
	faultHost        = &fault{400, "invalid Host"}
	faultOtherHost   = &fault{400, "Host differs from the request target"}
	faultConnection  = &fault{400, "invalid Connection"}
	faultNominated   = &fault{400, "Connection names a field that must not be dropped"}
	faultExpect      = &fault{417, "unknown expectation"}
	faultTimeout     = &fault{408, "request header took too long"}
)

// inspect applies the rules to a whole request head that p has parsed. What it returns is filled in as far as it got.
func (o *GuardOptions) inspect(head []byte, p *headParser) (r requestHead, f *fault) {
	if f := r.requestLine(head[:p.line], o.MaxTarget); f != nil {
		return r, f
	}
	if r.preface {
		if !o.AllowH2C || len(p.fields) > 0 {
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
	if f := p.framing(r.minor); f != nil {
		return r, f
	}
	for _, field := range p.fields {
		name, value := field.name(head), field.value(head)
		switch {
		case fold(name, "connection"):
			if f := nominates(value); f != nil {
				return r, f
			}
		case fold(name, "upgrade"):
			r.upgrade = p.upgrade
		case fold(name, "expect"):
			if !fold(value, "100-continue") {
				return r, faultExpect
			}
		case fold(name, "trailer") && p.chunked:
			if f := announces(value); f != nil {
				return r, f
			}
		}
	}
	return r, nil
}

// requestLine reads "GET /path HTTP/1.1", with exactly one space between the parts.
func (r *requestHead) requestLine(line []byte, maxTarget int) *fault {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return faultRequestLine
	}
	if !validToken(method) {
		return faultMethod
	}
	r.method = method
	target, version, ok := bytes.Cut(rest, []byte(" "))
	if len(target) > maxTarget {
		return faultTarget
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
	if !all(target, isTarget) || !validEscapes(target) {
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
		if len(path) < i+3 || !all(path[i+1:i+3], isHex) {
			return false
		}
		path = path[i+3:]
	}
}

// authority checks the four forms of a target (RFC 9112 section 3.2) and the Host line.
func (r *requestHead) authority(head []byte, p *headParser) *fault {
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
	case p.hosts > 1:
		return faultHosts
	case p.hosts == 0 && r.minor > 0:
		return faultNoHost
	case p.hosts == 0:
		return nil
	}
	host := p.fields[p.host].value(head)
	if !validHost(host) {
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
	if !fold(scheme, "http") && !fold(scheme, "https") {
		return nil
	}
	if end := bytes.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	if !validHost(rest) {
		return nil
	}
	return rest
}

// nominates checks what a Connection field asks the next hop to drop. Framing, routing, identity and the trace of the
// way must not be among it, because this hop acts on them.
func nominates(value []byte) (f *fault) {
	elements(value, func(name []byte) bool {
		switch {
		case !validToken(name):
			f = faultConnection
		case fold(name, "content-length"), fold(name, "transfer-encoding"), fold(name, "host"), fold(name, "trailer"),
			fold(name, "authorization"), fold(name, "cookie"), fold(name, "forwarded"), fold(name, "via"),
			fold(name, "x-real-ip"), fold(name, "idempotency-key"), fold(name, "origin"), fold(name, "access-control-request-method"),
			len(name) > 12 && fold(name[:12], "x-forwarded-"):
			f = faultNominated
		}
		return f == nil
	})
	return f
}

func announces(value []byte) (f *fault) {
	elements(value, func(name []byte) bool {
		if !validToken(name) || notTrailer(name) {
			f = faultTrailer
		}
		return f == nil
	})
	return f
}

// cut takes the lines out of a valid head that must not pass, in place, and returns its new length.
func (o *GuardOptions) cut(head []byte, p *headParser) int {
	kept := -1 // where the next line to keep goes; -1: all did so far
	for i, field := range p.fields {
		start, end := int(field.nameStart), len(head)-2
		if i+1 < len(p.fields) {
			end = int(p.fields[i+1].nameStart)
		}
		name := field.name(head)
		if !o.KeepUnderscores && bytes.IndexByte(name, '_') >= 0 || fold(name, "tenfold-refusal") {
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
func (r *requestHead) appendRefusal(b []byte, f *fault) []byte {
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
	b = strconv.AppendInt(b, int64(f.status), 10)
	b = append(b, ' ')
	b = append(b, f.reason...)
	return append(b, "\r\n\r\n"...)
}
