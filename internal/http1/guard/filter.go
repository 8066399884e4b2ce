package guard

import "github.com/tenfold-go/tenfold/internal/http1/wire"

// filter follows the framing of the requests on one connection.
type filter struct {
	state   guardState
	upgrade bool  // the server may switch protocols after this message
	blank   bool  // an empty line before the head was dropped
	started bool  // a head was cleared, so a preface would come too late
	left    int64 // data of the body or the chunk that is still to come
	ext     int   // chunk extensions in this body, in octets

	parser *wire.HeadParser // of a head or trailer section that is not complete
	fault  *wire.Violation  // why the rest is refused
	stand  []byte           // what is left of the request that stands for the refused one
}

type guardState uint8

const (
	guardHead    guardState = iota // a request head is next
	guardFixed                     // data by Content-Length
	guardSize                      // a chunk-size line; with the last one the trailer section
	guardChunk                     // data of a chunk
	guardEnd                       // the CRLF after it
	guardUpgrade                   // perhaps another protocol, perhaps another head: the server knows
	guardRaw                       // another protocol
	guardRefused                   // nothing that comes is looked at any more
	guardBroken                    // the same, in the middle of a body
)

// clear passes on what of b is in order, at most to the end of one message: b[:out] is for the server, b[used:] has to
// wait for more. Dropped octets are overwritten by those behind them.
func (g *guardConn) clear(b []byte) (out, used int) {
	for used < len(b) {
		rest := b[used:]
		took, kept, f := g.step(rest)
		if f != nil {
			if g.state != guardRefused {
				g.state, g.fault = guardBroken, f
				g.parsed()
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
		if (g.state == guardHead || g.state == guardUpgrade || g.state == guardRaw) && kept > 0 {
			return out, used
		}
	}
	return out, used
}

// step passes the next part of a message: it took some octets of b, and keeps the first of them. It took none when the
// part is not complete.
func (g *guardConn) step(b []byte) (took, kept int, f *wire.Violation) {
	switch g.state {
	case guardHead:
		return g.stepHead(b)
	case guardSize:
		return g.stepSize(b)
	case guardFixed, guardChunk:
		n := int(min(g.left, int64(len(b))))
		if g.left -= int64(n); g.left == 0 {
			if g.state == guardFixed {
				g.messageOver()
			} else {
				g.state = guardEnd
			}
		}
		return n, n, nil
	default: // guardEnd
		if b[0] != '\r' || len(b) > 1 && b[1] != '\n' {
			return 0, 0, wire.BadChunkEnd
		}
		if len(b) < 2 {
			return 0, 0, nil
		}
		g.state = guardSize
		return 2, 2, nil
	}
}

func (g *guardConn) messageOver() {
	g.state, g.blank = guardHead, false
	if g.upgrade {
		g.state = guardUpgrade
	}
}

func (g *guardConn) stepHead(b []byte) (took, kept int, f *wire.Violation) {
	if !g.blank && g.parser == nil && b[0] == '\r' { // RFC 9112 section 2.2: ignore one
		if len(b) < 2 {
			return 0, 0, nil
		}
		if g.blank = b[1] == '\n'; g.blank {
			return 2, 0, nil
		}
	}
	p := g.parse(wire.Limits{Bytes: g.o.MaxHeaderBytes, Lines: g.o.MaxHeaderLines, StartLine: g.o.MaxTarget + maxMethod})
	n, f := p.Parse(b)
	if n == 0 && f == nil {
		return 0, 0, nil
	}
	g.deadline.end(g.Conn)
	var r requestHead
	if f == nil {
		r, f = g.o.inspect(b[:n], p)
	} else if line := p.StartLine(b); line != nil {
		r.requestLine(line, g.o.MaxTarget) // for the log
	}
	if f == nil && r.preface && g.started {
		f = faultVersion
	}
	if f != nil {
		g.refuse(r, f)
		return 0, 0, f
	}
	g.started, g.upgrade = true, r.upgrade
	g.ext = 0
	switch {
	case r.preface:
		g.state = guardRaw
	case p.Chunked:
		g.state = guardSize
	case p.Length > 0:
		g.state, g.left = guardFixed, p.Length
	default:
		g.messageOver()
	}
	kept = g.o.cut(b[:n], p)
	g.parsed()
	return n, kept, nil
}

// refuse replaces a request by one that says so.
func (g *guardConn) refuse(r requestHead, f *wire.Violation) {
	g.state, g.fault = guardRefused, f
	g.stand = r.appendRefusal(nil, f)
	g.deadline.end(g.Conn)
	g.parsed()
}

func (g *guardConn) stepSize(b []byte) (took, kept int, f *wire.Violation) {
	line, size, ext, f := wire.ReadChunkLine(b, g.ext)
	if line == 0 {
		return 0, 0, f
	}
	n, m := 0, 0 // the trailer section, before and after the cut
	if size > 0 {
		g.state, g.left = guardChunk, size
	} else if n, m, f = g.trailer(b[line:]); n == 0 {
		return 0, 0, f
	}
	g.ext += ext
	bare := line - ext
	copy(b[bare-2:], "\r\n")
	copy(b[bare:], b[line:line+m])
	return line + n, bare + m, nil
}

// trailer ends a chunked body. The last chunk waits for it, so that a fault in it is a fault of the body.
func (g *guardConn) trailer(b []byte) (n, kept int, f *wire.Violation) {
	p := g.parse(wire.TrailerLimits)
	n, f = p.Parse(b)
	if f == nil && n > 0 {
		f = p.CheckTrailer(b)
	}
	if f != nil || n == 0 {
		return 0, 0, f
	}
	kept = g.o.cut(b[:n], p)
	g.parsed()
	g.messageOver()
	return n, kept, nil
}

// parse returns the parser of the head or trailer section that is being read.
func (g *guardConn) parse(l wire.Limits) *wire.HeadParser {
	if g.parser == nil {
		g.parser = wire.GetParser()
		g.parser.Reset(l)
	}
	return g.parser
}

// maxMethod is what a request line may hold beside its target: a method, spaces, the version.
const maxMethod = 64

func (g *guardConn) parsed() {
	if g.parser != nil {
		wire.PutParser(g.parser)
		g.parser = nil
	}
}
