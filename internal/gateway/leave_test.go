package gateway

import (
	"bufio"
	"io"
	"net/http"
	"testing"
	"time"
)

// A gateway that leaves closes no idle connection, because its client may just be sending a request: it answers, and then
// closes the connection.
func TestLeaveEndsEachConnectionWithAResponse(t *testing.T) {
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "done") }))
	f := start(t, "", "", node)
	nc := dial(t, f.addr)
	in := bufio.NewReader(nc)
	ask := func() *http.Response {
		t.Helper()
		io.WriteString(nc, "GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
		nc.SetReadDeadline(time.Now().Add(patience))
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "done" || err != nil {
			t.Fatalf("answered %q, %v", body, err)
		}
		return resp
	}
	if ask().Close {
		t.Error("the connection ends before the gateway leaves")
	}
	left := make(chan bool, 1)
	go func() { f.Leave(t.Context()); left <- true }()
	await(t, "the gateway leaves", f.leaving.Load)
	select {
	case <-left:
		t.Error("the gateway has left an idle connection")
	case <-time.After(3 * leavePoll):
	}
	if !ask().Close {
		t.Error("the connection does not end after the response")
	}
	receive(t, "the gateway has left", left)
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after the last response: %v", err)
	}
}

func TestLeaveEndsAfterDrain(t *testing.T) {
	node := address(serve(t, func(w http.ResponseWriter, r *http.Request) {}))
	f := start(t, "drain: 100ms", "", node)
	nc := dial(t, f.addr)
	await(t, "the connection counts", func() bool { return f.openConnections() == 1 })
	f.Leave(t.Context())
	nc.Close()
}
