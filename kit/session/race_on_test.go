//go:build race

package session

// slow is how many times longer things take under the race detector, about: long runs do less there.
const slow = 10
