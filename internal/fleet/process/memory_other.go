//go:build unix && !linux

package process

import (
	"errors"
	"syscall"
)

// groupMemory fails: this system does not show the memory of a process group in a portable way.
func groupMemory(map[int]int64) error { return errors.ErrUnsupported }

func rlimit(files uint64) *syscall.Rlimit {
	var r syscall.Rlimit
	setNumber(&r.Cur, files)
	setNumber(&r.Max, files)
	return &r
}

// setNumber sets a number whose type differs between systems.
func setNumber[T int64 | uint64](p *T, n uint64) { *p = T(n) }

// endWithParent does nothing: this system has no death signal.
func endWithParent() error { return nil }
