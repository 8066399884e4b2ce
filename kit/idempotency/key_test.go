package idempotency

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestParseKey(t *testing.T) {
	long := strings.Repeat("k", 255)
	for header, want := range map[string]string{
		"8e03978e-40d5-43dd-bc93-6894a57f9324":   "8e03978e-40d5-43dd-bc93-6894a57f9324",
		`"8e03978e-40d5-43dd-bc93-6894a57f9324"`: "8e03978e-40d5-43dd-bc93-6894a57f9324",
		"!~":                                     "!~",
		`a"b`:                                    `a"b`,
		`a\b`:                                    `a\b`,
		`"a\"b\\c"`:                              `a"b\c`,
		long:                                     long,
		`"` + long + `"`:                         long,
		"":                                       "",
		`"`:                                      "",
		`""`:                                     "",
		`"a`:                                     "",
		`"a\"`:                                   "",
		`"a\n"`:                                  "",
		`"a"b`:                                   "",
		`"a";version=1`:                          "",
		`"a", "b"`:                               "",
		`"a b"`:                                  "",
		"a b":                                    "",
		"a, b":                                   "",
		" a":                                     "",
		"a\x00":                                  "",
		"a\n":                                    "",
		"a\x7f":                                  "",
		"ключ":                                   "",
		"\xff\xfe":                               "",
		long + "k":                               "",
		`"` + long + `k"`:                        "",
		"<script>\t":                             "",
		"'; DROP TABLE x;":                       "",
	} {
		got, err := ParseKey(header)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrInvalidKey) {
			t.Errorf("%q: got %q, %v, want %q", header, got, err, want)
		}
	}
}

// FuzzParseKey: what is accepted is 1 to 255 visible ASCII characters, and its quoted form is the same key.
func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"a", `"a"`, `"a\"b"`, `"a\`, "a b", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key, err := ParseKey(header)
		if err != nil {
			return
		}
		if checkValue(key) != nil {
			t.Fatalf("accepted %q", key)
		}
		quoted := `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(key) + `"`
		if again, err := ParseKey(quoted); err != nil || again != key {
			t.Fatalf("%q quoted is %q, %v", key, again, err)
		}
	})
}

func TestCallerMustBeKnown(t *testing.T) {
	for _, caller := range []string{"", strings.Repeat("c", 256), "a\x00b", "a\nb", "\xff"} {
		if err := (Key{caller, "k"}).check(); !errors.Is(err, ErrInvalidCaller) {
			t.Errorf("%q: %v", caller, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	of := func(method, target, contentType, body string) Fingerprint {
		r := httptest.NewRequest(method, target, nil)
		r.Header.Set("Content-Type", contentType)
		return FingerprintOf(r, []byte(body))
	}
	const media = "application/json; charset=utf-8"
	one := of("POST", "/orders/1?a=1&b=2", media, `{"n":1}`)
	for name, same := range map[string]Fingerprint{
		"order of the query": of("POST", "/orders/1?b=2&a=1", media, `{"n":1}`),
		"spelling of type":   of("POST", "/orders/1?a=1&b=2", "Application/JSON;charset=utf-8", `{"n":1}`),
		"host":               of("POST", "http://other/orders/1?a=1&b=2", media, `{"n":1}`),
	} {
		if same != one {
			t.Errorf("%s makes a difference", name)
		}
	}
	for name, other := range map[string]Fingerprint{
		"method":          of("PUT", "/orders/1?a=1&b=2", media, `{"n":1}`),
		"path":            of("POST", "/orders/2?a=1&b=2", media, `{"n":1}`),
		"escaped path":    of("POST", "/orders%2F1?a=1&b=2", media, `{"n":1}`),
		"query":           of("POST", "/orders/1?a=1&b=3", media, `{"n":1}`),
		"order of values": of("POST", "/orders/1?a=1&a=2", media, `{"n":1}`),
		"broken query":    of("POST", "/orders/1?a=1&b=%", media, `{"n":1}`),
		"type":            of("POST", "/orders/1?a=1&b=2", "text/plain", `{"n":1}`),
		"broken type":     of("POST", "/orders/1?a=1&b=2", "/;;", `{"n":1}`),
		"body":            of("POST", "/orders/1?a=1&b=2", media, `{"n":2}`),
		"spaces in body":  of("POST", "/orders/1?a=1&b=2", media, `{"n": 1}`),
	} {
		if other == one {
			t.Errorf("%s makes no difference", name)
		}
	}
}

func TestWhichStatusesAreisRecorded(t *testing.T) {
	for status, want := range map[int]bool{
		100: false, 101: false, 200: true, 201: true, 204: true, 303: true, 400: true, 401: false, 402: true, 403: false,
		404: true, 408: false, 409: false, 410: true, 422: true, 423: false, 425: false, 429: false, 499: true, 500: false,
		503: false, 0: false,
	} {
		if isRecorded(status) != want {
			t.Errorf("%d: %t", status, !want)
		}
	}
}
