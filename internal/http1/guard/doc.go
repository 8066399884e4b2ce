// Package guard makes net/http's server strict. It filters the bytes of each connection before the server reads them.
//
// net/http accepts messages that a gateway must reject: Content-Length together with Transfer-Encoding, bare line
// feeds, folded lines, an unlimited number of lines, and more. The guard follows the framing of each request on a
// connection and lets through only requests that every reader understands in the same way.
//
// The guard replaces a rejected request by a well-formed one. [Refusal] returns the status and the reason for it, so
// that the same handlers answer, log and count the rejection as any other request. The guard ignores everything after
// the rejected request, and the connection ends. If the guard rejects a request in the middle of its body, the
// handler's Read fails with a [*RefusedError].
//
// The bytes that pass are unchanged, except that the guard drops header names with underscores, chunk extensions and an
// empty line in front of a request.
//
// Use it in three steps: [Attach] to the server, serve on [NewListener] or [NewTLSListener], and call [Refusal] in the
// outermost handler.
package guard
