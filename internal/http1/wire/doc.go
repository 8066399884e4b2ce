// Package wire reads and writes the syntax of HTTP/1.1: octets, field lines, message heads and chunked framing.
//
// Packages client and guard are built on it. It is strict: it implements RFC 9112 without the optional leniencies.
// Lines end in CRLF, a message states its length exactly once, and a message that two readers could understand
// differently is a [Violation].
package wire
