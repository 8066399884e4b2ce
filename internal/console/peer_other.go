//go:build !linux

package console

import "net/http"

// isOwn reports whether a request comes from a process of this user. This system does not tell the user of a connection, so
// every program on this machine counts as one.
func isOwn(*http.Request) bool { return true }
