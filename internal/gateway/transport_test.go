package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestStickyVisitorKeepsTheNode(t *testing.T) {
	names := []string{"node one", "node two", "node three"}
	var nodes []string
	for _, name := range names {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name) }))
		t.Cleanup(s.Close)
		nodes = append(nodes, s.Listener.Addr().String())
	}
	f := start(t, "", "sticky: pin", nodes...)
	get := func(cookie *http.Cookie) (string, []*http.Cookie) {
		req, _ := http.NewRequest("GET", "http://"+f.addr+"/", nil)
		if cookie != nil {
			req.AddCookie(cookie)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body), resp.Cookies()
	}
	first, cookies := get(nil)
	if len(cookies) != 1 || cookies[0].Name != "pin" {
		t.Fatalf("cookies %v, want one with the name pin", cookies)
	}
	for range 20 {
		if body, again := get(cookies[0]); body != first || len(again) != 0 {
			t.Fatalf("the visitor of %s got %s and the cookies %v", first, body, again)
		}
	}
	for i, name := range names {
		if name == first {
			f.Drain(t.Context(), "shop", f.Nodes("shop")[i].ID)
		}
	}
	body, again := get(cookies[0])
	if body == first || len(again) != 1 || again[0].Value == cookies[0].Value {
		t.Errorf("after the drain of %s the visitor got %s and the cookies %v, want another node and its cookie", first, body, again)
	}
}
