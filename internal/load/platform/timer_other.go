//go:build !linux

package platform

// NewTimer returns the most precise timer of this operating system.
func NewTimer() (Timer, error) { return SleepTimer{}, nil }
