package wire

import (
	"bytes"
	"net/http"
	"slices"
	"sync"
)

// Limits bound a head.
type Limits struct {
	Bytes     int // of the whole head
	Lines     int // number of field lines
	StartLine int // octets of the start line; 0: only Bytes limits it; NoStartLine: the head has no start line
}

// NoStartLine as Limits.StartLine says that the head is a trailer section, which has only fields.
const NoStartLine = -1

// HeadParser reads a start line and its fields in place, as they arrive. It serves requests, responses and trailer
// sections.
type HeadParser struct {
	Fields []Field
	Facts

	limits  Limits
	pos     int // offset of the line that is being read
	scanned int // the octets before this offset have no end of that line
	line    int // end of the start line without CRLF; -1: not complete yet; 0: the head has no start line
}

// Field is one field line, as offsets from the first octet of the head. The value is without surrounding whitespace.
type Field struct{ NameStart, NameEnd, ValueStart, ValueEnd int32 }

// Name returns the name of the field in head.
func (f Field) Name(head []byte) []byte { return head[f.NameStart:f.NameEnd] }

// Value returns the value of the field in head.
func (f Field) Value(head []byte) []byte { return head[f.ValueStart:f.ValueEnd] }

// Facts are what the fields say about the end of the message and the future of its connection.
type Facts struct {
	Length    int64 // Content-Length; -1 without one
	Chunked   bool  // Transfer-Encoding: chunked
	Close     bool  // Connection: close
	KeepAlive bool  // Connection: keep-alive
	Upgrade   bool  // Connection: upgrade
	Hosts     int   // number of Host lines
	Host      int   // index in Fields of the last Host line

	codings codings
}

// codings are the transfer codings of a message, over all its Transfer-Encoding lines.
type codings struct {
	listed      bool // there is a Transfer-Encoding
	irregular   bool // a line is not the one word "chunked"
	unknown     bool // one is not chunked
	chunkedLast bool
}

var parsers = sync.Pool{New: func() any { return new(HeadParser) }}

// GetParser takes a parser from a pool. A connection holds one only while it reads a head.
func GetParser() *HeadParser { return parsers.Get().(*HeadParser) }

// PutParser returns a parser to the pool.
func PutParser(p *HeadParser) { parsers.Put(p) }

// Violations of a head.
var (
	emptyFirstLine  = &Violation{400, "empty line in front of the message"}
	foldedLine      = &Violation{400, "folded header line"}
	noName          = &Violation{400, "header line without name"}
	badName         = &Violation{400, "invalid octet in header name"}
	badValue        = &Violation{400, "invalid octet in header value"}
	badLength       = &Violation{400, "invalid Content-Length"}
	manyLengths     = &Violation{400, "more than one Content-Length"}
	badCodings      = &Violation{400, "Transfer-Encoding is not one \"chunked\""}
	chunkedNotLast  = &Violation{400, "the last transfer coding is not chunked"}
	lengthAndCoding = &Violation{400, "both Content-Length and Transfer-Encoding"}
	codingInHTTP10  = &Violation{400, "Transfer-Encoding in HTTP/1.0"}
	TargetTooLong   = &Violation{414, "request target too long"}
	HeadTooLarge    = &Violation{431, "header too large"}
	TooManyLines    = &Violation{431, "too many header lines"}
	unknownCoding   = &Violation{501, "unknown transfer coding"}
)

// Reset prepares the parser for a new head.
func (p *HeadParser) Reset(l Limits) {
	p.limits = l
	p.pos, p.scanned, p.line = 0, 0, -1
	if l.StartLine == NoStartLine {
		p.line = 0
	}
	p.Fields = p.Fields[:0]
	p.Facts = Facts{Length: -1}
}

// Parse continues with head, which is the input of the previous call and what has arrived since. It returns the length
// of the head with its empty line, or 0 while the head is not complete.
func (p *HeadParser) Parse(head []byte) (n int, v *Violation) {
	for {
		i := bytes.IndexByte(head[p.scanned:], '\n')
		end := p.scanned + i
		if i < 0 {
			end = len(head)
		}
		if p.line < 0 && p.limits.StartLine > 0 && end > p.limits.StartLine {
			return 0, TargetTooLong
		}
		if i < 0 {
			if len(head) >= p.limits.Bytes {
				return 0, HeadTooLarge
			}
			p.scanned = len(head)
			return 0, nil
		}
		if end+1 > p.limits.Bytes {
			return 0, HeadTooLarge
		}
		if end == p.pos || head[end-1] != '\r' {
			return 0, BadLineEnd
		}
		start := p.pos
		p.pos, p.scanned = end+1, end+1
		switch {
		case p.line < 0 && end-1 == start:
			return 0, emptyFirstLine
		case p.line < 0:
			p.line = end - 1
		case end-1 == start:
			return end + 1, nil
		default:
			if v := p.addField(head, start, end-1); v != nil {
				return 0, v
			}
		}
	}
}

