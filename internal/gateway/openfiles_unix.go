//go:build unix

package gateway

import "syscall"

// openFiles returns how many files and sockets this process may have open; 0 for no limit. The Go runtime has raised the
// limit to the largest allowed value at the start of the process. Nodes get the value that was set before.
func openFiles() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || uint64(l.Cur) > 1<<30 {
		return 0
	}
	return int(l.Cur)
}
