package wire

import (
	"fmt"
	"net/http"
	"testing"
)

func TestRemoveHopByHop(t *testing.T) {
	h := http.Header{
		"Connection": {"close, X-Private", "TE"}, "X-Private": {"a"}, "Te": {"trailers"}, "Keep-Alive": {"5"},
		"Proxy-Connection": {"b"}, "Trailer": {"c"}, "Transfer-Encoding": {"chunked"}, "Upgrade": {"d"},
		"Proxy-Authenticate": {"e"}, "Proxy-Authorization": {"f"}, "Http2-Settings": {"g"},
		"Content-Length": {"1"}, "Accept": {"h"},
	}
	RemoveHopByHop(h)
	if want := (http.Header{"Content-Length": {"1"}, "Accept": {"h"}}); fmt.Sprint(h) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", h, want)
	}
}

func TestIsConnectionField(t *testing.T) {
	for name, want := range map[string]bool{
		"Connection": true, "keep-alive": true, "PROXY-CONNECTION": true, "TE": true, "Trailer": true,
		"Transfer-Encoding": true, "Upgrade": true, "Content-Length": false, "Host": false, "Proxy-Authorization": false,
	} {
		if IsConnectionField(name) != want {
			t.Errorf("%s: got %v", name, !want)
		}
	}
}

func FuzzCanonicalName(f *testing.F) {
	for _, name := range []string{"etag", "ETag", "X-new-ONE", "a--b", "x_y", "Www-Authenticate"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !ValidToken(name) {
			return
		}
		if got, want := CanonicalName(name), http.CanonicalHeaderKey(name); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestCanonicalNameOfCommonFieldsDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"content-type", "X-FORWARDED-FOR", "Already-Canonical"} {
		if n := testing.AllocsPerRun(100, func() { CanonicalName(name) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
