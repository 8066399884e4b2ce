package wire

import (
	"strings"
	"testing"
)

func TestHeadParserInPortions(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nContent-Length: \t12 \r\n\r\n"
	for _, size := range []int{1, 2, 7, len(head)} {
		p := GetParser()
		p.Reset(Limits{Bytes: 1024, Lines: 10})
		end := 0
		for end < len(head) {
			end = min(end+size, len(head))
			n, v := p.Parse([]byte(head[:end]))
			if v != nil || n != 0 && n != len(head) || n == 0 && end == len(head) {
				t.Fatalf("portions of %d: %d of %d octets: got %d, %v", size, end, len(head), n, v)
			}
		}
		want := Facts{Length: 12, Close: true, Upgrade: true, Hosts: 1}
		if p.Facts != want || string(p.StartLine([]byte(head))) != "GET / HTTP/1.1" || p.Size() != len(head) || p.Persistent(1) {
			t.Errorf("portions of %d: got %+v, %q, %d", size, p.Facts, p.StartLine([]byte(head)), p.Size())
		}
		if h := Header(head, p.Fields); h.Get("Content-Length") != "12" || len(h) != 3 {
			t.Errorf("portions of %d: got %v", size, h)
		}
		PutParser(p)
	}
}

func TestHeadLimits(t *testing.T) {
	for _, test := range []struct {
		name, head string
		limits     Limits
		want       *Violation
	}{
		{"all bytes", "GET / HTTP/1.1\r\nA: b\r\n\r\n", Limits{Bytes: 24, Lines: 1}, nil},
		{"one byte too many", "GET / HTTP/1.1\r\nA: b\r\n\r\n", Limits{Bytes: 23, Lines: 1}, HeadTooLarge},
		{"one line too many", "GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n", Limits{Bytes: 1024, Lines: 1}, TooManyLines},
		{"long start line", "GET /" + strings.Repeat("a", 100), Limits{Bytes: 1024, Lines: 1, StartLine: 50}, TargetTooLong},
		{"trailer section", "A: b\r\n\r\n", TrailerLimits, nil},
		{"empty trailer section", "\r\n", TrailerLimits, nil},
	} {
		p := GetParser()
		p.Reset(test.limits)
		n, v := p.Parse([]byte(test.head))
		if v != test.want || v == nil && n != len(test.head) {
			t.Errorf("%s: got %d, %v", test.name, n, v)
		}
		if p.IsTrailer() != (test.limits.StartLine == NoStartLine) {
			t.Errorf("%s: IsTrailer is %v", test.name, p.IsTrailer())
		}
		PutParser(p)
	}
}
