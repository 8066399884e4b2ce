package wire

import (
	"slices"
	"testing"
)

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{
		"a": true, "a.example:8080": true, "127.0.0.1:1": true, "[::1]": true, "[::1]:80": true, "a:": true,
		"": false, ":80": false, "a:123456": false, "a:b": false, "a b": false, "a@b": false, "a/b": false, "a%20b": false,
		"[::1": false, "[127.0.0.1]": false, "[fe80::1%eth0]": false, "[::1]x": false,
	} {
		if ValidHost(host) != want || ValidHost([]byte(host)) != want {
			t.Errorf("%q: got %v", host, !want)
		}
	}
}

func TestElements(t *testing.T) {
	var got []string
	Elements(" a,b\t,, c ,", func(e string) bool {
		got = append(got, e)
		return e != "c"
	})
	if want := []string{"a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !HasToken("x, Close", "close") || HasToken("x-close", "close") {
		t.Error("HasToken must match whole elements, ignoring case")
	}
}

func TestParseLength(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "007": 7, "9223372036854775807": 1<<63 - 1,
		"": -1, "-1": -1, "+1": -1, " 1": -1, "1x": -1, "9223372036854775808": -1, "9999999999999999999": -1, "00000000000000000001": -1,
	} {
		if n, ok := parseLength([]byte(text)); ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: got %d, %v", text, n, ok)
		}
	}
}
