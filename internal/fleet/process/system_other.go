//go:build unix && !linux

package process

import "syscall"

const keeperWorks = false

// attributes puts a process into a group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// groupAlive says whether a process group has a member.
func groupAlive(group int) bool { return syscall.Kill(-group, 0) == nil }

// remains finds nothing: there is no way to read the environment of other processes here.
func remains(string, map[int]bool) ([]int, error) { return nil, nil }
