//go:build !unix

package platform

import "time"

// CPUTime returns the CPU time that this process has used, or 0 if the system does not tell.
func CPUTime() time.Duration { return 0 }

// OpenFiles returns how many files and sockets this process may have open.
func OpenFiles() int { return maxOpenFiles }
