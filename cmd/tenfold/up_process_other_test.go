//go:build !linux

package main

import "syscall"

// Only on Linux can tenfold and these tests find the processes that a killed tenfold has left.

type processInfo struct{ pid int }

func becomeSubreaper() error                                 { return nil }
func endWithTest() *syscall.SysProcAttr                      { return nil }
func startedBy(int) []processInfo                            { return nil }
func remainingProcesses(string, []processInfo) []processInfo { return nil }
func residentKB(int) int                                     { return 0 }
func reapers() []processInfo                                 { return nil }
