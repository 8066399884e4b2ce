//go:build unix

package guard

import "syscall"

// isReset reports whether the connection of a socket has ended in both directions. Such a socket has no peer any more.
func isReset(raw syscall.RawConn) (reset bool) {
	err := raw.Control(func(fd uintptr) {
		_, err := syscall.Getpeername(int(fd))
		reset = err != nil
	})
	return reset || err != nil
}
