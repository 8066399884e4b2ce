package idempotent

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/tenfold-go/tenfold/internal/gateway/response"
)

func TestDecodeResultRefusesMalformedBytes(t *testing.T) {
	good := string(result{response.Response{Status: 201, Header: http.Header{"A": {"b"}}}, true}.encode())
	for name, stored := range map[string]string{
		"empty":                  "",
		"unknown form":           "\x03" + good[1:],
		"a cut response":         good[:len(good)-1],
		"a status out of range":  "\x02\x00\x64",
		"bytes after the status": string(result{response: response.Response{Status: 201}}.encode()) + "x",
	} {
		if r, err := decodeResult([]byte(stored)); err == nil {
			t.Errorf("%s: read as %+v", name, r)
		}
	}
}

// FuzzDecodeResult checks that stored bytes are refused, or read as a result that is stored and read as the same.
func FuzzDecodeResult(f *testing.F) {
	f.Add(result{response.Response{Status: 201, Header: http.Header{"A": {"b", ""}, "C": {"\xff"}}, Body: []byte("body\x00")}, true}.encode())
	f.Add(result{response.Response{Status: 204}, true}.encode())
	f.Add(result{response: response.Response{Status: 599}}.encode())
	f.Add([]byte("\x01\x00\xc8\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		r, err := decodeResult(stored)
		if err != nil {
			return
		}
		again, err := decodeResult(r.encode())
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%+v is read again as %+v, %v", r, again, err)
		}
	})
}
