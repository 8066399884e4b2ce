package session

import (
	"strings"
	"testing"
)

// More tests are in internal/kittest/session, in the root module: they need miniredis.

func TestParseTokenAcceptsOnlyTokens(t *testing.T) {
	good := newToken(newID())
	if id, ok := parseToken(good); !ok || id != good[:idLength] {
		t.Errorf("%q: %q, %v", good, id, ok)
	}
	for name, token := range map[string]string{
		"empty":          "",
		"oversized":      strings.Repeat("A", 1<<20),
		"no dot":         strings.Replace(good, ".", "A", 1),
		"two dots":       "." + good[1:],
		"binary":         strings.Repeat("\x00\xff", tokenLength/2),
		"padding":        good[:len(good)-1] + "=",
		"other alphabet": "+/" + good[2:],
		"not canonical":  good[:len(good)-1] + "B", // the last bits are not zero
		"line break":     good[:10] + "\n" + good[11:],
		"hash tag":       "{" + good[1:idLength-1] + "}" + good[idLength:],
	} {
		if id, ok := parseToken(token); ok {
			t.Errorf("%s: accepted, with id %q", name, id)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(newToken(newID()))
	f.Add("a.b")
	f.Fuzz(func(t *testing.T, token string) {
		if id, ok := parseToken(token); ok && (len(token) != tokenLength || !strings.HasPrefix(token, id+".")) {
			t.Errorf("%q has id %q", token, id)
		}
	})
}
