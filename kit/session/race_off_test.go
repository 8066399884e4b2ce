//go:build !race

package session

const slow = 1
