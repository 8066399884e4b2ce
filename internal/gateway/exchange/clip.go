package exchange

import "strings"

// Clip shortens a text from a request, so that a log line stays readable.
func Clip(s string) string {
	const limit = 512
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}
