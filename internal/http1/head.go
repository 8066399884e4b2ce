package http1

import (
	"bytes"
	"sync"
)

// field is one field line by its offsets from the first octet of the head. The value has no whitespace around it.
type field struct{ nameStart, nameEnd, valueStart, valueEnd int32 }

func (f field) name(head []byte) []byte  { return head[f.nameStart:f.nameEnd] }
func (f field) value(head []byte) []byte { return head[f.valueStart:f.valueEnd] }

// headParser reads a start line and its fields, in place, as they arrive. It is used for requests, responses and, without
// start line, trailers.
type headParser struct {
	limits
	pos     int // where the line that is being read starts
	scanned int // how far its end was looked for
	line    int // end of the start line without CRLF; -1: not seen yet; 0: there is none
	fields  []field
	facts
}

// limits are what a head may hold.
type limits struct {
	bytes int
	lines int // of fields
	start int // octets of the start line; 0: only bytes counts; noStart: there is none
}

const noStart = -1

// parsers lends a parser to each head, so that an idle connection has none.
var parsers = sync.Pool{New: func() any { return new(headParser) }}

// facts are the fields that decide where a message ends and what its connection becomes.
type facts struct {
	length    int64 // Content-Length; -1 when absent
	chunked   bool
	close     bool // Connection: close
	keepAlive bool // Connection: keep-alive
	upgrade   bool // Connection: upgrade
	hosts     int  // Host lines
	host      int  // index of the last of them
}

var (
	faultBareLF      = &fault{400, "line does not end in CRLF"}
	faultNoStart     = &fault{400, "empty line in front of the message"}
	faultTarget      = &fault{414, "request target too long"}
	faultTooLarge    = &fault{431, "header too large"}
	faultTooMany     = &fault{431, "too many header lines"}
	faultFold        = &fault{400, "folded header line"}
	faultNoColon     = &fault{400, "header line without name"}
	faultName        = &fault{400, "invalid octet in header name"}
	faultValue       = &fault{400, "invalid octet in header value"}
	faultLength      = &fault{400, "invalid Content-Length"}
	faultLengths     = &fault{400, "more than one Content-Length"}
	faultCodings     = &fault{400, "Transfer-Encoding is not one \"chunked\""}
	faultCoding      = &fault{501, "unknown transfer coding"}
	faultLengthAndTE = &fault{400, "both Content-Length and Transfer-Encoding"}
	faultTE10        = &fault{400, "Transfer-Encoding in HTTP/1.0"}
	faultTrailer     = &fault{400, "trailer field that belongs in the header"}
)

// reset makes the parser ready for a new head.
func (p *headParser) reset(l limits) {
	p.limits = l
	p.pos, p.scanned, p.line = 0, 0, -1
	if l.start == noStart {
		p.line = 0
	}
	p.fields = p.fields[:0]
	p.facts = facts{length: -1}
}

// parse goes on with head, which is what it saw before plus what arrived since. It returns the length of the head with
// its empty line, or 0 as long as that is not complete.
func (p *headParser) parse(head []byte) (n int, f *fault) {
	for {
		i := bytes.IndexByte(head[p.scanned:], '\n')
		end := p.scanned + i
		if i < 0 {
			end = len(head)
		}
		if p.line < 0 && p.start > 0 && end > p.start {
			return 0, faultTarget
		}
		if i < 0 {
			if len(head) >= p.bytes {
				return 0, faultTooLarge
			}
			p.scanned = len(head)
			return 0, nil
		}
		if end+1 > p.bytes {
			return 0, faultTooLarge
		}
		if end == p.pos || head[end-1] != '\r' {
			return 0, faultBareLF
		}
		start := p.pos
		p.pos, p.scanned = end+1, end+1
		switch {
		case p.line < 0 && end-1 == start:
			return 0, faultNoStart
		case p.line < 0:
			p.line = end - 1
		case end-1 == start:
			return end + 1, nil
		default:
			if f := p.addField(head, start, end-1); f != nil {
				return 0, f
			}
		}
	}
}

func (p *headParser) addField(head []byte, start, end int) *fault {
	if len(p.fields) >= p.lines {
		return faultTooMany
	}
	line := head[start:end]
	if line[0] == ' ' || line[0] == '\t' {
		return faultFold
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return faultNoColon
	}
	if !all(line[:colon], isToken) {
		return faultName
	}
	value := trimOWS(line[colon+1:])
	if !all(value, isValue) {
		return faultValue
	}
	from := start + colon + 1
	for from < end && (head[from] == ' ' || head[from] == '\t') {
		from++
	}
	p.fields = append(p.fields, field{
		nameStart: int32(start), nameEnd: int32(start + colon),
		valueStart: int32(from), valueEnd: int32(from + len(value)),
	})
	return p.note(line[:colon], value)
}

// note keeps the facts of one field.
func (p *headParser) note(name, value []byte) *fault {
	switch len(name) {
	case len("host"):
		if fold(name, "host") {
			p.hosts++
			p.host = len(p.fields) - 1
		}
	case len("connection"):
		if fold(name, "connection") {
			p.close = p.close || hasToken(value, "close")
			p.keepAlive = p.keepAlive || hasToken(value, "keep-alive")
			p.upgrade = p.upgrade || hasToken(value, "upgrade")
		}
	case len("content-length"):
		if !fold(name, "content-length") {
			return nil
		}
		if p.length >= 0 {
			return faultLengths
		}
		n, ok := decimal(value)
		if !ok {
			return faultLength
		}
		p.length = n
	case len("transfer-encoding"):
		if !fold(name, "transfer-encoding") {
			return nil
		}
		if p.chunked {
			return faultCodings
		}
		if !fold(value, "chunked") {
			return badCodings(value)
		}
		p.chunked = true
	}
	return nil
}

// badCodings tells a coding that nobody here knows from an odd way to say "chunked".
func badCodings(value []byte) *fault {
	f := faultCodings
	elements(value, func(e []byte) bool {
		if !fold(e, "chunked") {
			f = faultCoding
		}
		return f == faultCodings
	})
	return f
}

// framing checks what the facts say together, for a message of HTTP/1.minor.
func (p *headParser) framing(minor int) *fault {
	switch {
	case p.chunked && minor == 0:
		return faultTE10
	case p.chunked && p.length >= 0:
		return faultLengthAndTE
	}
	return nil
}

// persists reports whether the peer means the connection to outlive a message of HTTP/1.minor.
func (p *headParser) persists(minor int) bool {
	return !p.close && (minor == 1 || p.keepAlive)
}

// notTrailer reports whether a field decides about framing, routing or the connection, where it would come too late
// (RFC 9110 section 6.5.1). Fields that merely make no sense in a trailer section are left to whoever reads it.
func notTrailer[S string | []byte](name S) bool {
	for _, word := range [...]string{
		"transfer-encoding", "content-length", "host", "trailer", "connection", "keep-alive", "te", "upgrade",
	} {
		if fold(name, word) {
			return true
		}
	}
	return false
}

// trailers checks the fields of a trailer section.
func (p *headParser) trailers(block []byte) *fault {
	for _, f := range p.fields {
		if notTrailer(f.name(block)) {
			return faultTrailer
		}
	}
	return nil
}
