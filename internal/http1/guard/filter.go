package guard

import "github.com/tenfold-go/tenfold/internal/http1/wire"

// filter follows the framing of the requests on one connection and removes what must not pass. It does no I/O.
type filter struct {
	o          *Options
	state      state
	upgrade    bool  // the server may switch protocols after this message
	minor      int   // of the version of the last request, HTTP/1.minor
	emptyLine  bool  // an empty line before the head was dropped
	started    bool  // a head has passed, so the preface of HTTP/2 is no longer allowed
	plain      bool  // the connection should have begun with a TLS handshake: its request is refused
	left       int64 // octets of the body or the chunk that are still to come
	extensions int   // octets of chunk extensions in this body

	parser    *wire.HeadParser // of an incomplete head or trailer section
	violation *wire.Violation  // why the rest is refused
	refusal   []byte           // unread rest of the request that replaces the refused one
}

// state says what the next octets of a connection are.
type state uint8

const (
	stateHead        state = iota // a request head
	stateBody                     // data by Content-Length
	stateChunkSize                // a chunk-size line; after the last one the trailer section
	stateChunk                    // data of a chunk
	stateChunkEnd                 // the CRLF after it
	stateUpgrade                  // another protocol or another head; the server decides
	stateRaw                      // another protocol
	stateRefused                  // ignored, because a head was refused
	stateBodyRefused              // ignored, because a body was refused
)

// pass filters b in place, at most to the end of one message. The server may read b[:out]; b[used:] has to wait for
// more octets. Octets that pass move to the front, over dropped ones.
func (f *filter) pass(b []byte) (out, used int) {
	for used < len(b) {
		rest := b[used:]
		took, kept, v := f.step(rest)
		if v != nil {
			if f.state != stateRefused {
				f.state, f.violation = stateBodyRefused, v
				f.releaseParser()
			}
			return out, len(b)
		}
		if took == 0 {
			return out, used
		}
		if out != used {
			copy(b[out:], rest[:kept])
		}
		out += kept
		used += took
		if (f.state == stateHead || f.state == stateUpgrade || f.state == stateRaw) && kept > 0 {
			return out, used
		}
	}
	return out, used
}

// step filters the next part of a message. It returns how many octets of b the part has, and how many of them to keep,
// from the front. Both are 0 while the part is not complete.
func (f *filter) step(b []byte) (took, kept int, v *wire.Violation) {
	switch f.state {
	case stateHead:
		return f.stepHead(b)
	case stateChunkSize:
		return f.stepChunkSize(b)
	case stateBody, stateChunk:
		n := int(min(f.left, int64(len(b))))
		if f.left -= int64(n); f.left == 0 {
			if f.state == stateBody {
				f.endMessage()
			} else {
				f.state = stateChunkEnd
			}
		}
		return n, n, nil
	default: // stateChunkEnd
		if b[0] != '\r' || len(b) > 1 && b[1] != '\n' {
			return 0, 0, wire.BadChunkEnd
		}
		if len(b) < 2 {
			return 0, 0, nil
		}
		f.state = stateChunkSize
		return 2, 2, nil
	}
}

// maxMethod bounds the rest of a request line next to its target: the method, the spaces, the version.
const maxMethod = 64

func (f *filter) stepHead(b []byte) (took, kept int, v *wire.Violation) {
	if !f.emptyLine && f.parser == nil && b[0] == '\r' { // RFC 9112 section 2.2: ignore one empty line
		if len(b) < 2 {
			return 0, 0, nil
		}
		if f.emptyLine = b[1] == '\n'; f.emptyLine {
			return 2, 0, nil
		}
	}
	p := f.resumeParser(wire.Limits{
		Bytes: f.o.MaxHeaderBytes, Lines: f.o.MaxHeaderLines, StartLine: f.o.MaxTarget + maxMethod,
	})
	n, v := p.Parse(b)
	if n == 0 && v == nil {
		return 0, 0, nil
	}
	var r requestHead
	if v == nil {
		r, v = f.o.inspect(b[:n], p)
	} else if line := p.StartLine(b); line != nil {
		r.parseLine(line, f.o.MaxTarget) // for the log
	}
	switch {
	case f.plain:
		v = PlainHTTP
	case v == nil && r.preface && f.started:
		v = badVersion
	}
	if v != nil {
		f.refuse(r, v)
		return 0, 0, v
	}
	f.started, f.upgrade, f.minor = true, r.upgrade, r.minor
	f.extensions = 0
	switch {
	case r.preface:
		f.state = stateRaw
	case p.Chunked:
		f.state = stateChunkSize
	case p.Length > 0:
		f.state, f.left = stateBody, p.Length
	default:
		f.endMessage()
	}
	kept = f.o.removeFields(b[:n], p)
	f.releaseParser()
	return n, kept, nil
}

// refuse replaces the request by one that carries the violation.
func (f *filter) refuse(r requestHead, v *wire.Violation) {
	f.state, f.violation = stateRefused, v
	f.refusal = r.appendRefusal(nil, v)
	f.releaseParser()
}

func (f *filter) stepChunkSize(b []byte) (took, kept int, v *wire.Violation) {
	line, size, extension, v := wire.ReadChunkLine(b, f.extensions)
	if line == 0 {
		return 0, 0, v
	}
	n, keptTrailer := 0, 0
	if size > 0 {
		f.state, f.left = stateChunk, size
	} else if n, keptTrailer, v = f.stepTrailer(b[line:]); n == 0 {
		return 0, 0, v
	}
	f.extensions += extension
	bare := line - extension
	copy(b[bare-2:], "\r\n")
	copy(b[bare:], b[line:line+keptTrailer])
	return line + n, bare + keptTrailer, nil
}

// stepTrailer filters the trailer section after the last chunk. The last chunk waits for it, so that a violation in the
// trailer section is a violation of the body.
func (f *filter) stepTrailer(b []byte) (n, kept int, v *wire.Violation) {
	p := f.resumeParser(wire.TrailerLimits)
	n, v = p.Parse(b)
	if v == nil && n > 0 {
		v = p.CheckTrailer(b)
	}
	if v != nil || n == 0 {
		return 0, 0, v
	}
	kept = f.o.removeFields(b[:n], p)
	f.releaseParser()
	f.endMessage()
	return n, kept, nil
}

func (f *filter) endMessage() {
	f.state, f.emptyLine = stateHead, false
	if f.upgrade {
		f.state = stateUpgrade
	}
}

// resumeParser returns the parser of the head or trailer section that is being read, or a new one.
func (f *filter) resumeParser(l wire.Limits) *wire.HeadParser {
	if f.parser == nil {
		f.parser = wire.GetParser()
		f.parser.Reset(l)
	}
	return f.parser
}

func (f *filter) releaseParser() {
	if f.parser != nil {
		wire.PutParser(f.parser)
		f.parser = nil
	}
}
