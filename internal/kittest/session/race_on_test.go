//go:build race

package session_test

// slow is about how much slower the race detector makes the tests. Long runs do less work with it.
const slow = 10
