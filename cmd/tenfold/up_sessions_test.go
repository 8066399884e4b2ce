package main

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// A visitor of a service with sessions in memory is not recognized by the other node. tenfold says so once.
func TestUpSaysThatSessionsInMemoryAreNotReadyForTwoNodes(t *testing.T) {
	x := upQuietly(t, "", "--nodes", "2", "--", "service")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	visitor := &http.Client{Jar: jar}
	requests := 0
	x.await("the service is found", func() bool {
		requests++
		resp, err := visitor.Get(x.url + "/session")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return x.services()[0].TwoNodes != nil
	})
	two := x.services()[0].TwoNodes
	if two.Cookie != "sid" || two.Since.IsZero() || two.Page != "docs/two-nodes.md" {
		t.Errorf("got %+v", two)
	}
	if text := x.verb("status"); !strings.Contains(text, "NOT READY FOR TWO NODES: each node sets the cookie sid again, see docs/two-nodes.md") {
		t.Errorf("the status is\n%s", text)
	}
	for range 50 {
		resp, err := visitor.Get(x.url + "/session")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	figure(t, "sessions in memory", "found_after_requests", requests)
	x.stop()
	if n := strings.Count(x.stderr.String(), "not ready for several nodes"); n != 1 {
		t.Errorf("it was logged %d times:\n%s", n, x.stderr)
	}
	address, err := url.Parse(x.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range jar.Cookies(address) {
		if strings.Contains(x.stderr.String(), c.Value) {
			t.Error("the log has the value of a cookie")
		}
	}
}
