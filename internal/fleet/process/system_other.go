//go:build unix && !linux

package process

import "syscall"

const reaperWorks = false

// attributes puts a process into an own group.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// AdoptOrphans fails: this system does not have it.
func AdoptOrphans() error { return syscall.ENOSYS }

// groupAlive reports whether a process group has a member.
func groupAlive(group int) bool { return syscall.Kill(-group, 0) == nil }

// remaining finds nothing: this system does not show the environment of other processes.
func remaining(string, map[int]bool) ([]int, error) { return nil, nil }

// endedChildren finds none: this system does not show them.
func endedChildren() []int { return nil }