func (p *HeadParser) addField(head []byte, start, end int) *Violation {
	if len(p.Fields) >= p.limits.Lines {
		return TooManyLines
	}
	line := head[start:end]
	if line[0] == ' ' || line[0] == '\t' {
		return foldedLine
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return noName
	}
	if !all(line[:colon], tokenOctet) {
		return badName
	}
	value := TrimOWS(line[colon+1:])
	if !all(value, valueOctet) {
		return badValue
	}
	from := start + colon + 1
	for from < end && (head[from] == ' ' || head[from] == '\t') {
		from++
	}
	p.Fields = append(p.Fields, Field{
		NameStart: int32(start), NameEnd: int32(start + colon),
		ValueStart: int32(from), ValueEnd: int32(from + len(value)),
	})
	return p.note(line[:colon], value)
}

// note updates the facts by one field.
func (p *HeadParser) note(name, value []byte) *Violation {
	switch len(name) {
	case len("host"):
		if EqualFold(name, "host") {
			p.Hosts++
			p.Host = len(p.Fields) - 1
		}
	case len("connection"):
		if EqualFold(name, "connection") {
			p.Close = p.Close || HasToken(value, "close")
			p.KeepAlive = p.KeepAlive || HasToken(value, "keep-alive")
			p.Upgrade = p.Upgrade || HasToken(value, "upgrade")
		}
	case len("content-length"):
		if EqualFold(name, "content-length") {
			return p.noteLength(value)
		}
	case len("transfer-encoding"):
		if EqualFold(name, "transfer-encoding") {
			p.noteCoding(value)
		}
	}
	return nil
}

func (p *HeadParser) noteLength(value []byte) *Violation {
	if p.Length >= 0 {
		return manyLengths
	}
	n, ok := parseLength(value)
	if !ok {
		return badLength
	}
	p.Length = n
	return nil
}

// noteCoding notes the codings of one line. CheckFraming judges all of them together.
func (p *HeadParser) noteCoding(value []byte) {
	c := &p.codings
	c.irregular = c.irregular || c.listed || !EqualFold(value, "chunked")
	c.listed = true
	Elements(value, func(e []byte) bool {
		c.chunkedLast = EqualFold(e, "chunked")
		c.unknown = c.unknown || !c.chunkedLast
		return true
	})
	p.Chunked = !c.irregular
}

// check returns why the codings do not delimit a body. If chunked is not the last one, the length of a request is
// unknown: RFC 9112 section 6.3 requires 400 for it. A coding that is not implemented is 501 (section 6.1).
func (c codings) check() *Violation {
	switch {
	case !c.listed || !c.irregular:
		return nil
	case !c.chunkedLast:
		return chunkedNotLast
	case c.unknown:
		return unknownCoding
	}
	return badCodings
}

// StartLine returns the start line of head without its CRLF. It returns nil while the start line is not complete.
func (p *HeadParser) StartLine(head []byte) []byte {
	if p.line < 0 {
		return nil
	}
	return head[:p.line]
}

// StartLineEnd returns the offset of the end of the start line, without its CRLF.
func (p *HeadParser) StartLineEnd() int { return p.line }

// Size returns how many octets of the head are parsed: its length once Parse has returned it.
func (p *HeadParser) Size() int { return p.pos }

// IsTrailer reports whether the parser reads a trailer section, by the limits of the last Reset.
func (p *HeadParser) IsTrailer() bool { return p.line == 0 }

// CheckFraming checks the facts together, for a message of HTTP/1.minor.
func (p *HeadParser) CheckFraming(minor int) *Violation {
	switch {
	case p.codings.listed && minor == 0:
		return codingInHTTP10
	case p.codings.listed && p.Length >= 0:
		return lengthAndCoding
	}
	return p.codings.check()
}

// Persistent reports whether the sender of a message of HTTP/1.minor wants to keep the connection open after it.
func (p *HeadParser) Persistent(minor int) bool {
	return !p.Close && (minor == 1 || p.KeepAlive)
}

// CheckTrailer checks the fields of a trailer section.
func (p *HeadParser) CheckTrailer(section []byte) *Violation {
	for _, f := range p.Fields {
		if ForbiddenInTrailer(f.Name(section)) {
			return BadTrailer
		}
	}
	return nil
}

// DropForbidden removes the fields that may not stand in a trailer section (RFC 9110 section 6.5.1).
func (p *HeadParser) DropForbidden(section []byte) {
	p.Fields = slices.DeleteFunc(p.Fields, func(f Field) bool { return ForbiddenInTrailer(f.Name(section)) })
}

// Header returns the fields of a head as a map. The values are substrings of text, which is the whole head.
func Header(text string, fields []Field) http.Header {
	h := make(http.Header, len(fields))
	values := make([]string, len(fields))
	for i, f := range fields {
		name := CanonicalName(text[f.NameStart:f.NameEnd])
		value := text[f.ValueStart:f.ValueEnd]
		if old, ok := h[name]; ok {
			h[name] = append(old, value)
			continue
		}
		values[i] = value
		h[name] = values[i : i+1 : i+1]
	}
	return h
}
