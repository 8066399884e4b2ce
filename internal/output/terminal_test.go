package output

import (
	"bytes"
	"testing"
)

func TestForTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"plain, ümlaut, 日本\ttab\nnext": "plain, ümlaut, 日本\ttab\nnext",
		"\x1b[31mred\x1b[0m \x1b[38;2;1;2;3mx\x1b[m": "\x1b[31mred\x1b[0m \x1b[38;2;1;2;3mx\x1b[m",
		"\x1b[2J\x1b[1;1Hgone":                       `\x1b[2J\x1b[1;1Hgone`,
		"\x1b]0;title\a":                             `\x1b]0;title\a`,
		"shop-1 | bad\rshop-2 | good":                `shop-1 | bad\rshop-2 | good`,
		"C1 \u009b2J, 8 bits \x9b2J, \x7f":           `C1 \u009b2J, 8 bits \x9b2J, \x7f`,
		"\x1b":                                       `\x1b`,
		"\x1b[3\x1b[31m":                             `\x1b[3` + "\x1b[31m",
	} {
		if got := string(ForTerminal([]byte(text))); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func FuzzForTerminal(f *testing.F) {
	f.Add([]byte("\x1b[31mred\x1b[2J\x9b"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := ForTerminal(text)
		for rest := got; len(rest) > 0; rest = rest[1:] {
			if sequence := color.Find(rest); sequence == nil && rest[0] < ' ' && rest[0] != '\n' && rest[0] != '\t' {
				t.Fatalf("%q became %q", text, got)
			}
		}
		if again := ForTerminal(got); !bytes.Equal(again, got) {
			t.Errorf("%q became %q, then %q", text, got, again)
		}
	})
}
