package claim

import (
	"net/http"
	"reflect"
	"testing"
)

func TestAnswersThatAreNone(t *testing.T) {
	good := string(Answer{Status: 201, Header: http.Header{"A": {"b"}}, Kept: true}.encode())
	for name, stored := range map[string]string{
		"empty":              "",
		"short":              "\x01\x00",
		"another form":       "\x03" + good[1:],
		"no status":          "\x01\x00\x64" + good[3:],
		"a wild status":      "\x01\xff\xff" + good[3:],
		"no header":          good[:3],
		"a cut header":       good[:5],
		"a cut value":        good[:len(good)-1],
		"more lines":         good[:3] + "\x02" + good[4:],
		"an endless number":  good[:3] + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"a name without end": good[:3] + "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x",
		"an empty name":      good[:3] + "\x01\x00\x00",
		"something behind":   string(Answer{Status: 201}.encode()) + "x",
	} {
		if a, err := decode([]byte(stored)); err == nil {
			t.Errorf("%s: read as %+v", name, a)
		}
	}
}

// FuzzDecode: whatever is stored is refused or read as an answer that is stored and read as the same.
func FuzzDecode(f *testing.F) {
	f.Add(Answer{Status: 201, Header: http.Header{"A": {"b", ""}, "C": {"\xff"}}, Body: []byte("body\x00"), Kept: true}.encode())
	f.Add(Answer{Status: 204, Kept: true}.encode())
	f.Add(Answer{Status: 599}.encode())
	f.Add([]byte("\x01\x00\xc8\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		a, err := decode(stored)
		if err != nil {
			return
		}
		again, err := decode(a.encode())
		if err != nil || !reflect.DeepEqual(a, again) {
			t.Errorf("%+v is read again as %+v, %v", a, again, err)
		}
	})
}
