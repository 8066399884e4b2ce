// Package client is a client connection for HTTP/1.1, strict, with net/http's types.
//
// A [Conn] carries one message at a time. It writes the request and reads the response on the caller's goroutine,
// because switching between goroutines is most of the cost of a round trip through net/http's Transport.
//
// A Conn never forwards a message as it came. It writes a request from its parsed form, and it rejects a response that
// two readers could understand differently.
package client
