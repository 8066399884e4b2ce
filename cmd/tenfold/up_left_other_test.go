//go:build !linux

package main

import "syscall"

// Only on Linux can tenfold, and these tests, find what a killed tenfold left behind.

type survivor struct{ pid int }

func adopt() error                       { return nil }
func tethered() *syscall.SysProcAttr     { return nil }
func family(int) []survivor              { return nil }
func left(string, []survivor) []survivor { return nil }
func residentKB(int) int                 { return 0 }
func reapers() []survivor                { return nil }
