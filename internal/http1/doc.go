// Package http1 speaks HTTP/1.1 on the wire, strictly, over net/http's own types.
//
// It has two halves. [Conn] is a client connection: one message at a time, written and read on the caller's own
// goroutine, because hand-offs between goroutines are what a round trip through net/http's Transport mostly costs.
// [Guard] stands in front of an http.Server and lets through only requests that can be read in one way.
//
// Strict means RFC 9112 without its leniencies: lines end in CRLF, framing is stated once, and what could be read in
// two ways is refused. A message is never forwarded as it came: it is parsed, and written again from the parsed form.
package http1
