package response

import (
	"errors"
	"net/http"
	"reflect"
	"testing"
)

func TestDecodeRefusesMalformedBytes(t *testing.T) {
	good := string(Response{Status: 201, Header: http.Header{"A": {"b"}}}.Append(nil))
	for name, stored := range map[string]string{
		"empty":               "",
		"too short":           "\x00",
		"status too low":      "\x00\x64" + good[2:],
		"status too high":     "\xff\xff" + good[2:],
		"no header":           good[:2],
		"a cut header":        good[:4],
		"a cut value":         good[:len(good)-1],
		"too many lines":      good[:2] + "\x02" + good[3:],
		"an endless number":   good[:2] + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"an endless name":     good[:2] + "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x",
		"an empty name":       good[:2] + "\x01\x00\x00",
		"a huge line counter": "\x00\xc8\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	} {
		if r, err := Decode([]byte(stored)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: read as %+v, %v", name, r, err)
		}
	}
}

// FuzzDecode checks that stored bytes are refused, or read as a response that is stored and read as the same.
func FuzzDecode(f *testing.F) {
	f.Add(Response{Status: 201, Header: http.Header{"A": {"b", ""}, "C": {"\xff"}}, Body: []byte("body\x00")}.Append(nil))
	f.Add(Response{Status: 204}.Append(nil))
	f.Add([]byte("\x00\xc8\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		r, err := Decode(stored)
		if err != nil {
			return
		}
		again, err := Decode(r.Append(nil))
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%+v is read again as %+v, %v", r, again, err)
		}
	})
}
